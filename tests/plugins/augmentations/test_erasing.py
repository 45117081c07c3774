"""Random erasing covers the box that was drawn, and nothing else."""

from typing import Any

import pytest
import torch

from decda.plugins.augmentations.boxes import draw_boxes
from decda.plugins.augmentations.erasing import RandomErasing
from decda.testing import check_augmentation


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("fill", ["mean", "black"])
def test_by_hand(fill: Any) -> None:
    """The pixels whose centers lie in the box become the mean of their channel, or black; the others stay."""
    x = images(2, 3, 4, 6)
    boxes = torch.tensor([[1 / 6, 0.25, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]])  # columns 1 to 3 of rows 1 and 2; nothing
    y = RandomErasing(fill=fill).apply(x, boxes)
    expected = x.clone()
    for channel in range(3):
        expected[0, channel, 1:3, 1:4] = x[0, channel].mean() if fill == "mean" else 0
    torch.testing.assert_close(y, expected)


def test_a_pixel_belongs_to_a_box_by_its_center() -> None:
    """A box covers a pixel if it covers its center, so that neighbouring boxes share none."""
    x = torch.ones(3, 1, 1, 4)
    boxes = torch.tensor([[0.0, 0.0, 0.13, 1.0], [0.13, 0.0, 0.3, 1.0], [0.05, 0.0, 0.05, 1.0]])
    y = RandomErasing(fill="black").apply(x, boxes)
    assert y.flatten(1).tolist() == [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 1]]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 7), (3, 9, 1), (3, 16, 16)])
def test_as_kornia_does(shape: tuple[int, int, int]) -> None:
    """Boxes of whole pixels are erased as kornia erases them, at any size."""
    from kornia.augmentation import RandomErasing as Reference

    x, (height, width) = images(4, *shape), shape[1:]
    top, left = torch.zeros(4), torch.tensor([0.0, 0.0, width // 2, 0.0])
    across = torch.tensor([0.0, 1.0, width - width // 2, width])
    down = torch.tensor([0.0, 1.0, height, (height + 1) // 2])
    pixels = {"xs": left, "ys": top, "widths": across, "heights": down, "values": torch.zeros(4)}
    reference = Reference(p=1.0)
    expected = reference.apply_transform(x, pixels, reference.flags)
    boxes = torch.stack([left / width, top / height, across / width, down / height], 1)
    assert torch.equal(RandomErasing(fill="black").apply(x, boxes), expected)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_probability(p: float) -> None:
    """As many images have a box as was asked for; the boxes are those of their ranges."""
    augment = RandomErasing(p=p, scale=(0.1, 0.2), ratio=(0.5, 2.0))
    draws = augment.sample(4000, torch.Generator().manual_seed(0))
    boxes = draw_boxes(4000, torch.Generator().manual_seed(0), (0.1, 0.2), (0.5, 2.0))
    covered = draws[:, 2] > 0
    assert float(covered.float().mean()) == pytest.approx(p, abs=0.03)
    assert covered.sum() == {0.0: 0, 1.0: 4000}.get(p, covered.sum())
    assert torch.equal(draws[covered], boxes[covered])
    assert draws[~covered, 2:].sum() == 0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"p": -0.1}, r"p must be in \[0, 1\], it is -0.1"),
        ({"p": 1.1}, r"p must be in \[0, 1\]"),
        ({"scale": (0.1, 0.95)}, r"scale must be two areas in \[0.0, 0.9\]"),
        ({"scale": (0.2, 0.1)}, "scale must be"),
        ({"ratio": (0.05, 1.0)}, r"ratio must be two ratios in \[0.1, 10\]"),
    ],
)
def test_out_of_range(parameters: dict[str, Any], message: str) -> None:
    """Parameters out of range are refused by name."""
    with pytest.raises(ValueError, match=message):
        RandomErasing(**parameters)


@pytest.mark.parametrize("fill", ["mean", "black"])
def test_contract(fill: str) -> None:
    """It is an augmentation, with either filling."""
    check_augmentation(RandomErasing, p=0.8, scale=(0.1, 0.5), fill=fill)
