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
MaxSamples = Annotated[int, "embeddings that are clustered; of more, the others follow their nearest neighbours"]
VOTERS = 5
"""Neighbours in the sample by which the others decide."""


def cluster_sample(
    z: Tensor, n_clusters: int, seed: int, max_samples: int, cluster: Callable[[Points], ArrayLike]
) -> Tensor:
    """Cluster at most so many embeddings, drawn at random; each other joins most of its 5 nearest neighbours in them.

    Everything is computed on one thread, because the order of sums would otherwise depend on their number.

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
    points = z.detach().to("cpu", torch.float32).numpy()
    if len(points) < n_clusters:
        raise ValueError(f"{len(points)} embeddings cannot make {n_clusters} clusters")
    if max_samples < n_clusters:
        raise ValueError(f"max_samples must be at least the number of clusters, {n_clusters}; it is {max_samples}")
    if len(points) == n_clusters:
        return torch.arange(n_clusters, device=z.device)
    with threadpool_limits(limits=1):
        if len(points) <= max_samples:
            labels = np.asarray(cluster(points))
        else:
            chosen = np.sort(np.random.default_rng(seed).choice(len(points), max_samples, replace=False))
            sample = points[chosen]
            voters = min(VOTERS, max_samples)
            by_neighbours = KNeighborsClassifier(voters, n_jobs=1).fit(sample, np.asarray(cluster(sample)))
            labels = by_neighbours.predict(points)
    return torch.from_numpy(labels.astype(np.int64)).to(z.device)
