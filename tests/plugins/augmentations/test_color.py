"""Random brightness, contrast, saturation and hue, compared with kornia and by hand."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from decda.plugins.augmentations.color import LUMINANCE, RandomColor
from decda.testing import check_augmentation

SAME = [1.0, 1.0, 1.0, 0.0]
"""Random parameters that change nothing."""


def images(*shape: int) -> torch.Tensor:
    """Images between dark and bright gray, so that nothing has to be clamped."""
    return 0.4 + 0.2 * torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def changed(x: torch.Tensor, **changes: float) -> torch.Tensor:
    names = ["brightness", "contrast", "saturation", "hue"]
    row = [changes.get(name, same) for name, same in zip(names, SAME, strict=True)]
    return RandomColor().apply(x, torch.tensor([row] * len(x)))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_by_hand_without_colors(channels: int) -> None:
    """Brightness multiplies; contrast moves pixels away from the mean gray of their image."""
    x = images(2, channels, 5, 4)
    gray = x if channels != 3 else sum(w * x[:, c : c + 1] for c, w in enumerate(LUMINANCE))
    assert isinstance(gray, torch.Tensor)
    mean = gray.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(changed(x, brightness=1.2), 1.2 * x)
    torch.testing.assert_close(changed(x, contrast=0.5), mean + 0.5 * (x - mean))
    torch.testing.assert_close(changed(x, brightness=0.8, contrast=1.5), 0.8 * (mean + 1.5 * (x - mean)))


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 1, 6), (3, 7, 5)])
def test_as_kornia_does(shape: tuple[int, int, int]) -> None:
    """Each step by itself is kornia's; a turn of the hue by a third of a circle is, too."""
    from kornia.enhance import (
        adjust_brightness_accumulative,
        adjust_contrast_with_mean_subtraction,
        adjust_hue,
        adjust_saturation_with_gray_subtraction,
    )

    x = images(2, *shape)
    for name, value, reference in (
        ("brightness", 1.3, adjust_brightness_accumulative),
        ("contrast", 0.6, adjust_contrast_with_mean_subtraction),
        ("saturation", 0.4, adjust_saturation_with_gray_subtraction),
        ("saturation", 1.6, adjust_saturation_with_gray_subtraction),
    ):
        torch.testing.assert_close(changed(x, **{name: value}), reference(x, value), atol=1e-5, rtol=0)
    for third in (1 / 3, -1 / 3):
        torch.testing.assert_close(changed(x, hue=third), adjust_hue(x, 2 * math.pi * third), atol=1e-5, rtol=0)


def test_all_together_are_the_steps_in_order() -> None:
    """One matrix does what brightness, contrast, saturation and hue do one after the other."""
    x = images(2, 3, 4, 5)
    y = x
    for name, value in (("brightness", 1.1), ("contrast", 0.7), ("saturation", 1.3), ("hue", 0.06)):
        y = changed(y, **{name: value})
    together = changed(x, brightness=1.1, contrast=0.7, saturation=1.3, hue=0.06)
    torch.testing.assert_close(together, y, atol=1e-5, rtol=0)


def test_hue_turns_about_the_grays() -> None:
    """A turn of the hue keeps grays, the sum of channels and the distance from gray; a full circle changes nothing."""
    x = images(3, 3, 2, 2)
    y = changed(x, hue=0.1)
    gray = x.mean(1, keepdim=True)
    torch.testing.assert_close(y.mean(1, keepdim=True), gray)
    torch.testing.assert_close((y - gray).norm(dim=1), (x - gray).norm(dim=1))
    assert (y - x).abs().max() > 0.02
    torch.testing.assert_close(changed(gray.expand(-1, 3, -1, -1), hue=0.3), gray.expand(-1, 3, -1, -1))
    torch.testing.assert_close(changed(x, hue=1.0), x)
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(changed(red, hue=1 / 3).flatten(), torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)


def test_without_change_images_stay() -> None:
    """Factors of one and no turn leave gray and color images as they are."""
    for channels in (1, 3):
        x = torch.rand(2, channels, 4, 4, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(changed(x), x, atol=1e-6, rtol=0)


def test_what_leaves_the_range_is_clamped() -> None:
    """Brighter than white is white, and darker than black is black."""
    x = torch.tensor([0.0, 0.9, 1.0]).view(1, 1, 1, 3)
    torch.testing.assert_close(changed(x, brightness=1.2).flatten(), torch.tensor([0.0, 1.0, 1.0]))
    assert changed(x, contrast=2.0).flatten()[0] == 0


def test_uniform() -> None:
    """Factors and turn are uniform in their ranges, and independent."""
    augment = RandomColor(brightness=0.3, contrast=0.2, saturation=1.0, hue=0.5)
    draws = augment.sample(3000, torch.Generator().manual_seed(0)).double().numpy()
    for column, middle, most in zip(draws.T, SAME, (0.3, 0.2, 1.0, 0.5), strict=True):
        assert kstest(column, "uniform", args=(middle - most, 2 * most)).pvalue > 0.01
    assert np.abs(np.corrcoef(draws.T) - np.eye(4)).max() < 0.06


@pytest.mark.parametrize(
    ("name", "value", "most"),
    [("brightness", -0.1, "1"), ("contrast", 1.1, "1"), ("saturation", 2.0, "1"), ("hue", 0.6, "0.5")],
)
def test_out_of_range(name: str, value: float, most: str) -> None:
    """Parameters out of range are refused by name."""
    with pytest.raises(ValueError, match=rf"{name} must be in \[0, {most}\], it is {value}"):
        RandomColor(**{name: value})


@pytest.mark.parametrize("strongest", [{}, {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5}])
def test_contract(strongest: dict[str, Any]) -> None:
    """It is an augmentation, also at its strongest."""
    check_augmentation(RandomColor, **strongest)
