"""Criteria that know no classes are compared with their definitions."""

import numpy as np
import pytest

from decda.core.runs.criteria import (
    agreement,
    calinski_harabasz,
    davies_bouldin,
    entropy,
    find_neighbours,
    neighbours,
    silhouette,
    smallest,
    uncertain,
)
from decda.core.training.metrics import ari

RNG = np.random.default_rng(0)
CLOUDS = np.concatenate([RNG.normal(5 * k, 0.3, (30, 3)) for k in range(3)])
"""Three well separated clouds of 30 points."""
TRUE = np.arange(90) // 30
DRAWN = RNG.integers(0, 3, 90)


def slow_neighbours(points: np.ndarray, labels: np.ndarray, k: int) -> float:
    """The definition, image by image."""
    same = total = 0
    for i in range(len(points)):
        others = [j for j in range(len(points)) if j != i]
        others.sort(key=lambda j: float(((points[i] - points[j]) ** 2).sum()))
        same += sum(labels[j] == labels[i] for j in others[:k])
        total += k
    return same / total - sum((np.mean(labels == value)) ** 2 for value in set(labels.tolist()))


@pytest.mark.parametrize("labels", [TRUE, DRAWN, np.minimum(TRUE, 1), TRUE * 5 + 2])
@pytest.mark.parametrize("k", [1, 4])
def test_neighbours_by_its_definition(labels: np.ndarray, k: int) -> None:
    """It is the share of nearest neighbours in one cluster, minus what chance gives, for any numbers of clusters."""
    assert neighbours(CLOUDS, labels, k) == pytest.approx(slow_neighbours(CLOUDS, labels, k), abs=1e-12)


def test_neighbours_of_good_and_of_bad_clusters() -> None:
    """Separate clouds reach 1 - 1/K, merged ones less; random clusters and a single one are about 0."""
    assert neighbours(CLOUDS, TRUE) == pytest.approx(2 / 3)
    assert neighbours(CLOUDS, np.minimum(TRUE, 1)) == pytest.approx(1 - (1 / 9 + 4 / 9))
    assert abs(neighbours(CLOUDS, DRAWN) or 1) < 0.1
    assert neighbours(CLOUDS, TRUE * 0) == 0


def test_a_long_winding_cluster_is_as_good_as_a_round_one() -> None:
    """Two rings, one around the other, are perfect by their neighbours; the silhouette prefers a cut across them."""
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    points, rings = np.concatenate([ring, 4 * ring]), np.repeat([0, 1], 200)
    halves = (points[:, 0] > 0).astype(np.int64)
    assert neighbours(points, rings) == pytest.approx(0.5)
    assert (neighbours(points, rings) or 0) > (neighbours(points, halves) or 0)
    assert (silhouette(points, rings) or 0) < (silhouette(points, halves) or 0)


def test_an_image_is_not_its_own_neighbour() -> None:
    """Where copies lie on each other, each has the others as neighbours, not itself."""
    near = find_neighbours(np.zeros((5, 2)), 4)
    assert all(sorted(row) == [j for j in range(5) if j != i] for i, row in enumerate(near.tolist()))


def test_neighbours_that_were_found_before() -> None:
    """Neighbours found once serve for any clusters."""
    found = find_neighbours(CLOUDS, 3)
    assert neighbours(CLOUDS, DRAWN, found=found) == neighbours(CLOUDS, DRAWN, 3)


def slow_silhouette(points: np.ndarray, labels: np.ndarray) -> float:
    """Rousseeuw's definition, image by image."""
    values = []
    for point, label in zip(points, labels, strict=True):
        far = np.linalg.norm(points - point, axis=1)
        size = (labels == label).sum()
        own = far[labels == label].sum() / max(size - 1, 1)
        other = min(far[labels == value].mean() for value in set(labels.tolist()) if value != label)
        values.append((other - own) / max(own, other) if size > 1 else 0.0)
    return float(np.mean(values))


