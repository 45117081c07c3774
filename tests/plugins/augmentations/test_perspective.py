"""Random changes of perspective, compared with kornia."""

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from decda.plugins.augmentations.perspective import CORNERS, RandomPerspective
from decda.testing import check_augmentation

SHAPES = [(1, 1, 1), (1, 1, 6), (3, 9, 1), (1, 8, 8), (3, 11, 20)]


def drawn(n: int, distortion: float = 1.0, seed: int = 0) -> torch.Tensor:
    return RandomPerspective(distortion=distortion).sample(n, torch.Generator().manual_seed(seed))


def images(shape: tuple[int, int, int], n: int) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES)
def test_as_kornia_does(shape: tuple[int, int, int]) -> None:
    """The warp is kornia's, with the corners of the image, from edge to edge, at the same places."""
    from kornia.geometry.transform import get_perspective_transform, warp_perspective

    x, draws = images(shape, 8), drawn(8)
    height, width = shape[1:]
    fractions = (torch.tensor(CORNERS) + 1) / 2  # (4, 2)
    sides = torch.tensor([width, height])
    target = (fractions * sides - 0.5).expand(8, 4, 2)
    source = (fractions + draws.view(8, 4, 2)) * sides - 0.5
    matrix = get_perspective_transform(source, target)
    expected = warp_perspective(x, matrix, (height, width), padding_mode="border")
    torch.testing.assert_close(RandomPerspective().apply(x, draws), expected, atol=1e-4, rtol=0)


def test_by_hand() -> None:
    """Each pixel is sampled where the projection through four corners puts it."""
    x = torch.arange(4.0).div(4).view(1, 1, 1, 4)
    # The left edge shows what is a quarter of the width further right, the right one what is there: 1/4 + 3/4 s.
    y = RandomPerspective().apply(x, torch.tensor([[0.25, 0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.0]]))
    places = (0.25 + 0.75 * (torch.arange(4) + 0.5) / 4) * 4 - 0.5
    torch.testing.assert_close(y.flatten(), places.clamp(0, 3) / 4)


def test_without_distortion_nothing_changes() -> None:
    """Draws of zero, which a distortion of zero gives, leave the image as it is."""
    x = images((3, 7, 12), 3)
    draws = drawn(3, distortion=0.0)
    assert draws.abs().max() == 0
    torch.testing.assert_close(RandomPerspective().apply(x, draws), x, atol=1e-5, rtol=0)


def test_the_largest_distortion_is_finite() -> None:
    """Even with corners as far off as they can be, every pixel has a place, and straight lines stay in order."""
    extreme = torch.cartesian_prod(*[torch.tensor([-0.2499, 0.2499])] * 8)  # all 256 combinations
    ramp = torch.linspace(0, 1, 32).expand(256, 1, 32, 32)
    y = RandomPerspective(distortion=1.0).apply(ramp, extreme)
    assert y.isfinite().all()
    assert (y.diff(dim=3) >= -1e-5).all()


def test_uniform() -> None:
    """Corners move uniformly and independently, by up to a quarter of the sides times the distortion."""
    draws = drawn(3000, distortion=0.4).double().numpy()
    assert draws.shape == (3000, 8)
    for column in draws.T:
        assert np.abs(column).max() <= 0.1 * (1 + 1e-6)
        assert kstest(column, "uniform", args=(-0.1, 0.2)).pvalue > 0.001
    assert np.abs(np.corrcoef(draws.T) - np.eye(8)).max() < 0.07


@pytest.mark.parametrize("distortion", [-0.1, 1.1])
def test_out_of_range(distortion: float) -> None:
    """A distortion outside [0, 1] is refused."""
    with pytest.raises(ValueError, match=rf"distortion must be in \[0, 1\], it is {distortion}"):
        RandomPerspective(distortion=distortion)


def test_contract() -> None:
    """It is an augmentation, also at its strongest."""
    check_augmentation(RandomPerspective, distortion=1.0)
