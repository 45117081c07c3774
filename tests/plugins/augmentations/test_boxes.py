"""Random boxes lie inside the image, and have the areas and shapes that were asked for."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from decda.plugins.augmentations.boxes import check_boxes, draw_boxes

RANGES = [((0.5, 1.0), (0.75, 4 / 3)), ((0.02, 0.15), (0.3, 3.3)), ((0.0, 0.9), (0.1, 10.0)), ((1.0, 1.0), (2.0, 3.0))]


def drawn(n: int, scale: tuple[float, float], ratio: tuple[float, float]) -> torch.Tensor:
    return draw_boxes(n, torch.Generator().manual_seed(0), scale, ratio)


@pytest.mark.parametrize(("scale", "ratio"), RANGES)
def test_every_box_lies_inside(scale: tuple[float, float], ratio: tuple[float, float]) -> None:
    """No box reaches beyond the image, whatever was asked for, and its area is in range."""
    boxes = drawn(3000, scale, ratio).double()
    assert boxes.shape == (3000, 4)
    assert boxes.isfinite().all()
    assert boxes.min() >= 0
    assert (boxes[:, :2] + boxes[:, 2:]).max() <= 1 + 1e-6
    areas = boxes[:, 2] * boxes[:, 3]
    assert areas.min() >= scale[0] - 1e-5
    assert areas.max() <= scale[1] + 1e-5


def test_areas_are_uniform_and_shapes_log_uniform() -> None:
    """Where every shape fits, area, logarithm of the ratio, and place are uniform and independent."""
    left, top, width, height = drawn(3000, (0.1, 0.3), (0.5, 2.0)).double().numpy().T
    area, shape = width * height, np.log(width / height)
    across, down = left / (1 - width), top / (1 - height)
    for values, low, high in ((area, 0.1, 0.3), (shape, -math.log(2), math.log(2)), (across, 0, 1), (down, 0, 1)):
        assert kstest(values, "uniform", args=(low, high - low)).pvalue > 0.01
    assert np.abs(np.corrcoef([area, shape, across, down]) - np.eye(4)).max() < 0.06


def test_shapes_that_do_not_fit_are_not_drawn() -> None:
    """A box of nearly the whole image is nearly of its shape; ratios that cannot fit become the nearest that can."""
    _, _, width, height = drawn(1000, (0.9, 0.9), (0.5, 2.0)).unbind(1)
    ratios = width / height
    assert ratios.min() == pytest.approx(0.9, abs=0.01)
    assert ratios.max() == pytest.approx(1 / 0.9, abs=0.01)
    _, _, width, height = drawn(10, (0.5, 0.5), (5.0, 6.0)).unbind(1)
    torch.testing.assert_close(width, torch.ones(10))
    torch.testing.assert_close(height, torch.full((10,), 0.5))


@pytest.mark.parametrize(
    ("scale", "ratio", "message"),
    [
        ((0.5, 0.2), (1.0, 1.0), r"scale must be two areas in \[0.1, 0.9\], the smaller one first, it is 0.5,0.2"),
        ((0.0, 0.5), (1.0, 1.0), "scale must be"),
        ((0.5, 1.0), (1.0, 1.0), "scale must be"),
        ((0.5, 0.6), (2.0, 1.0), r"ratio must be two ratios in \[0.1, 10\], the smaller one first, it is 2.0,1.0"),
        ((0.5, 0.6), (0.0, 1.0), "ratio must be"),
        ((0.5, 0.6), (1.0, 11.0), "ratio must be"),
    ],
)
def test_out_of_range(scale: tuple[float, float], ratio: tuple[float, float], message: str) -> None:
    """Ranges that are reversed or reach too far are refused, saying which are possible."""
    with pytest.raises(ValueError, match=message):
        check_boxes(scale, ratio, 0.1, 0.9)
