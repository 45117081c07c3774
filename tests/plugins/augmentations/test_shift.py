"""Random shifts, compared with scipy."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.stats import kstest

from decda.plugins.augmentations.shift import RandomShift

Array = NDArray[np.float64]
BACKENDS = ["fast", "kornia"]
SHAPES = [(1, 28, 28), (1, 16, 16), (1, 9, 9), (1, 11, 20), (3, 20, 13), (3, 8, 8)]
DRAWS = [(0.1, -0.1), (-0.07, 0.1), (0.033, 0.0), (0.0, -0.081), (0.5, 0.25), (-1.0, 1.0)]


def slow_shift(image: Array, right: float, down: float) -> Array:
    """Sample each pixel of (C, H, W) where it came from, with repeated edges."""
    _, height, width = image.shape
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    source = [rows - down * height, columns - right * width]
    return np.stack([map_coordinates(plane, source, order=1, mode="nearest") for plane in image])


def drawn(n: int, seed: int = 0, **parameters: float) -> Array:
    return RandomShift(**parameters).sample(n, torch.Generator().manual_seed(seed)).double().numpy()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_warp(shape: tuple[int, int, int], backend: str) -> None:
    """The warp equals scipy's, bilinear between pixels with repeated edges, and each image has its own draws."""
    x = torch.rand(len(DRAWS), *shape, generator=torch.Generator().manual_seed(0))
    params = torch.tensor(DRAWS)
    before = x.clone(), params.clone()
    y = RandomShift(backend=backend).apply(x, params)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    for image, warped, draws in zip(x.double().numpy(), y.numpy(), DRAWS, strict=True):
        np.testing.assert_allclose(warped, slow_shift(image, *draws), atol=1e-5)
    assert torch.equal(x, before[0])
    assert torch.equal(params, before[1])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("draws", "goes_to"),
    [
        pytest.param((0.1, 0.0), (4, 9), id="right"),
        pytest.param((-0.25, 0.0), (4, 2), id="left"),
        pytest.param((0.0, 0.2), (6, 7), id="down"),
        pytest.param((0.0, -0.4), (0, 7), id="up"),
        pytest.param((0.3, 0.1), (5, 13), id="both"),
    ],
)
def test_directions(draws: tuple[float, float], goes_to: tuple[int, int], backend: str) -> None:
    """Shifts move right and down by shares of width and height: +.1 of 20 pixels is two to the right."""
    x = torch.zeros(1, 1, 10, 20)
    x[..., 4, 7] = 1
    y = RandomShift(backend=backend).apply(x, torch.tensor([draws]))
    assert y.max() == pytest.approx(1, abs=1e-4)
    assert divmod(int(y.argmax()), 20) == goes_to


@pytest.mark.parametrize("backend", BACKENDS)
def test_between_pixels(backend: str) -> None:
    """A shift by a quarter of a pixel moves a quarter of the brightness to the next pixel."""
    x = torch.zeros(1, 1, 8, 10)
    x[..., 4, 5] = 1
    y = RandomShift(backend=backend).apply(x, torch.tensor([[0.025, 0.0]]))
    torch.testing.assert_close(y[0, 0, 4, 4:8], torch.tensor([0.0, 0.75, 0.25, 0.0]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_edges_are_repeated(backend: str) -> None:
    """Pixels from outside have the value of the nearest edge, not zero."""
    x = torch.arange(10.0).expand(1, 1, 6, 10)
    shifted = RandomShift(backend=backend).apply(x, torch.tensor([[-0.3, 0.4]]))
    torch.testing.assert_close(shifted, (x + 3).clamp(max=9))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_zero_draws(shape: tuple[int, int, int], backend: str) -> None:
    """Draws of zero leave the image unchanged."""
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(RandomShift(backend=backend).apply(x, torch.zeros(2, 2)), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("parameters", "translate"), [({}, 0.1), ({"translate": 0.3}, 0.3)])
def test_uniform(parameters: dict[str, float], translate: float) -> None:
    """Shifts are uniform, symmetric and independent; the default is a tenth."""
    draws = drawn(3000, **parameters)
    for column in draws.T:
        assert np.abs(column).max() <= translate * (1 + 1e-6)
        assert kstest(column, "uniform", args=(-translate, 2 * translate)).pvalue > 0.01
    assert np.abs(np.corrcoef(draws.T) - np.eye(2)).max() < 0.06


def test_every_image_every_time() -> None:
    """Every image has its own draws, and none is left unaugmented."""
    draws = drawn(3000)
    assert len(np.unique(draws, axis=0)) == 3000
    assert not (np.abs(draws) < 1e-4).all(1).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_draws_are_fixed(backend: str) -> None:
    """Draws are two random numbers per image scaled to the range, for both backends, and must never change."""
    augment = RandomShift(translate=0.3, backend=backend)
    numbers = torch.rand(6, 2, generator=torch.Generator().manual_seed(7))
    assert torch.equal(augment.sample(6, torch.Generator().manual_seed(7)), (numbers * 2 - 1) * 0.3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_copies(backend: str) -> None:
    """A part can be copied and pickled, and its copies warp the same way."""
    augment = RandomShift(backend=backend)
    x, params = torch.rand(6, 1, 8, 8), torch.tensor(DRAWS)
    for copy in (deepcopy(augment), pickle.loads(pickle.dumps(augment))):
        assert torch.equal(copy.apply(x, params), augment.apply(x, params))


def test_draws_repeat() -> None:
    """Draws depend on the given generator; neither drawing nor warping touches the global one."""
    before = torch.get_rng_state()
    np.testing.assert_array_equal(drawn(5), drawn(5))
    assert not np.array_equal(drawn(5), drawn(5, seed=1))
    draws = RandomShift().sample(2, torch.Generator().manual_seed(0))
    assert draws.dtype == torch.float32
    assert draws.shape == (2, 2)
    RandomShift().apply(torch.ones(2, 1, 8, 8), draws)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("translate", [-0.1, 1.1])
def test_out_of_range(translate: float) -> None:
    """Shifts beyond the image are refused."""
    with pytest.raises(ValueError, match="translate must be in"):
        RandomShift(translate=translate)
