"""ACC, NMI and ARI are compared with brute force and their definitions."""

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from decda.core.training.metrics import accuracy, ari, nmi, scores

Labels = NDArray[np.int64]


def slow_accuracy(classes: Labels, labels: Labels) -> float:
    """Try every one-to-one match of clusters and classes; surplus clusters are matched with no class."""
    present_classes, present_labels = sorted(set(classes)), sorted(set(labels))
    more = max(len(present_classes), len(present_labels))
    partners = [*present_classes, *[None] * (more - len(present_classes))]
    best = 0
    for order in permutations(partners):
        match = dict(zip(present_labels, order, strict=False))
        best = max(best, sum(match[label] == true for true, label in zip(classes, labels, strict=True)))
    return best / len(classes)


def slow_entropy(labels: Labels) -> float:
    shares = [sum(labels == value) / len(labels) for value in set(labels)]
    return -math.fsum(share * math.log(share) for share in shares)


def slow_information(classes: Labels, labels: Labels) -> float:
    total = 0.0
    for a in set(classes):
        for b in set(labels):
            both = sum((classes == a) & (labels == b)) / len(labels)
            if both:
                total += both * math.log(both / (sum(classes == a) * sum(labels == b) / len(labels) ** 2))
    return total


def slow_ari(classes: Labels, labels: Labels) -> float:
    """Hubert and Arabie's index from all pairs of images."""
    both = only_class = only_label = neither = 0
    for i, j in combinations(range(len(classes)), 2):
        same_class, same_label = classes[i] == classes[j], labels[i] == labels[j]
        both += same_class and same_label
        only_class += same_class and not same_label
        only_label += same_label and not same_class
        neither += not same_class and not same_label
    above = 2 * (both * neither - only_class * only_label)
    below = (both + only_class) * (only_class + neither) + (both + only_label) * (only_label + neither)
    return above / below


def drawn(n_classes: int, n_clusters: int, seed: int) -> tuple[Labels, Labels]:
    """Random classes, and labels that agree with half of them; numbers have gaps, and each one occurs."""
    rng = np.random.default_rng(seed)
    classes = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, 40)])
    noise = rng.integers(0, n_clusters, len(classes))
    labels = np.where(rng.random(len(classes)) < 0.5, (classes + 1) % n_clusters, noise)
    labels[:n_clusters] = np.arange(n_clusters)
    return classes * 3 + 2, labels * 2 + 1


CASES = [(k, c, seed) for k, c in [(4, 4), (6, 3), (3, 6), (5, 2), (2, 5), (1, 3)] for seed in (0, 1)]


@pytest.mark.parametrize(("n_clusters", "n_classes", "seed"), CASES)
def test_accuracy(n_clusters: int, n_classes: int, seed: int) -> None:
    """ACC is the best over all one-to-one matches, whether there are more clusters or more classes."""
    classes, labels = drawn(n_classes, n_clusters, seed)
    assert accuracy(classes, labels) == pytest.approx(slow_accuracy(classes, labels), abs=1e-15)


@pytest.mark.parametrize(
    ("classes", "labels", "expected"),
    [
        pytest.param([0, 0, 1, 1], [1, 1, 0, 0], 1.0, id="renamed"),
        pytest.param([0, 0, 1, 1], [0, 1, 2, 3], 0.5, id="a cluster each"),
        pytest.param([0, 0, 0, 1], [5, 5, 5, 5], 0.75, id="one cluster"),
        # Greedy takes cluster 0 = class 0 (3 images) and is left with 3 + 0; the best is 2 + 2.
        pytest.param([0, 0, 0, 1, 1, 0, 0], [0, 0, 0, 0, 0, 1, 1], 4 / 7, id="not greedy"),
    ],
)
def test_accuracy_by_hand(classes: list[int], labels: list[int], expected: float) -> None:
    """Clusters and classes are matched one to one, and by the best match, not the greedy one."""
    assert accuracy(classes, labels) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("n_clusters", "n_classes", "seed"), CASES)
def test_nmi(n_clusters: int, n_classes: int, seed: int) -> None:
    """NMI is the mutual information divided by the arithmetic mean of the entropies."""
    classes, labels = drawn(n_classes, n_clusters, seed)
    mean = (slow_entropy(classes) + slow_entropy(labels)) / 2
    assert nmi(classes, labels) == pytest.approx(slow_information(classes, labels) / mean, abs=1e-12)


def test_nmi_is_arithmetic() -> None:
    """Two classes in four equal clusters share 1 bit of 1 and 2 bits: 2/3, not .707 as by the geometric mean."""
    assert nmi([0, 0, 1, 1], [0, 1, 2, 3]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(("n_clusters", "n_classes", "seed"), CASES)
def test_ari(n_clusters: int, n_classes: int, seed: int) -> None:
    """ARI is the share of agreeing pairs, corrected for chance."""
    classes, labels = drawn(n_classes, n_clusters, seed)
    assert ari(classes, labels) == pytest.approx(slow_ari(classes, labels), abs=1e-12)


def test_ari_below_zero() -> None:
    """ARI is negative for labels worse than chance."""
    assert ari([0, 0, 1, 1], [0, 1, 0, 1]) == pytest.approx(-0.5)


def test_scores() -> None:
    """Scores are returned by name; without classes all are None."""
    classes, labels = drawn(3, 5, 0)
    assert scores(classes, labels) == {
        "acc": accuracy(classes, labels),
        "nmi": nmi(classes, labels),
        "ari": ari(classes, labels),
    }
    assert scores(None, labels) == {"acc": None, "nmi": None, "ari": None}
