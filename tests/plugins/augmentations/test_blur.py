"""Random Gaussian blur, compared with kornia and by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from decda.plugins.augmentations.blur import RandomBlur
from decda.testing import check_augmentation


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_by_hand() -> None:
    """A point becomes the Gaussian, cut off after three standard deviations, in both directions."""
    x = torch.zeros(1, 1, 9, 9)
    x[..., 4, 4] = 1
    y = RandomBlur(sigma=(0.0, 1.0)).apply(x, torch.tensor([[0.8]]))
    weights = [math.exp(-((k / 0.8) ** 2) / 2) if abs(k) <= 3 else 0.0 for k in range(-4, 5)]
    expected = np.outer(weights, weights) / sum(weights) ** 2
    np.testing.assert_allclose(y[0, 0], expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 7), (3, 9, 1), (3, 12, 17)])
def test_as_kornia_does(shape: tuple[int, int, int]) -> None:
    """Each image is blurred as kornia does with its own deviation and repeated edges, at any size."""
    from kornia.filters import gaussian_blur2d

    x, sigma = images(3, *shape), torch.tensor([[0.3], [1.0], [2.0]])
    augment = RandomBlur(sigma=(0.1, 2.0))
    expected = gaussian_blur2d(x, (13, 13), sigma.expand(-1, 2), border_type="replicate")
    torch.testing.assert_close(augment.apply(x, sigma), expected, atol=1e-5, rtol=0)


def test_no_deviation_changes_nothing() -> None:
    """A deviation of zero leaves the image exactly as it is, also where the range ends at zero."""
    x = images(2, 3, 5, 6)
    for augment in (RandomBlur(), RandomBlur(sigma=(0.0, 0.0))):
        assert torch.equal(augment.apply(x, torch.zeros(2, 1)), x)


@pytest.mark.parametrize("p", [0.0, 0.4, 1.0])
def test_draws(p: float) -> None:
    """As many images are blurred as was asked for, with deviations uniform in the range; the others draw zero."""
    draws = RandomBlur(p=p, sigma=(0.5, 1.5)).sample(4000, torch.Generator().manual_seed(0)).flatten().double()
    assert draws.shape == (4000,)
    blurred = draws[draws > 0]
    assert len(blurred) / 4000 == pytest.approx(p, abs=0.03)
    if len(blurred):
        assert kstest(blurred.numpy(), "uniform", args=(0.5, 1.0)).pvalue > 0.01


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"p": -0.1}, r"p must be in \[0, 1\], it is -0.1"),
        ({"p": 1.5}, r"p must be in \[0, 1\]"),
        ({"sigma": (-0.1, 1.0)}, r"sigma must be two lengths in \[0, 10\] pixels, the smaller one first, it is -0.1,1"),
        ({"sigma": (2.0, 1.0)}, "sigma must be"),
        ({"sigma": (0.0, 11.0)}, "sigma must be"),
    ],
)
def test_out_of_range(parameters: dict[str, Any], message: str) -> None:
    """Parameters out of range are refused by name."""
    with pytest.raises(ValueError, match=message):
        RandomBlur(**parameters)


def test_contract() -> None:
    """It is an augmentation, also with a kernel that is larger than the image."""
    check_augmentation(RandomBlur, p=0.9, sigma=(0.0, 8.0))
