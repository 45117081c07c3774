"""Random boxes inside an image, as `crop` and `erasing` draw them."""

import math

import torch
from torch import Generator, Tensor


def draw_boxes(n: int, generator: Generator, scale: tuple[float, float], ratio: tuple[float, float]) -> Tensor:
    """Draw boxes that lie inside the image, uniform in area and place, and log-uniform in shape.

    Nothing is drawn twice: the shapes that fit into the image are known for each area, a ratio r of an area a fits if
    a <= r <= 1 / a, and r is drawn among them. Where no ratio of the range fits, it is the nearest one that does.

    Args:
        n: number of boxes.
        generator: source of all randomness.
        scale: smallest and largest area, as fractions of the image's, each in [0, 1].
        ratio: smallest and largest ratio of width to height, where 1 is that of the image.

    Returns:
        float32 (n, 4): left and top edge, width and height, as fractions of the image's width and height.

    Example:
        >>> draw_boxes(1, torch.Generator(), scale=(0.25, 0.25), ratio=(1.0, 1.0))[0, 2:]
        tensor([0.5000, 0.5000])
    """
    area, shape, across, down = torch.rand(n, 4, generator=generator, device=generator.device).unbind(1)
    area = scale[0] + area * (scale[1] - scale[0])
    limit = area.clamp(min=1e-12).log()  # of log r, which fits between limit and -limit
    low, high = (torch.maximum(torch.minimum(torch.full_like(limit, math.log(r)), -limit), limit) for r in ratio)
    half = (low + shape * (high - low)) / 2
    width, height = ((area.sqrt() * factor.exp()).clamp(max=1) for factor in (half, -half))
    return torch.stack([across * (1 - width), down * (1 - height), width, height], 1)


def check_boxes(scale: tuple[float, float], ratio: tuple[float, float], smallest: float, largest: float) -> None:
    """Check the parameters of boxes.

    Args:
        scale: of `draw_boxes`.
        ratio: of `draw_boxes`.
        smallest: that an area may be.
        largest: that an area may be.

    Raises:
        ValueError: a range is reversed, or out of its own range.
    """
    if not smallest <= scale[0] <= scale[1] <= largest:
        raise ValueError(
            f"scale must be two areas in [{smallest}, {largest}], the smaller one first, it is {scale[0]},{scale[1]}"
        )
    if not 0.1 <= ratio[0] <= ratio[1] <= 10:
        raise ValueError(f"ratio must be two ratios in [0.1, 10], the smaller one first, it is {ratio[0]},{ratio[1]}")
