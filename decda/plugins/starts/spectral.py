"""The start `spectral`."""

import warnings
from typing import Annotated

from sklearn.cluster import SpectralClustering
from torch import Tensor

from decda.plugins.starts.in_map import kmeans_in_map
from decda.plugins.starts.sampling import MaxSamples, Points, cluster_sample


def spectral(
    z: Tensor,
    n_clusters: int,
    seed: int,
    *,
    n_neighbors: Annotated[int, "neighbours in the graph, itself among them, at least 2; at most the embeddings"] = 10,
    max_samples: MaxSamples = 10_000,
) -> Tensor:
    """Spectral clustering of the graph of nearest neighbours: follows clusters of any shape.

    Args:
        z: embeddings (N, D).
        n_clusters: K.
        seed: of the sample, the eigenvectors and k-means.

    Returns:
        Labels, int64 (N,).

    Raises:
        ValueError: n_neighbors is below 2.

    Reference:
        von Luxburg: A tutorial on spectral clustering, Statistics and Computing 2007.

    Example:
        >>> import torch
        >>> z = torch.cat([torch.zeros(20, 2), torch.ones(20, 2)]) + 0.01 * torch.arange(40.0).unsqueeze(1)
        >>> labels = spectral(z, 2, seed=0)
        >>> len(labels[:20].unique()), len(labels.unique())
        (1, 2)
    """
    if n_neighbors < 2:  # the nearest neighbour of an embedding is itself: a graph of one has no edges
        raise ValueError(f"n_neighbors must be at least 2, it is {n_neighbors}")

    def cluster(points: Points) -> Points:
        if len(points) < n_clusters + 3:  # fewer points than the eigenvectors that are looked for
            return kmeans_in_map(points, n_clusters, seed)
        method = SpectralClustering(
            n_clusters, affinity="nearest_neighbors", n_neighbors=min(n_neighbors, len(points)),
            random_state=seed % 2**32, n_jobs=1,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a graph of several pieces, embeddings that are all alike
            return method.fit_predict(points)  # type: ignore[no-any-return]

    return cluster_sample(z, n_clusters, seed, max_samples, cluster)
