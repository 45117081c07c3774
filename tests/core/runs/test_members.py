"""Which images of a clustering are worth looking at."""

import numpy as np
import pytest

from decda.core.runs.members import between, top_two, typical, uncertain

LABELS = np.array([0, 1, 0, 0, 1])
SURE = np.array([0.5, 0.9, 0.8, 0.5, 0.4], np.float32)


def test_typical_and_uncertain() -> None:
    """Members come the surest first, or the least sure; equally sure ones in their own order."""
    assert typical(LABELS, SURE, 0).tolist() == [2, 0, 3]
    assert uncertain(LABELS, SURE, 0).tolist() == [0, 3, 2]
    assert typical(LABELS, SURE, 1, 1).tolist() == [1]
    assert typical(LABELS, SURE, 7).tolist() == []


def test_images_between() -> None:
    """An image is between two clusters if neither is more than twice as likely; the most undecided comes first."""
    q = np.array([[0.5, 0.3, 0.2], [0.66, 0.34, 0.0], [0.4, 0.0, 0.6], [0.0, 0.5, 0.5], [0.45, 0.55, 0.0]], np.float32)
    found = between(top_two(q), 3)
    assert [(pair.first, pair.second, pair.count) for pair in found] == [(0, 1, 3), (0, 2, 1), (1, 2, 1)]
    assert found[0].index.tolist() == [4, 0, 1]


def test_sure_images_are_between_nothing() -> None:
    """Where every image is sure, there is no pair."""
    assert between(top_two(np.eye(4, dtype=np.float32)), 4) == []


@pytest.mark.parametrize("k", [2, 17])
def test_counts_by_hand(k: int) -> None:
    """Counts are those of a loop over all images and clusters, and only the most frequent pairs are named."""
    q = np.random.default_rng(0).dirichlet(np.full(k, 0.3), 500).astype(np.float32)
    counts: dict[tuple[int, int], int] = {}
    for row in q:
        second, first = np.argsort(row)[-2:]
        if row[second] >= row[first] / 2:
            pair = (int(min(first, second)), int(max(first, second)))
            counts[pair] = counts.get(pair, 0) + 1
    found = between(top_two(q), k, most=4)
    assert len(found) == min(4, len(counts))
    assert all(counts[pair.first, pair.second] == pair.count for pair in found)
    assert sorted(counts.values())[-len(found) :] == sorted(pair.count for pair in found)
