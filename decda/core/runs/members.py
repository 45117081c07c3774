"""Which images of a clustering to look at: the typical ones, the least certain, and those between two clusters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PER_ROW = 10
"""Images shown side by side."""
TWO_TO_ONE = 0.5
"""An image is between two clusters if the second is at least so likely for it, compared with the first."""
MOST_PAIRS = 6
Labels = NDArray[np.int64]
Shares = NDArray[np.float32]


def typical(labels: Labels, confidence: Shares, cluster: int, count: int = PER_ROW) -> Labels:
    """The members of a cluster that belong to it most surely.

    Args:
        labels: cluster of each image (N,).
        confidence: the largest soft assignment of each (N,).
        cluster: its number.
        count: most images.

    Returns:
        Their positions, the surest first.

    Example:
        >>> typical(np.array([0, 1, 0, 0]), np.array([0.5, 0.9, 0.8, 0.6]), 0, 2).tolist()
        [2, 3]
    """
    members = np.flatnonzero(labels == cluster)
    return members[np.argsort(-confidence[members], kind="stable")[:count]]


def uncertain(labels: Labels, confidence: Shares, cluster: int, count: int = PER_ROW) -> Labels:
    """The members of a cluster that belong to it least surely.

    Args:
        labels: as for `typical`.
        confidence: as for `typical`.
        cluster: its number.
        count: most images.

    Returns:
        Their positions, the least sure first.
    """
    members = np.flatnonzero(labels == cluster)
    return members[np.argsort(confidence[members], kind="stable")[:count]]


@dataclass(frozen=True)
class Between:
    """Images between two clusters.

    Attributes:
        first: the number of one cluster, the lower.
        second: that of the other.
        count: how many images lean to one of them by less than two to one.
        index: the most undecided of them.
    """

    first: int
    second: int
    count: int
    index: Labels


@dataclass(frozen=True)
class Undecided:
    """How undecided each image is between the two clusters that are likeliest for it.

    Attributes:
        first: the likeliest cluster of each image (N,).
        second: the next one (N,).
        ratio: how likely the second is, compared with the first, in [0, 1] (N,).
    """

    first: Labels
    second: Labels
    ratio: Shares


def top_two(q: Shares) -> Undecided:
    """The two likeliest clusters of each image.

    Args:
        q: soft assignments (N, K), of at least two clusters.

    Returns:
        For each image, what it is undecided between.
    """
    rows = np.arange(len(q))
    first = q.argmax(1)
    rest = q.copy()
    rest[rows, first] = -1
    second = rest.argmax(1)
    ratio = q[rows, second] / np.maximum(q[rows, first], np.finfo(np.float32).tiny)
    return Undecided(first, second, ratio.astype(np.float32))


def between(images: Undecided, n_clusters: int, most: int = MOST_PAIRS, count: int = PER_ROW) -> list[Between]:
    """The pairs of clusters that share most images.

    Args:
        images: from `top_two`.
        n_clusters: K.
        most: pairs.
        count: images of each pair that are named.

    Returns:
        Pairs with at least one image between them, those with most first.

    Example:
        >>> q = np.array([[0.6, 0.4, 0.0], [0.9, 0.1, 0.0], [0.45, 0.5, 0.05]], np.float32)
        >>> [(pair.first, pair.second, pair.count, pair.index.tolist()) for pair in between(top_two(q), 3)]
        [(0, 1, 2, [2, 0])]
    """
    undecided = np.flatnonzero(images.ratio >= TWO_TO_ONE)
    first, second = images.first[undecided], images.second[undecided]
    codes = np.minimum(first, second) * n_clusters + np.maximum(first, second)
    pairs, which, counts = np.unique(codes, return_inverse=True, return_counts=True)
    found = []
    for position in np.argsort(-counts, kind="stable")[:most]:
        inside = undecided[which == position]
        index = inside[np.argsort(-images.ratio[inside], kind="stable")[:count]]
        low, high = divmod(int(pairs[position]), n_clusters)
        found.append(Between(low, high, int(counts[position]), index))
    return found
