"""Voting after relabelling: one labelling that several agree on, whatever each of them calls its clusters.

The numbers of clusters mean nothing across labelings, so that each is aligned before it votes: its clusters are matched
one to one with those of the running consensus, such that as many votes as possible agree (Hungarian algorithm). A
labelling with more clusters than the consensus gives each one left over to the cluster it shares most images with.

References: Dimitriadou, Weingessel, Hornik: A Combination Scheme for Fuzzy Clustering, International Journal of Pattern
Recognition and Artificial Intelligence, 2002 (the vote). Ayad, Kamel: Cumulative Voting Consensus Method for Partitions
with a Variable Number of Clusters, IEEE TPAMI, 2008 (the running consensus, and different numbers of clusters). Fred,
Jain: Combining Multiple Clusterings Using Evidence Accumulation, IEEE TPAMI, 2005 (how a reference with too many
clusters is merged). Deviations: votes are whole, not fuzzy; every labelling serves as the first reference once, and is
aligned anew with the votes of all others until nothing changes; the best outcome counts.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import AgglomerativeClustering

from decda.core.errors import ConfigError, DataError
from decda.core.training.metrics import ari

VOTES = 2**22
"""The most votes (images x clusters) counted together."""
Labels = NDArray[np.int64]
Table = NDArray[np.float64]
"""How many images each cluster of a labelling shares with each of another; floats, which hold such numbers exactly."""


def vote(labelings: Sequence[ArrayLike], n_clusters: int | None = None) -> tuple[Labels, NDArray[np.float32]]:
    """The labelling that several agree on, by voting after relabelling.

    The order of the labelings and the numbers that they give to clusters do not matter. Of labels with equally many
    votes for an image, that one counts which the labelling gave that agrees most with the others.

    Args:
        labelings: at least two, each whole numbers (N,) of the same N images.
        n_clusters: the most clusters of the consensus; None: as many as most labelings have, or the larger number where
            two are equally frequent. A cluster that wins no image is left out.

    Returns:
        The labels, int64 (N,), numbered by their first images; and for each image the share of labelings that voted for
        its label, float32 (N,), in (0, 1].

    Raises:
        DataError: there are fewer than two labelings, or they are not of the same images.
        ConfigError: `n_clusters` is below 1, or above what every labelling has.

    Example:
        >>> labels, agreement = vote([[0, 0, 1, 1, 2], [5, 5, 3, 3, 4], [1, 1, 1, 0, 2]])
        >>> labels.tolist(), agreement.round(2)
        ([0, 0, 1, 1, 2], array([1.  , 1.  , 0.67, 1.  , 1.  ], dtype=float32))
    """
    voters = _in_canonical_form(labelings)
    sizes = [int(voter.max()) + 1 for voter in voters]
    n_clusters = _number_of_clusters(sizes, n_clusters)
    tables = _tables(voters, sizes)
    outcomes = {}
    for reference in range(len(voters)):
        maps = _align(tables, reference, n_clusters)
        labels, agreement = _count(voters, maps, _priority(tables, maps, n_clusters), n_clusters)
        outcomes[sha256(labels.tobytes()).digest()] = labels, agreement  # many references lead to the same
    return max(outcomes.values(), key=lambda outcome: fmean(ari(voter, outcome[0]) for voter in voters))


def _in_canonical_form(labelings: Sequence[ArrayLike]) -> list[Labels]:
    """The labelings with clusters numbered by their first images, sorted by content: no order of theirs is left."""
    arrays = [np.asarray(labels) for labels in labelings]
    if len(arrays) < 2:
        raise DataError(f"A consensus needs at least two labelings; there is {len(arrays) or 'none'}.")
    for position, array in enumerate(arrays):
        if array.ndim != 1 or array.dtype.kind not in "iu" or not len(array):
            raise DataError(
                f"A labelling must be one whole number for each image; that at position {position} is {array.dtype} "
                f"of shape {array.shape}."
            )
        if len(array) != len(arrays[0]):
            raise DataError(
                f"The labelings are not of the same images: the first is of {len(arrays[0])}, that at position "
                f"{position} of {len(array)}."
            )
    # Compared as bytes, the most significant first, which come in the order of the numbers and take less memory.
    return sorted((_by_first_image(array) for array in arrays), key=lambda labels: labels.astype(">i8").tobytes())


def _by_first_image(labels: NDArray[np.generic]) -> Labels:
    """Number clusters from 0, in the order of their first images."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    numbers = np.empty(len(first), dtype=np.int64)
    numbers[np.argsort(first)] = np.arange(len(first))
    canonical: Labels = numbers[inverse.reshape(-1)]
    return canonical