@pytest.mark.parametrize("labels", [TRUE, DRAWN])
def test_indices_of_distances(labels: np.ndarray) -> None:
    """Silhouette, Calinski-Harabasz and Davies-Bouldin are what their authors defined."""
    values = set(labels.tolist())
    centers = {k: CLOUDS[labels == k].mean(0) for k in values}
    sizes = {k: (labels == k).sum() for k in values}
    between = sum(sizes[k] * ((centers[k] - CLOUDS.mean(0)) ** 2).sum() for k in values)
    within = sum(((CLOUDS[labels == k] - centers[k]) ** 2).sum() for k in values)
    width = {k: np.linalg.norm(CLOUDS[labels == k] - centers[k], axis=1).mean() for k in values}
    worst = [
        max((width[a] + width[b]) / np.linalg.norm(centers[a] - centers[b]) for b in values if b != a) for a in values
    ]
    assert silhouette(CLOUDS, labels) == pytest.approx(slow_silhouette(CLOUDS, labels))
    assert calinski_harabasz(CLOUDS, labels) == pytest.approx((between / 2) / (within / (90 - 3)))
    assert davies_bouldin(CLOUDS, labels) == pytest.approx(np.mean(worst))


def test_the_silhouette_of_many_points_is_that_of_some() -> None:
    """Of many points as many as asked for are drawn, by the seed."""
    some = [silhouette(CLOUDS, DRAWN, n_samples=50, seed=seed) for seed in (0, 0, 1)]
    assert some[0] == some[1] != some[2]
    assert silhouette(CLOUDS, DRAWN, n_samples=90) == silhouette(CLOUDS, DRAWN)


@pytest.mark.parametrize("labels", [TRUE * 0, np.arange(90)], ids=["one cluster", "a cluster for each image"])
def test_what_is_not_defined_is_none(labels: np.ndarray) -> None:
    """Indices of distances are None for a single cluster and for as many as images; nothing warns."""
    assert silhouette(CLOUDS, labels) is None
    assert calinski_harabasz(CLOUDS, labels) is None
    assert davies_bouldin(CLOUDS, labels) is None
    assert neighbours(CLOUDS, labels) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("n", [0, 1])
def test_no_images_or_a_single_one(n: int) -> None:
    """A single image has no neighbours, and no images have nothing at all."""
    points, labels = np.zeros((n, 2)), np.zeros(n, np.int64)
    for criterion in (neighbours, silhouette, calinski_harabasz, davies_bouldin):
        assert criterion(points, labels) is None
    assert entropy(labels, 2) == (0 if n else None)
    assert smallest(labels) == (1 if n else None)
    assert uncertain(np.ones(n, np.float32)) == (0 if n else None)


def test_equal_points_in_several_clusters() -> None:
    """Points that lie on each other have finite criteria, without a warning."""
    points, labels = np.zeros((6, 2)), np.array([0, 0, 0, 1, 1, 1])
    for criterion in (neighbours, silhouette, calinski_harabasz, davies_bouldin):
        assert np.isfinite(criterion(points, labels))


def test_uncertain_images() -> None:
    """An image is uncertain below the limit, and not at it."""
    confidence = np.array([0.1, 0.5, 0.7, 0.49], np.float32)
    assert uncertain(confidence) == 0.5
    assert uncertain(confidence, below=0.71) == 1.0


def test_sizes() -> None:
    """An empty cluster is the smallest, and lowers the entropy; equal sizes have the highest."""
    labels = np.array([0, 0, 0, 0, 1, 1, 3, 3])
    assert smallest(labels) == 0.25
    assert smallest(labels, 3) == 0.25
    assert smallest(labels, 4) == 0
    expected = -(0.5 * np.log(0.5) + 2 * 0.25 * np.log(0.25))
    assert entropy(labels) == pytest.approx(expected / np.log(3))
    assert entropy(labels, 4) == pytest.approx(expected / np.log(4))
    assert entropy(np.array([0, 1, 2])) == pytest.approx(1)
    assert entropy(np.zeros(4, np.int64)) is None
    assert str(entropy(np.zeros(4, np.int64), 2)) == "0.0"


def test_agreement() -> None:
    """Each clustering gets the mean adjusted Rand index with the others; numbers of clusters do not matter."""
    labels = [TRUE, (TRUE + 1) % 3, DRAWN]
    values = agreement(labels)
    one = ari(TRUE, DRAWN)
    assert values == pytest.approx([(1 + one) / 2, (1 + one) / 2, one])
    assert agreement([TRUE]) == [None]
    assert agreement([]) == []
