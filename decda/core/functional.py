"""The mathematics that clustering heads share: pure functions of tensors.

N samples, B batch, K clusters, D embedding; z embeddings, q soft assignments, p target.
"""

import warnings

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from torch import Tensor

from decda.core.batched_kmeans import batched_kmeans

CLIP = 1e-7
"""Where probabilities are clipped before a logarithm is taken."""


def squared_distances(z: Tensor, centers: Tensor) -> Tensor:
    """Squared Euclidean distance of each embedding to each center.

    Args:
        z: (B, D).
        centers: (K, D).

    Returns:
        (B, K), not negative. Taken from the differences, not from |z|^2 - 2zc + |c|^2, which cancels for near points.
    """
    return (z.unsqueeze(1) - centers).square().sum(2)


def student_t(z: Tensor, centers: Tensor) -> Tensor:
    """Soft assignment by Student's t-distribution with one degree of freedom.

    q_ij = (1 + |z_i - c_j|^2)^-1 / sum_j' (1 + |z_i - c_j'|^2)^-1

    Args:
        z: (B, D).
        centers: (K, D).

    Returns:
        q (B, K), rows sum to 1.

    Reference:
        Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016, equation 1.
    """
    q = 1 / (1 + squared_distances(z, centers))
    return q / q.sum(1, keepdim=True)


def target_distribution(q: Tensor) -> Tensor:
    """Sharpen soft assignments and even out the clusters: the target of DEC, from the whole set.

    p_ij = (q_ij^2 / f_j) / sum_j' (q_ij'^2 / f_j'), f_j = sum_i q_ij

    Args:
        q: (N, K), rows sum to 1.

    Returns:
        p (N, K), rows sum to 1.

    Reference:
        Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016, equation 3.
    """
    weight = q.square() / q.sum(0)
    return weight / weight.sum(1, keepdim=True)


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Kullback-Leibler divergence KL(p || q), summed over clusters and averaged over the batch.

    Both sides are clipped to [1e-7, 1] first, as the authors' code does.

    Args:
        p: target (B, K).
        q: soft assignments (B, K).

    Returns:
        A scalar.
    """
    p, q = p.clamp(CLIP, 1), q.clamp(CLIP, 1)
    return (p * (p / q).log()).sum(1).mean()


def kmeans(z: Tensor, n_clusters: int, seed: int, *, n_init: int = 20) -> Tensor:
    """Centers by k-means (k-means++ starts, Lloyd's iterations, the best of the restarts).

    On a CUDA device all restarts run at once, there and in float64, see `core/batched_kmeans.py`; from any other device
    the embeddings go to the CPU, to scikit-learn in float32. A seed draws the same numbers for both, but they round
    differently, and now and then a restart takes another way.

    Args:
        z: (N, D), finite, N >= n_clusters.
        n_clusters: K.
        seed: equal z and seed give equal centers on the same device.
        n_init: restarts.

    Returns:
        centers (K, D) of z's dtype and device.

    Raises:
        ValueError: fewer samples than clusters, or a sample that is not finite.
    """
    if z.device.type == "cuda":  # not from mps: it has no float64
        return batched_kmeans(z, n_clusters, seed, n_init=n_init)
    points = z.detach().to("cpu", torch.float32).numpy()
    # One thread: scikit-learn adds up partial sums thread by thread, so the number of threads would change the result.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # Fewer distinct points than clusters: some centers fall together, and the sizes of the clusters will show it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(n_clusters, n_init=n_init, random_state=seed % 2**32).fit(points)
    return torch.from_numpy(np.ascontiguousarray(fitted.cluster_centers_)).to(z)
