"""Clustering a sample of the embeddings; the others follow their nearest neighbours in it."""

from collections.abc import Callable
from typing import Annotated

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits
from torch import Tensor

Points = NDArray[np.float32]
MaxSamples = Annotated[int, "more embeddings than this are sampled; the others follow their neighbours in the sample"]
VOTERS = 5
"""Neighbours in the sample by which the others decide."""
ROWS = 2**20
"""Embeddings whose neighbours are looked for together; five distances and five positions are held of each."""


def cluster_sample(
    z: Tensor, n_clusters: int, seed: int, max_samples: int, cluster: Callable[[Points], ArrayLike]
) -> Tensor:
    """Cluster a random sample of the embeddings; each other one joins the majority of its 5 nearest neighbours in it.

    Args:
        z: embeddings (N, D).
        n_clusters: K; as many embeddings at most are clusters of their own.
        seed: of the sample.
        max_samples: size of the sample, at least K.
        cluster: points (n, D) -> labels (n,).

    Returns:
        Labels, int64 (N,), on z's device.

    Raises:
        ValueError: there are fewer embeddings than clusters, or the sample is smaller than that.

    Example:
        >>> points = torch.tensor([[0.0], [0.2], [5.0], [5.1]])
        >>> cluster_sample(points, 2, 0, 10, lambda x: x[:, 0] > 1).tolist()
        [0, 0, 1, 1]
    """
    chosen = draw_sample(len(z), n_clusters, seed, max_samples)
    if len(z) == n_clusters:
        return torch.arange(n_clusters, device=z.device)
    return spread_labels(z, chosen, cluster)


def draw_sample(n: int, n_clusters: int, seed: int, max_samples: int) -> NDArray[np.int64]:
    """Draw the embeddings that are clustered.

    Args:
        n: how many there are.
        n_clusters: K.
        seed: of the draw.
        max_samples: the most that are drawn.

    Returns:
        Their positions (M,), ascending.

    Raises:
        ValueError: there are fewer embeddings than clusters, or the sample is smaller than that.

    Example:
        >>> draw_sample(3, 2, seed=0, max_samples=10).tolist()
        [0, 1, 2]
    """
    if n < n_clusters:
        raise ValueError(f"{n} embeddings cannot make {n_clusters} clusters")
    if max_samples < n_clusters:
        raise ValueError(f"max_samples must be at least the number of clusters, {n_clusters}; it is {max_samples}")
    if n <= max_samples:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, max_samples, replace=False))


def spread_labels(z: Tensor, chosen: NDArray[np.int64], cluster: Callable[[Points], ArrayLike]) -> Tensor:
    """Cluster the chosen embeddings; each other one joins the majority of its 5 nearest neighbours among them.

    Everything is computed on one thread, because the order of sums would otherwise depend on their number.

    Args:
        z: embeddings (N, D).
        chosen: positions of some of them (M,), ascending.
        cluster: points (M, D) -> labels (M,).

    Returns:
        Labels, int64 (N,), on z's device.

    Example:
        >>> points = torch.tensor([0.0, 0.1, 0.2, 0.3, 5.0, 5.1, 5.2, 5.3]).unsqueeze(1)
        >>> spread_labels(points, np.array([0, 1, 2, 4, 5, 6]), lambda x: x[:, 0] > 1).tolist()
        [0, 0, 0, 0, 1, 1, 1, 1]
    """
    points = z.detach().to("cpu", torch.float32).numpy()
    with threadpool_limits(limits=1):
        labels = np.asarray(cluster(points[chosen]))
        if len(chosen) < len(points):
            voters = min(VOTERS, len(chosen))
            search = KNeighborsClassifier(voters, n_jobs=1).fit(points[chosen], labels)
            parts = range(0, len(points), ROWS)
            spread = np.concatenate([search.predict(points[start : start + ROWS]) for start in parts])
            spread[chosen] = labels  # the sample keeps its own: neighbours would outvote small clusters
            labels = spread
    return torch.from_numpy(labels.astype(np.int64)).to(z.device)
