"""Rotation and shift in one warp, compared with scipy."""

import math
import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from scipy.stats import kstest

from decda.plugins.augmentations.affine import RandomAffine

Array = NDArray[np.float64]
BACKENDS = ["fast", "kornia"]
SHAPES = [(1, 28, 28), (1, 16, 16), (1, 9, 9), (1, 11, 20), (3, 20, 13), (3, 8, 8)]
DRAWS = [
    (10.0, 0.1, -0.1),
    (-10.0, -0.07, 0.1),
    (3.7, 0.0, 0.0),
    (0.0, 0.033, 0.0),
    (0.0, 0.0, -0.081),
    (90.0, 0.0, 0.0),
    (-137.0, 0.4, 0.25),
    (1e-3, 1.0, -1.0),
]


def slow_warp(image: Array, angle: float, right: float, down: float) -> Array:
    """Rotate (C, H, W) counterclockwise as displayed about the middle, then shift; edges are repeated."""
    _, height, width = image.shape
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    # In (row, column), with rows downwards: a point (-1, 0) above the middle moves to the left, (0, -1).
    forward = np.array([[cos, -sin], [sin, cos]])
    middle = np.array([(height - 1) / 2, (width - 1) / 2])
    back = np.linalg.inv(forward)
    offset = middle - back @ (middle + np.array([down * height, right * width]))
    return np.stack([affine_transform(plane, back, offset, order=1, mode="nearest") for plane in image])


def drawn(n: int, seed: int = 0, **parameters: float) -> Array:
    return RandomAffine(**parameters).sample(n, torch.Generator().manual_seed(seed)).double().numpy()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_warp(shape: tuple[int, int, int], backend: str) -> None:
    """The warp equals scipy's, bilinear with repeated edges, and each image has its own draws."""
    x = torch.rand(len(DRAWS), *shape, generator=torch.Generator().manual_seed(0))
    params = torch.tensor(DRAWS)
    before = x.clone(), params.clone()
    y = RandomAffine(backend=backend).apply(x, params)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    for image, warped, draws in zip(x.double().numpy(), y.numpy(), DRAWS, strict=True):
        np.testing.assert_allclose(warped, slow_warp(image, *draws), atol=1e-5)
    assert torch.equal(x, before[0])
    assert torch.equal(params, before[1])


def spot(row: int, column: int, height: int = 21, width: int = 11) -> torch.Tensor:
    image = torch.zeros(1, 1, height, width)
    image[..., row, column] = 1
    return image


def where(image: torch.Tensor) -> tuple[int, int]:
    assert image.max() == pytest.approx(1, abs=1e-4)
    return divmod(int(image.argmax()), image.shape[-1])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("draws", "goes_to"),
    [
        pytest.param((0.0, 2 / 11, 0.0), (8, 7), id="right"),
        pytest.param((0.0, -3 / 11, 0.0), (8, 2), id="left"),
        pytest.param((0.0, 0.0, 2 / 21), (10, 5), id="down"),
        pytest.param((0.0, 0.0, -4 / 21), (4, 5), id="up"),
        # The middle is (10, 5); the spot is two pixels above it.
        pytest.param((90.0, 0.0, 0.0), (10, 3), id="counterclockwise"),
        pytest.param((-90.0, 0.0, 0.0), (10, 7), id="clockwise"),
        pytest.param((180.0, 0.0, 0.0), (12, 5), id="half turn"),
        pytest.param((90.0, 1 / 11, 3 / 21), (13, 4), id="turned, then shifted"),
    ],
)
def test_directions(draws: tuple[float, float, float], goes_to: tuple[int, int], backend: str) -> None:
    """Positive angles rotate counterclockwise about the middle; then shifts move right and down, as shares of sides."""
    assert where(RandomAffine(backend=backend).apply(spot(8, 5), torch.tensor([draws]))) == goes_to


@pytest.mark.parametrize("backend", BACKENDS)
def test_tenth_of_the_width(backend: str) -> None:
    """A shift of +.1 moves by a tenth of the width, 2 of 20 pixels, whatever the height."""
    assert where(RandomAffine(backend=backend).apply(spot(4, 7, 9, 20), torch.tensor([[0.0, 0.1, 0.0]]))) == (4, 9)


