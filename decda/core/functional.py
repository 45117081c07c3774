"""The mathematics that clustering heads share: pure functions of tensors.

Letters as in the papers: N samples, B batch, K clusters, D embedding; z embeddings, q soft assignments, p target.
"""

import warnings

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits
from torch import Tensor

from decda.core.batched_kmeans import batched_kmeans
from decda.core.sampling import sample

CLIP = 1e-7
"""Probabilities are clipped here before their logarithm is taken."""
CHUNK = 2**22
"""The most differences (rows x K x D) held at once while distances are computed: 16 MiB in float32."""
CACHED = 2**20
"""The same on a CPU, where no gradient is needed: what its caches hold."""
ROWS = 2**20
"""The most embeddings that are converted to float64 together."""


def squared_distances(z: Tensor, centers: Tensor) -> Tensor:
    """Squared Euclidean distance of each embedding to each center.

    Computed from the differences, because |z|^2 - 2zc + |c|^2 cancels for near points; in chunks of rows, so that
    memory grows with B x K and not with B x K x D. Without a gradient, the result is all that is held beside a chunk.

    Args:
        z: embeddings (B, D).
        centers: (K, D).

    Returns:
        (B, K), not negative.

    Example:
        >>> squared_distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0], [0.0, 1.0]])).tolist()
        [[25.0, 1.0]]
    """
    gradient = _has_gradient(z, centers)
    rows = _rows_in_chunk(centers, gradient)
    if len(z) <= rows:
        return (z.unsqueeze(1) - centers).square().sum(2)
    if gradient:
        return torch.cat([(chunk.unsqueeze(1) - centers).square().sum(2) for chunk in z.split(rows)])
    # Written into one tensor: small ones between large ones would keep the memory of all chunks from reuse.
    distances = z.new_empty(len(z), len(centers), dtype=torch.result_type(z, centers))
    for start in range(0, len(z), rows):
        distances[start : start + rows] = (z[start : start + rows].unsqueeze(1) - centers).square_().sum(2)
    return distances


@torch.no_grad()
def nearest_centers(z: Tensor, centers: Tensor) -> Tensor:
    """The nearest center of each embedding, found in chunks of rows: no distances of the whole set are held.

    Args:
        z: embeddings (N, D).
        centers: (K, D).

    Returns:
        int64 (N,), on z's device; of centers that are equally near, the first.

    Example:
        >>> nearest_centers(torch.tensor([[0.0], [9.0]]), torch.tensor([[1.0], [8.0]]))
        tensor([0, 1])
    """
    nearest = torch.empty(len(z), dtype=torch.int64, device=z.device)
    rows = _rows_in_chunk(centers, gradient=False)
    for start in range(0, len(z), rows):
        nearest[start : start + rows] = squared_distances(z[start : start + rows], centers).argmin(1)
    return nearest


