"""Drawings of geometric shapes."""

import math
from typing import Annotated

import torch
from torch import Tensor

from decda.core.contracts import ImageSet


def shapes(
    *,
    n: Annotated[int, "number of images, from 6 up"] = 1800,
    size: Annotated[int, "side in pixels, 8 to 256"] = 28,
    noise: Annotated[float, "standard deviation of the noise on each pixel, in [0, 1]"] = 0.05,
    seed: Annotated[int, "of all that is random in them, from 0 up"] = 0,
) -> ImageSet:
    """Shapes: white discs, rings, squares, triangles, crosses and stars, drawn on the spot: needs no download.

    As many of each, in random order. A shape is turned by any angle, its radius uniform in [.25, .4] of the side, its
    middle off that of the image by up to .1 of the side each way, so that all of it lies inside. Edges are smooth: the
    gray of a pixel is about the share of it that lies inside, by the signed distance of its middle to the outline.

    Returns:
        x float32 (n, 1, size, size) in [0, 1]; y int64 (n,), 0 to 5 in the order above; names as in `star-17`. Equal
        arguments give equal images.

    Raises:
        ValueError: an argument out of range.

    Reference:
        Hart: Sphere tracing, The Visual Computer 12, 1996, on distances to shapes and their unions.
    """
    if n < len(SHAPES) or not 8 <= size <= 256:
        raise ValueError(f"n must be at least {len(SHAPES)} and size in 8..256, they are {n} and {size}")
    if not 0 <= noise <= 1 or not 0 <= seed < 2**63:
        raise ValueError(f"noise must be in [0, 1] and seed in 0..2^63 - 1, they are {noise} and {seed}")
    generator = torch.Generator().manual_seed(seed)
    y = torch.randperm(n, generator=generator) % len(SHAPES)
    turn, growth, right, below = torch.rand(4, n, 1, 1, generator=generator)
    radius, angle = 0.25 + 0.15 * growth, 2 * math.pi * turn
    # The middles of the pixels as the shape sees them: from its own middle, turned back, its radius 1.
    axis = (torch.arange(size) + 0.5) / size - 0.5
    u, v = axis - 0.2 * (right - 0.5), axis.unsqueeze(1) - 0.2 * (below - 0.5)  # (n, 1, size), (n, size, 1)
    across = (angle.cos() * u + angle.sin() * v) / radius  # (n, size, size)
    down = (angle.cos() * v - angle.sin() * u) / radius
    distance = torch.empty(n, size, size)
    for number, outline in enumerate(SHAPES.values()):
        distance[y == number] = outline(across[y == number], down[y == number])
    x = (0.5 - distance * radius * size).clamp(0, 1)
    x = (x + noise * torch.randn(x.shape, generator=generator)).clamp(0, 1)
    names = [f"{tuple(SHAPES)[number]}-{index}" for index, number in enumerate(y.tolist())]
    return ImageSet(x.unsqueeze(1), y, names)


# Signed distances to outlines of radius 1, negative inside; beyond a corner those to the edges' lines.


def _disc(u: Tensor, v: Tensor) -> Tensor:
    return torch.hypot(u, v) - 1


def _ring(u: Tensor, v: Tensor) -> Tensor:
    return (torch.hypot(u, v) - 0.75).abs() - 0.25


def _cross(u: Tensor, v: Tensor) -> Tensor:
    near, far = torch.minimum(u.abs(), v.abs()), torch.maximum(u.abs(), v.abs())
    return torch.maximum(near - 0.3, far - 0.95)


def _star(u: Tensor, v: Tensor, tips: int, notch: float) -> Tensor:
    """A star whose notches have the radius `notch`; at cos(pi / tips) it is the regular polygon."""
    half = math.pi / tips
    # All edges folded onto the one from the tip (1, 0) to the notch; the distance to the line through both.
    angle = (torch.remainder(torch.atan2(v, u), 2 * half) - half).abs()  # 0 at a notch, half at a tip
    radius = torch.hypot(u, v)
    across, down = radius * (half - angle).cos(), radius * (half - angle).sin()
    normal = torch.tensor([notch * math.sin(half), 1 - notch * math.cos(half)])
    normal = normal / normal.norm()
    return normal[0] * (across - 1) + normal[1] * down


SHAPES = {
    "disc": _disc,
    "ring": _ring,
    "square": lambda u, v: _star(u, v, 4, math.cos(math.pi / 4)),
    "triangle": lambda u, v: _star(u, v, 3, 0.5),
    "cross": _cross,
    "star": lambda u, v: _star(u, v, 5, 0.4),
}
