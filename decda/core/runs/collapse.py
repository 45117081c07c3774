"""Signs, seen without labels, that a clustering has gone wrong: clusters lost, or a sound start abandoned."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.functional import kmeans_labels
from decda.core.random_keys import derive_seed
from decda.core.training.metrics import accuracy, ari

STABLE = 0.8
"""Adjusted Rand index from which two clusterings are taken for the same one."""
KEPT = 0.5
"""Share of images that a sound clustering leaves in the cluster where the start put them."""


def collapse_warnings(
    labels: NDArray[np.int64],
    n_clusters: int,
    start_labels: NDArray[np.int64] | None = None,
    start_embeddings: Tensor | None = None,
    seed: int = 0,
    emptied: Mapping[int, int] | None = None,
) -> list[str]:
    """What speaks against a clustering, in sentences.

    Two things are looked for: fewer clusters than were asked for, and a clustering that moved most images out of the
    cluster in which it started although that start was stable: k-means finds it again from two other seeds.

    Args:
        labels: the final cluster of each image (N,).
        n_clusters: how many were asked for.
        start_labels: those at the start of clustering (N,), None if it did not take place.
        start_embeddings: the embeddings on which the centers were placed (N, D).
        seed: of the run.
        emptied: clusters that were empty at the last refresh, each with the iteration since which they were; None if
            nobody looked.

    Returns:
        Sentences; empty if nothing was found.

    Example:
        >>> collapse_warnings(np.array([1, 1, 1, 1]), 2)
        ['Only 1 of 2 clusters holds any images.']
    """
    found = []
    empty = np.flatnonzero(np.bincount(labels, minlength=n_clusters) == 0).tolist()
    if empty:
        used = n_clusters - len(empty)
        story = "" if emptied is None else f": {_tell_when(empty, emptied)}"
        found.append(f"Only {used} of {n_clusters} clusters {'holds' if used == 1 else 'hold'} any images{story}.")
    if start_labels is not None and start_embeddings is not None:
        kept = accuracy(start_labels, labels)
        if kept < KEPT and _is_found_again(start_labels, start_embeddings, n_clusters, seed):
            found.append(
                f"Clustering moved {1 - kept:.0%} of the images out of the clusters they started in, although k-means "
                "finds the same start from other seeds. The start may be the better result: compare with "
                "train.max_iter=0."
            )
    return found


def _tell_when(empty: list[int], emptied: Mapping[int, int]) -> str:
    """When each of some clusters lost its last image: `"clusters 3, 4 empty by iteration 90"`."""
    by_time: dict[float, list[str]] = {}
    for cluster in empty:
        by_time.setdefault(emptied.get(cluster, float("inf")), []).append(str(cluster))
    pieces = []
    for iteration, clusters in sorted(by_time.items()):
        when = (
            "in the end" if iteration == float("inf") else f"by iteration {iteration}" if iteration else "at the start"
        )
        pieces.append(f"cluster{'s' if len(clusters) > 1 else ''} {', '.join(clusters)} empty {when}")
    return "; ".join(pieces)


@torch.no_grad()
def _is_found_again(start_labels: NDArray[np.int64], z: Tensor, n_clusters: int, seed: int) -> bool:
    """Whether k-means finds the clusters of the start from two seeds."""
    first, second = (
        kmeans_labels(z, n_clusters, derive_seed(seed, "stability", number)).cpu().numpy() for number in range(2)
    )
    return min(ari(first, second), ari(start_labels, first)) >= STABLE
