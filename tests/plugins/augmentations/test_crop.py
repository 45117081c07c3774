"""Random crops, resized to the size of the image, compared with scipy and kornia."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from decda.plugins.augmentations.boxes import draw_boxes
from decda.plugins.augmentations.crop import RandomCrop
from decda.testing import check_augmentation

SHAPES = [(1, 1, 1), (1, 1, 6), (3, 9, 1), (1, 8, 8), (3, 11, 20)]
BOXES = [(0.0, 0.0, 1.0, 1.0), (0.25, 0.5, 0.75, 0.5), (0.1, 0.05, 0.7, 0.9), (0.5, 0.5, 0.1, 0.1)]


def images(shape: tuple[int, int, int], n: int = len(BOXES)) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", SHAPES)
def test_crop(shape: tuple[int, int, int]) -> None:
    """Each pixel is taken, bilinearly, from the place in the box that it has in the image."""
    x, (height, width) = images(shape), shape[1:]
    y = RandomCrop().apply(x, torch.tensor(BOXES))
    for image, cropped, (left, top, across, down) in zip(x.double().numpy(), y.numpy(), BOXES, strict=True):
        columns = (left + across * (np.arange(width) + 0.5) / width) * width - 0.5
        rows = (top + down * (np.arange(height) + 0.5) / height) * height - 0.5
        places = np.meshgrid(rows, columns, indexing="ij")
        expected = np.stack([map_coordinates(plane, places, order=1, mode="nearest") for plane in image])
        np.testing.assert_allclose(cropped, expected, atol=1e-5)


def test_the_whole_image_stays() -> None:
    """A box of the whole image changes nothing."""
    x = images((3, 7, 12), 2)
    torch.testing.assert_close(RandomCrop().apply(x, torch.tensor([[0.0, 0.0, 1.0, 1.0]] * 2)), x, atol=1e-5, rtol=0)


def test_by_hand() -> None:
    """The left half of four pixels, enlarged to four, lies a quarter of a pixel between them."""
    y = RandomCrop().apply(torch.tensor([[[[0.0, 1.0, 0.0, 0.0]]]]), torch.tensor([[0.0, 0.0, 0.5, 1.0]]))
    torch.testing.assert_close(y, torch.tensor([[[[0.0, 0.25, 0.75, 0.75]]]]))


def test_as_kornia_does() -> None:
    """A crop is what kornia's affine warp makes of the image with the same box, where it counts from edge to edge."""
    from kornia.geometry.transform import warp_affine

    x = images((3, 10, 16), 1)
    left, top, width, height = 0.25, 0.1, 0.5, 0.7
    # From pixels of the image to pixels of the crop: x' = (x + .5 - left W) / width - .5
    matrix = torch.tensor(
        [[[1 / width, 0, (0.5 - left * 16) / width - 0.5], [0, 1 / height, (0.5 - top * 10) / height - 0.5]]]
    )
    expected = warp_affine(x, matrix, (10, 16), padding_mode="border")
    torch.testing.assert_close(
        RandomCrop().apply(x, torch.tensor([[left, top, width, height]])), expected, atol=1e-5, rtol=0
    )


def test_draws() -> None:
    """The random parameters are boxes of the parameters' ranges; by default at least half of the image is kept."""
    augment = RandomCrop(scale=(0.3, 0.4), ratio=(0.5, 1.5))
    draws = augment.sample(50, torch.Generator().manual_seed(2))
    assert torch.equal(draws, draw_boxes(50, torch.Generator().manual_seed(2), (0.3, 0.4), (0.5, 1.5)))
    usual = RandomCrop().sample(2000, torch.Generator().manual_seed(2))
    assert (usual[:, 2] * usual[:, 3]).min() >= 0.5 - 1e-5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"scale": (0.0, 1.0)}, r"scale must be two areas in \[0.01, 1.0\]"),
        ({"scale": (0.5, 1.1)}, "scale must be"),
        ({"scale": (0.9, 0.8)}, "scale must be"),
        ({"ratio": (1.5, 1.0)}, r"ratio must be two ratios in \[0.1, 10\]"),
    ],
)
def test_out_of_range(parameters: dict[str, tuple[float, float]], message: str) -> None:
    """Areas and ratios out of range are refused by name."""
    with pytest.raises(ValueError, match=message):
        RandomCrop(**parameters)


def test_contract() -> None:
    """It is an augmentation, also with small areas."""
    check_augmentation(RandomCrop, scale=(0.1, 0.5))
