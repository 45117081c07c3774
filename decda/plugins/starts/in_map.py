"""K-means in a low-dimensional map of the embeddings, in which clusters of any shape come out round."""

import warnings
from typing import Any

from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

N_INIT = 20
"""Restarts of k-means, as many as on the embedding itself."""


def kmeans_in_map(positions: NDArray[Any], n_clusters: int, seed: int) -> NDArray[Any]:
    """Cluster the positions in a map by k-means, with 20 restarts.

    Args:
        positions: (N, d), finite.
        n_clusters: K, at most N.
        seed: of the restarts.

    Returns:
        Labels (N,).

    Example:
        >>> import numpy as np
        >>> labels = kmeans_in_map(np.array([[0.0], [0.1], [4.0]]), 2, seed=0)
        >>> bool(labels[0] == labels[1]), bool(labels[0] == labels[2])
        (True, False)
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct positions than clusters
        labels: NDArray[Any] = KMeans(n_clusters, n_init=N_INIT, random_state=seed % 2**32).fit_predict(positions)
    return labels