@pytest.mark.parametrize("backend", BACKENDS)
def test_edges_are_repeated(backend: str) -> None:
    """Pixels from outside have the value of the nearest edge, not zero."""
    augment = RandomAffine(backend=backend)
    x = torch.arange(10.0).expand(1, 1, 6, 10)
    shifted = augment.apply(x, torch.tensor([[0.0, 0.3, 0.0]]))
    torch.testing.assert_close(shifted, (x - 3).clamp(min=0))
    ones = torch.ones(4, 2, 9, 12)
    torch.testing.assert_close(augment.apply(ones, torch.tensor(DRAWS[:4])), ones)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_zero_draws(shape: tuple[int, int, int], backend: str) -> None:
    """Draws of zero leave the image unchanged."""
    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(RandomAffine(backend=backend).apply(x, torch.zeros(2, 3)), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("parameters", "degrees", "translate"), [({}, 10, 0.1), ({"degrees": 25.0, "translate": 0.3}, 25, 0.3)]
)
def test_uniform(parameters: dict[str, float], degrees: float, translate: float) -> None:
    """Angles and shifts are uniform, symmetric and independent; the defaults are 10 degrees and a tenth."""
    draws = drawn(3000, **parameters)
    for column, most in zip(draws.T, (degrees, translate, translate), strict=True):
        assert np.abs(column).max() <= most * (1 + 1e-6)
        assert kstest(column, "uniform", args=(-most, 2 * most)).pvalue > 0.01
    assert np.abs(np.corrcoef(draws.T) - np.eye(3)).max() < 0.06


def test_every_image_every_time() -> None:
    """Every image has its own draws, and none is left unaugmented."""
    draws = drawn(3000)
    assert len(np.unique(draws, axis=0)) == 3000
    assert np.abs(draws).max(0).min() > 0
    assert not (draws == 0).all(1).any()
    assert not (np.abs(draws) < [1e-2, 1e-4, 1e-4]).all(1).any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_draws_are_fixed(backend: str) -> None:
    """Draws are three random numbers per image scaled to the ranges, for both backends, and must never change."""
    augment = RandomAffine(degrees=25.0, translate=0.3, backend=backend)
    numbers = torch.rand(6, 3, generator=torch.Generator().manual_seed(7))
    expected = (numbers * 2 - 1) * torch.tensor([25.0, 0.3, 0.3])
    assert torch.equal(augment.sample(6, torch.Generator().manual_seed(7)), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_copies(backend: str) -> None:
    """A part can be copied and pickled, and its copies warp the same way."""
    augment = RandomAffine(backend=backend)
    x, params = torch.rand(4, 1, 8, 8), torch.tensor(DRAWS[:4])
    for copy in (deepcopy(augment), pickle.loads(pickle.dumps(augment))):
        assert torch.equal(copy.apply(x, params), augment.apply(x, params))


def test_draws_repeat() -> None:
    """Draws depend on the given generator; neither drawing nor warping touches the global one."""
    before = torch.get_rng_state()
    np.testing.assert_array_equal(drawn(5), drawn(5))
    assert not np.array_equal(drawn(5), drawn(5, seed=1))
    draws = RandomAffine().sample(2, torch.Generator().manual_seed(0))
    assert draws.dtype == torch.float32
    assert draws.shape == (2, 3)
    RandomAffine().apply(torch.ones(2, 1, 8, 8), draws)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("parameters", [{"degrees": -1.0}, {"degrees": 181.0}, {"translate": -0.1}, {"translate": 1.1}])
def test_out_of_range(parameters: dict[str, float]) -> None:
    """Angles beyond 180 degrees and shifts beyond the image are refused."""
    with pytest.raises(ValueError, match=f"{next(iter(parameters))} must be in"):
        RandomAffine(**parameters)


def test_limits_of_zero() -> None:
    """With both limits at zero, all draws are zero."""
    assert (drawn(5, degrees=0.0, translate=0.0) == 0).all()
