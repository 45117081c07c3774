"""How good a clustering looks without classes: pure functions of points, clusters and confidences.

`neighbours` is the one that decides between runs. The model's own embedding would not do: a model can draw it together
without finding better clusters, and figures from different embeddings do not compare (Wang and Ye, "Deep Clustering
Evaluation: How to Validate Internal Clustering Validation Measures", 2024, arXiv 2403.14830, which proposes ACE). The
same authors show that distances between all images mean little in the many dimensions of pixels. Silhouette,
Calinski-Harabasz and Davies-Bouldin rest on these, and favour round clusters of one size; `neighbours` asks only
whether images that look most alike are in one cluster, whatever the shape of that.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score
from sklearn.neighbors import NearestNeighbors

from decda.core.training.metrics import ari

N_NEIGHBORS = 10
"""Nearest neighbours of each image that are looked at."""
N_PAIRED = 5_000
"""Most images whose distances to each other are all measured."""
UNCERTAIN = 0.5
"""Confidence below which an image is uncertain: another cluster may then be as likely as its own."""
Labels = NDArray[np.int64]
Points = NDArray[np.float32]


def find_neighbours(points: Points, n_neighbors: int = N_NEIGHBORS) -> NDArray[np.int64]:
    """The nearest neighbours of each point, without itself.

    Args:
        points: (N, D).
        n_neighbors: how many, k; where there are fewer other points, all of them.

    Returns:
        Their positions (N, k), nearest first.

    Example:
        >>> find_neighbours(np.array([[0.0], [1.0], [3.0]]), n_neighbors=1).tolist()
        [[1], [0], [1]]
    """
    k = min(n_neighbors, len(points) - 1)
    if k < 1:
        return np.empty((len(points), 0), np.int64)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    found: NDArray[np.int64] = search.kneighbors(return_distance=False)
    return found


def neighbours(
    points: Points, labels: Labels, n_neighbors: int = N_NEIGHBORS, *, found: NDArray[np.int64] | None = None
) -> float | None:
    """How much more often than by chance an image is in the cluster of its nearest neighbours; higher is better.

    share of the N x k pairs of an image and a neighbour that lie in one cluster, minus sum_j (n_j / N)^2

    n_j images are in cluster j; the second term is what clusters of these sizes reach by chance. This is close to the
    modularity of the graph of nearest neighbours. It is 0 for a single cluster, about 0 for random ones, and at
    most 1 - 1/K for K clusters, so that it compares runs with the same number of clusters.

    Args:
        points: (N, D).
        labels: cluster of each (N,).
        n_neighbors: how many neighbours of each image are looked at.
        found: what `find_neighbours` returned for these points, if it was called already.

    Returns:
        A number below 1; None for a single image or none.

    Example:
        >>> neighbours(np.array([[0.0], [1.0], [8.0], [9.0]]), np.array([0, 0, 1, 1]), n_neighbors=1)
        0.5
    """
    near = find_neighbours(points, n_neighbors) if found is None else found
    if near.size == 0:
        return None
    shares = _shares(labels)
    return float((labels[near] == labels[:, None]).mean() - np.square(shares).sum())


def silhouette(points: Points, labels: Labels, *, n_samples: int = N_PAIRED, seed: int = 0) -> float | None:
    """Mean silhouette: how much nearer an image is to its own cluster than to the next one; higher is better.

    Args:
        points: (N, D).
        labels: cluster of each (N,).
        n_samples: of more points, as many are drawn.
        seed: of the draw.

    Returns:
        A number in [-1, 1]; None for a single cluster, or as many as points.

    Example:
        >>> round(silhouette(np.array([[0.0], [1.0], [8.0], [9.0]]), np.array([0, 0, 1, 1])), 3)
        0.875
    """
    if len(points) > n_samples:
        drawn = np.random.default_rng(seed).choice(len(points), n_samples, replace=False)
        points, labels = points[drawn], labels[drawn]
    return float(silhouette_score(points, labels)) if _is_divided(labels) else None


def calinski_harabasz(points: Points, labels: Labels) -> float | None:
    """Calinski-Harabasz index: spread between clusters over spread within them; higher is better.

    Args:
        points: (N, D).
        labels: cluster of each (N,).

    Returns:
        A number of at least 0; None for a single cluster, or as many as points.

    Example:
        >>> calinski_harabasz(np.array([[0.0], [1.0], [8.0], [9.0]]), np.array([0, 0, 1, 1]))
        128.0
    """
    return float(calinski_harabasz_score(points, labels)) if _is_divided(labels) else None


def davies_bouldin(points: Points, labels: Labels) -> float | None:
    """Davies-Bouldin index: how wide clusters are beside their distance to the nearest other one; lower is better.

    Args:
        points: (N, D).
        labels: cluster of each (N,).

    Returns:
        A number of at least 0; None for a single cluster, or as many as points.

    Example:
        >>> davies_bouldin(np.array([[0.0], [1.0], [8.0], [9.0]]), np.array([0, 0, 1, 1]))
        0.125
    """
    return float(davies_bouldin_score(points, labels)) if _is_divided(labels) else None


def uncertain(confidence: NDArray[np.float32], below: float = UNCERTAIN) -> float | None:
    """Share of images whose cluster is uncertain.

    Args:
        confidence: largest soft assignment of each image (N,).
        below: the least confidence of one that is not.

    Returns:
        A share in [0, 1]; None for no images.

    Example:
        >>> uncertain(np.array([0.9, 0.5, 0.4, 0.8]))
        0.25
    """
    return float((confidence < below).mean()) if len(confidence) else None


def smallest(labels: Labels, n_clusters: int | None = None) -> float | None:
    """Share of images that the smallest cluster holds.

    Args:
        labels: cluster of each image (N,).
        n_clusters: how many there should be, K; an empty one counts. None: those that hold an image.

    Returns:
        A share in [0, 1/K]; None for no images.

    Example:
        >>> smallest(np.array([0, 0, 0, 2])), smallest(np.array([0, 0, 0, 2]), n_clusters=3)
        (0.25, 0.0)
    """
    shares = _shares(labels)
    if not len(shares):
        return None
    return 0.0 if n_clusters is not None and len(shares) < n_clusters else float(shares.min())


def entropy(labels: Labels, n_clusters: int | None = None) -> float | None:
    """Entropy of the sizes of the clusters, over that of equal sizes.

    Args:
        labels: cluster of each image (N,).
        n_clusters: how many there should be; None: those that hold an image.

    Returns:
        A number in [0, 1], 1 for clusters of one size; None where there is only one.

    Example:
        >>> entropy(np.array([0, 0, 1, 1])), round(entropy(np.array([0, 0, 0, 1])), 3)
        (1.0, 0.811)
    """
    shares = _shares(labels)
    k = n_clusters or len(shares)
    if k < 2 or not len(shares):
        return None
    return float(np.abs((shares * np.log(shares)).sum()) / np.log(k))


def agreement(labels: Sequence[Labels]) -> list[float | None]:
    """How well each of several clusterings of the same images agrees with the others.

    Args:
        labels: those of each clustering, (N,) each.

    Returns:
        For each, the mean adjusted Rand index with the others; None if there are no others.

    Example:
        >>> agreement([np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])])
        [1.0, 1.0]
        >>> agreement([np.array([0, 0, 1, 1])])
        [None]
    """
    if len(labels) < 2:
        return [None] * len(labels)
    pairs = np.zeros((len(labels), len(labels)))
    for i, one in enumerate(labels):
        for j, other in enumerate(labels[:i]):
            pairs[i, j] = pairs[j, i] = ari(one, other)
    means: list[float | None] = (pairs.sum(1) / (len(labels) - 1)).tolist()
    return means


def _shares(labels: Labels) -> NDArray[np.float64]:
    """The share of images in each cluster that holds any."""
    shares: NDArray[np.float64] = np.unique(labels, return_counts=True)[1] / max(len(labels), 1)
    return shares


def _is_divided(labels: Labels) -> bool:
    """Whether there are several clusters, and one of them holds several images."""
    return 2 <= len(np.unique(labels)) < len(labels)