def _rows_in_chunk(centers: Tensor, gradient: bool) -> int:
    """How many embeddings are compared with all centers together."""
    chunk = CACHED if centers.device.type == "cpu" and not gradient else CHUNK
    return max(chunk // max(centers.numel(), 1), 1)


def _has_gradient(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def student_t(z: Tensor, centers: Tensor) -> Tensor:
    """Soft assignment by Student's t-distribution with one degree of freedom.

    q_ij = (1 + |z_i - c_j|^2)^-1 / sum_j' (1 + |z_i - c_j'|^2)^-1

    Args:
        z: embeddings (B, D).
        centers: (K, D).

    Returns:
        q (B, K); rows sum to 1.

    Reference:
        Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016, equation 1.

    Example:
        >>> student_t(torch.zeros(1, 1), torch.tensor([[0.0], [1.0]]))
        tensor([[0.6667, 0.3333]])
    """
    if _has_gradient(z, centers):
        q = 1 / (1 + squared_distances(z, centers))
        return q / q.sum(1, keepdim=True)
    q = squared_distances(z, centers).add_(1).reciprocal_()  # in place: no second tensor of B x K numbers
    return q.div_(q.sum(1, keepdim=True))


def target_distribution(q: Tensor) -> Tensor:
    """Sharpen soft assignments and balance the clusters: the target of DEC, from the whole set.

    p_ij = (q_ij^2 / f_j) / sum_j' (q_ij'^2 / f_j'), f_j = sum_i q_ij

    A cluster without any weight (f_j = 0) has none in the target either; the equation leaves that case open.

    Args:
        q: soft assignments (N, K); rows sum to 1.

    Returns:
        p (N, K); rows sum to 1.

    Reference:
        Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016, equation 3.

    Example:
        >>> target_distribution(torch.tensor([[0.75, 0.25], [0.5, 0.5]]))
        tensor([[0.8438, 0.1563],
                [0.3750, 0.6250]])
    """
    frequency = q.sum(0)
    weight = q.square() / torch.where(frequency > 0, frequency, 1)
    return weight / weight.sum(1, keepdim=True)


@torch.no_grad()
def target_distribution_(q: Tensor) -> Tensor:
    """The same in the memory of q, which it replaces: for soft assignments of the whole set that nobody needs again.

    Args:
        q: soft assignments (N, K); rows sum to 1.

    Returns:
        q itself, which now holds p.

    Example:
        >>> q = torch.tensor([[0.75, 0.25], [0.5, 0.5]])
        >>> target_distribution_(q) is q, q
        (True, tensor([[0.8438, 0.1563],
                [0.3750, 0.6250]]))
    """
    frequency = q.sum(0)
    q.square_().div_(torch.where(frequency > 0, frequency, 1))
    return q.div_(q.sum(1, keepdim=True))


def kl_divergence(p: Tensor, q: Tensor) -> Tensor:
    """Kullback-Leibler divergence KL(p || q), summed over clusters and averaged over the batch.

    Both sides are clipped to [1e-7, 1] first, as in the authors' code.

    Args:
        p: target (B, K).
        q: soft assignments (B, K).

    Returns:
        A scalar.

    Example:
        >>> p = torch.tensor([[0.5, 0.5]])
        >>> round(kl_divergence(p, torch.tensor([[0.25, 0.75]])).item(), 4)
        0.1438
    """
    p, q = p.clamp(CLIP, 1), q.clamp(CLIP, 1)
    return (p * (p / q).log()).sum(1).mean()


def cluster_means(z: Tensor, labels: Tensor, n_clusters: int) -> Tensor:
    """The mean of each cluster, added up in float64 and in a fixed order, so that it is the same in every run.

    An empty cluster gets the embedding that lies farthest from the mean of its own, the next one the second farthest.

    Args:
        z: embeddings (N, D).
        labels: the cluster of each, int64 (N,), from 0 to K - 1.
        n_clusters: K.

    Returns:
        (K, D), of z's dtype and on its device.

    Example:
        >>> cluster_means(torch.tensor([[0.0], [1.0], [5.0]]), torch.tensor([0, 0, 1]), 2).tolist()
        [[0.5], [5.0]]
    """
    points, groups = z.detach().cpu(), labels.cpu()
    parts = [(points[start : start + ROWS], groups[start : start + ROWS]) for start in range(0, len(points), ROWS)]
    sums = torch.zeros(n_clusters, z.shape[1], dtype=torch.float64)
    for some, theirs in parts:
        sums.index_add_(0, theirs, some.double())
    counts = torch.bincount(groups, minlength=n_clusters)
    means = sums / counts.clamp(min=1).unsqueeze(1)
    empty = (counts == 0).nonzero().flatten()
    if len(empty):
        distances = torch.cat([(some.double() - means[theirs]).square().sum(1) for some, theirs in parts])
        farthest = distances.sort(descending=True, stable=True).indices[: len(empty)]
        means[empty[: len(farthest)]] = points[farthest].double()
    return means.to(z.dtype).to(z.device)


def kmeans(z: Tensor, n_clusters: int, seed: int, *, n_init: int = 20) -> Tensor:
    """Place centers by k-means: k-means++ starts, Lloyd's iterations, the best of several restarts.

    Of more than a million embeddings it clusters a sample, drawn by the seed: 100 for each cluster, and 100,000 at
    least. The means of so many hardly differ from those of all.

    On a CUDA device all restarts run at once, on the device and in float64 (`decda/core/batched_kmeans.py`). From any
    other device the embeddings go to scikit-learn on the CPU, in float32. Both draw the same numbers from a seed but
    round differently, so now and then a restart takes another path.

    Args:
        z: embeddings (N, D), finite, N >= n_clusters.
        n_clusters: K.
        seed: of the sample and the restarts; equal z and seed give equal centers on the same device.
        n_init: number of restarts.

    Returns:
        centers (K, D), of z's dtype and on its device.

    Raises:
        ValueError: there are fewer samples than clusters, or a sample is not finite.

    Example:
        >>> kmeans(torch.tensor([[0.0], [0.2], [5.0]]), 2, seed=0).sort(0).values
        tensor([[0.1000],
                [5.0000]])
    """
    z = sample(z, n_clusters, seed)
    if z.device.type == "cuda":  # not on mps, which has no float64
        return batched_kmeans(z, n_clusters, seed, n_init=n_init)
    points = z.detach().to("cpu", torch.float32).numpy()
    # One thread: scikit-learn adds up partial sums thread by thread, so the number of threads would change the result.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        # With fewer distinct points than clusters some centers coincide; the cluster sizes will show it.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(n_clusters, n_init=n_init, random_state=seed % 2**32).fit(points)
    return torch.from_numpy(np.ascontiguousarray(fitted.cluster_centers_)).to(z)


def kmeans_labels(z: Tensor, n_clusters: int, seed: int, *, n_init: int = 20) -> Tensor:
    """Cluster by k-means: the paper's start.

    Args:
        z: as for `kmeans`, and so are the following.
        n_clusters: K.
        seed: of its draws.
        n_init: number of restarts.

    Returns:
        The nearest center of each embedding, int64 (N,), on z's device.

    Raises:
        ValueError: as for `kmeans`.

    Example:
        >>> labels = kmeans_labels(torch.tensor([[0.0], [0.2], [5.0]]), 2, seed=0)
        >>> (labels[0] == labels[1]).item(), (labels[0] == labels[2]).item()
        (True, False)
    """
    return nearest_centers(z, kmeans(z, n_clusters, seed, n_init=n_init))