def _number_of_clusters(sizes: Sequence[int], wanted: int | None) -> int:
    if wanted is None:
        counts = Counter(sizes)
        return max(counts, key=lambda size: (counts[size], size))
    if not 1 <= wanted <= max(sizes):
        raise ConfigError(
            f"n_clusters must be from 1 to {max(sizes)}, the most clusters that a labelling has; it is {wanted}. "
            "Voting makes no clusters that no labelling has.",
            parameter="n_clusters",
        )
    return wanted


def _tables(voters: Sequence[Labels], sizes: Sequence[int]) -> list[list[Table]]:
    """The table of each pair of labelings; all else is computed from them, whatever the number of images."""
    tables = [[np.diag(np.bincount(voter).astype(np.float64))] * len(voters) for voter in voters]
    for v, w in combinations(range(len(voters)), 2):
        shared = np.bincount(voters[v] * sizes[w] + voters[w], minlength=sizes[v] * sizes[w])
        tables[v][w] = shared.reshape(sizes[v], sizes[w]).astype(np.float64)
        tables[w][v] = tables[v][w].T
    return tables


def _align(tables: Sequence[Sequence[Table]], reference: int, n_clusters: int) -> dict[int, Labels]:
    """Align all labelings, beginning with one of them: for each, the cluster of the consensus each of its own is."""
    maps = {reference: _reference_map(tables[reference], reference, n_clusters)}
    for voter in range(len(tables)):
        if voter != reference:
            maps[voter] = _match(_overlap(tables[voter], maps, voter, n_clusters))
    changed = True
    while changed:  # it ends: each change raises the number of votes that agree, which is bounded
        changed = False
        for voter, former in maps.items():
            overlap = _overlap(tables[voter], maps, voter, n_clusters)
            new, rows = _match(overlap), np.arange(len(overlap))
            if overlap[rows, new].sum() > overlap[rows, former].sum():
                maps[voter], changed = new, True
    return maps


def _overlap(row: Sequence[Table], maps: dict[int, Labels], voter: int, n_clusters: int) -> Table:
    """How many votes of the others each cluster of a labelling (K_v) shares with each of the consensus (K)."""
    overlap = np.zeros((len(row[voter]), n_clusters))
    for other, numbers in maps.items():
        if other != voter:
            overlap += row[other] @ np.eye(n_clusters)[numbers]
    return overlap


def _match(overlap: Table) -> Labels:
    """Match the rows of a table with its columns, one to one; rows left over go where most is shared."""
    numbers: Labels = overlap.argmax(1).astype(np.int64)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    numbers[rows] = columns
    return numbers


def _reference_map(row: Sequence[Table], reference: int, n_clusters: int) -> Labels:
    """The clusters of a reference as those of the consensus: the same or, of too many, the most alike merged.

    Two clusters are alike if the other labelings put their images together: average linkage on the shares of pairs.
    """
    size = len(row[reference])
    if size <= n_clusters:
        return np.arange(size)
    shares = [table / table.sum(1, keepdims=True) for other, table in enumerate(row) if other != reference]
    together = np.mean([share @ share.T for share in shares], axis=0)
    linkage = AgglomerativeClustering(n_clusters=n_clusters, metric="precomputed", linkage="average")
    return np.asarray(linkage.fit_predict(1 - together), dtype=np.int64)


def _priority(tables: Sequence[Sequence[Table]], maps: dict[int, Labels], n_clusters: int) -> list[int]:
    """The labelings, first the one that shares most votes with the others."""
    shared = {}
    for voter, numbers in maps.items():
        overlap = _overlap(tables[voter], maps, voter, n_clusters)
        shared[voter] = overlap[np.arange(len(overlap)), numbers].sum()
    return sorted(shared, key=lambda voter: (-shared[voter], voter))


def _count(
    voters: Sequence[Labels], maps: dict[int, Labels], priority: Sequence[int], n_clusters: int
) -> tuple[Labels, NDArray[np.float32]]:
    """The label with most votes for each image, and its share of the votes."""
    n, size = len(voters[0]), max(VOTES // n_clusters, 1)
    most = np.zeros(n, dtype=np.int32)
    winners = np.zeros(n, dtype=np.int64)
    for start in range(0, n, size):
        part = slice(start, start + size)
        aligned = [maps[voter][labels[part]] for voter, labels in enumerate(voters)]
        rows = np.arange(len(aligned[0]))
        votes = np.zeros((len(rows), n_clusters), dtype=np.int32)
        for mine in aligned:
            votes[rows, mine] += 1
        most[part] = votes.max(1)
        for voter in reversed(priority):
            wins = votes[rows, aligned[voter]] == most[part]
            winners[part][wins] = aligned[voter][wins]
    return _by_first_image(winners), (most / len(voters)).astype(np.float32)
