"""The digits of scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from sklearn.datasets import load_digits

from decda.plugins.datasets.digits import digits


def test_as_stored() -> None:
    """By default, digits are the 1797 stored gray images of 8x8, scaled from 0..16 to [0, 1], with their classes."""
    images = digits()
    assert images.x.shape == (1797, 1, 8, 8)
    assert images.x.dtype == torch.float32
    np.testing.assert_array_equal(images.x.squeeze(1).numpy() * 16, load_digits().images)
    assert images.y is not None
    assert images.y.dtype == torch.int64
    assert images.y.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


@pytest.mark.parametrize("size", [9, 16, 64])
def test_enlarged(size: int) -> None:
    """Enlarged digits are interpolated bilinearly between pixel centers, and stay in [0, 1]."""
    x = digits(size=size).x
    assert x.shape == (1797, 1, size, size)
    assert x.dtype == torch.float32
    assert x.min() >= 0
    assert x.max() <= 1
    at = (np.arange(size) + 0.5) * 8 / size - 0.5
    grid = np.stack(np.meshgrid(at, at, indexing="ij"))
    stored = load_digits().images
    for index in (0, 1000):
        expected = map_coordinates(stored[index], grid, order=1, mode="nearest") / 16
        np.testing.assert_allclose(x[index, 0].numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("size", [7, 65, 0, -8])
def test_size_out_of_range(size: int) -> None:
    """A size outside [8, 64] is refused, and the error states the range and the value."""
    with pytest.raises(ValueError, match=rf"\[8, 64\], it is {size}"):
        digits(size=size)
