"""The space in which runs are compared."""

import numpy as np
import pytest
import torch
from torch import Tensor

from decda.core.runs.space import SIDE, pixel_space


def pictures(n: int = 60, *shape: int) -> Tensor:
    """Random images."""
    return torch.rand(n, *(shape or (1, 9, 9)), generator=torch.Generator().manual_seed(0))


def distances(points: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def test_distances_are_those_of_pixels() -> None:
    """With room for all components, points are as far from each other as images, up to one factor for all."""
    x = pictures(20)
    points = pixel_space(x).points
    assert points.shape == (20, 20)
    pixels = x.flatten(1).numpy() / x.max().item()
    assert distances(points) == pytest.approx(distances(pixels), abs=1e-4)


def test_the_components_are_the_principal_ones() -> None:
    """The variance of each component is an eigenvalue of the covariance of the pixels: they are not whitened."""
    x = pictures(60)
    pixels = (x / x.max()).flatten(1).numpy()
    eigenvalues = np.linalg.eigvalsh(np.cov(pixels.T))[::-1][:5]
    assert pixel_space(x, n_dims=5).points.var(0, ddof=1) == pytest.approx(eigenvalues, rel=1e-3)


def test_bytes_and_floats_give_the_same_points() -> None:
    """Images of bytes become the points of the same images in floats."""
    whole = (pictures(30) * 255).to(torch.uint8)
    assert np.array_equal(pixel_space(whole).points, pixel_space(whole.float() / 255).points)


def test_many_images_are_drawn_from() -> None:
    """Of many images, as many as asked for are drawn, each once; the seed decides which, and the index says so."""
    x = pictures(60)
    one, again, other = (pixel_space(x, n_samples=40, n_dims=3, seed=seed) for seed in (1, 1, 2))
    assert len(set(one.index.tolist())) == 40 == len(one.points)
    assert np.array_equal(one.points, again.points)
    assert np.array_equal(one.index, again.index)
    assert not np.array_equal(one.index, other.index)
    assert np.array_equal(pixel_space(x).index, np.arange(60))
    alone = pixel_space(x[one.index], n_dims=3, seed=1)
    assert np.allclose(alone.points, one.points)


def test_large_images_are_shrunk() -> None:
    """Fine detail of large images counts for nothing, and their coarse form for all."""
    coarse = pictures(20, 3, SIDE, SIDE)
    large = coarse.repeat_interleave(3, 2).repeat_interleave(2, 3)
    assert np.allclose(distances(pixel_space(large).points), distances(pixel_space(coarse).points), atol=1e-4)


def test_columns_of_a_table_are_not_averaged() -> None:
    """A table with many columns keeps each of them."""
    rows = torch.zeros(4, 1, 1, 200)
    rows[0, 0, 0, 0], rows[1, 0, 0, 1] = 1, 1  # neighbouring columns, which averaging would mix
    far = distances(pixel_space(rows).points)
    assert far[0, 1] == pytest.approx(2**0.5, abs=1e-5)


@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_values_of_any_size(factor: float) -> None:
    """Rows of huge or tiny numbers give the points of ordinary ones."""
    rows = torch.randn(40, 1, 1, 60, generator=torch.Generator().manual_seed(0))
    assert np.allclose(pixel_space(rows * factor).points, pixel_space(rows).points, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 9, 9), (2, 1, 9, 9), (5, 1, 1, 1), (3, 1, 1, 100)])
def test_few_or_small_images(shape: tuple[int, ...]) -> None:
    """There is a finite space for a single image, for two, and for a single pixel."""
    space = pixel_space(pictures(*shape))
    assert len(space.points) == shape[0]
    assert np.isfinite(space.points).all()


def test_equal_images() -> None:
    """Images that are all equal, black ones as well, are one point."""
    for value in (0.0, 0.7):
        assert np.allclose(pixel_space(torch.full((60, 1, 9, 9), value)).points, 0, atol=1e-6)
