"""Embeddings in the plane, for any embedding."""

import numpy as np
import pytest

from decda.core.runs.layouts import draw_sample, lay_out


def test_small_sets_are_shown_whole() -> None:
    """Nothing is drawn from a set that a map has room for."""
    assert draw_sample(np.zeros(50, np.int64), 1, shown=50).tolist() == list(range(50))


def test_samples_hold_every_cluster() -> None:
    """Of each cluster a share is drawn, of small ones a few, and of a tiny one all; the draw is repeatable."""
    labels = np.repeat([0, 1, 2], [9000, 990, 3])
    index = draw_sample(labels, 4, shown=100)
    assert np.bincount(labels[index]).tolist() == [90, 10, 3]
    assert (np.diff(index) > 0).all()
    assert np.array_equal(index, draw_sample(labels, 4, shown=100))


def test_two_groups_lie_apart() -> None:
    """What is far apart in the embedding is so on both maps."""
    z = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    z[:40] += 30
    maps = lay_out(z)
    assert [each.name for each in maps] == ["principal components (PCA)", "t-SNE"]
    for each in maps:
        one, other = each.positions[:40], each.positions[40:]
        assert np.linalg.norm(one.mean(0) - other.mean(0)) > 2 * (one.std() + other.std()) / 2


@pytest.mark.parametrize(
    "z",
    [
        np.zeros((30, 4)), np.ones((1, 3)), np.arange(40.0).reshape(40, 1), np.full((20, 2), 1e30),
        np.repeat(np.eye(3), 10, 0), np.random.default_rng(0).normal(size=(25, 2)) * 1e18,
    ],
    ids=["alike", "single", "one-dimensional", "huge", "three", "large"],
)  # fmt: skip
def test_any_embedding_is_laid_out(z: np.ndarray) -> None:
    """Embeddings without variance, of one dimension, few or huge have finite positions, and no warning."""
    for each in lay_out(z.astype(np.float32)):
        assert each.positions.shape == (len(z), 2)
        assert np.isfinite(each.positions).all()


def test_equal_embeddings_are_laid_out_alike() -> None:
    """A map is repeatable, bit for bit."""
    z = np.random.default_rng(1).normal(size=(60, 5)).astype(np.float32)
    for one, other in zip(lay_out(z), lay_out(z), strict=True):
        assert np.array_equal(one.positions, other.positions)
