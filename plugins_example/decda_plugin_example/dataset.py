"""The data set `shapes`."""

import math
from typing import Annotated

import torch
from torch import Tensor

from decda.core.contracts import ImageSet


def shapes(
    *,
    n: Annotated[int, "number of images, at least 6"] = 1800,
    size: Annotated[int, "side in pixels, 8 to 256"] = 28,
    noise: Annotated[float, "standard deviation of the noise on each pixel, in [0, 1]"] = 0.05,
    seed: Annotated[int, "seed of everything random in the images, at least 0"] = 0,
) -> ImageSet:
    """Shapes: white discs, rings, squares, triangles, crosses and stars; generated, needs no download.

    All shapes are equally frequent, in random order. Each is rotated by a random angle, has a radius uniform in
    [.25, .4] of the image's side, and is off-center by up to .1 of the side in each direction, so that it lies entirely
    inside the image. Edges are antialiased: the gray value of a pixel is approximately the fraction of its area inside
    the shape, computed from the signed distance of its center to the outline.

    Returns:
        x float32 (n, 1, size, size) in [0, 1]; y int64 (n,), 0 to 5 in the order above; names such as `star-17`. Equal
        arguments give equal images.

    Raises:
        ValueError: an argument is out of range.

    Reference:
        Hart: Sphere tracing, The Visual Computer 12, 1996, on distances to shapes and their unions.

    Example:
        >>> images = shapes(n=60, size=16)
        >>> images.x.shape, images.y.bincount().tolist()
        (torch.Size([60, 1, 16, 16]), [10, 10, 10, 10, 10, 10])
    """
    if n < len(SHAPES) or not 8 <= size <= 256:
        raise ValueError(f"n must be at least {len(SHAPES)} and size in [8, 256], they are {n} and {size}")
    if not 0 <= noise <= 1 or not 0 <= seed < 2**63:
        raise ValueError(f"noise must be in [0, 1] and seed in [0, 2^63 - 1], they are {noise} and {seed}")
    generator = torch.Generator().manual_seed(seed)
    y = torch.randperm(n, generator=generator) % len(SHAPES)
    turn, growth, right, below = torch.rand(4, n, 1, 1, generator=generator)
    radius, angle = 0.25 + 0.15 * growth, 2 * math.pi * turn
    # Pixel centers in the coordinates of the shape: relative to its center, rotated back, its radius scaled to 1.
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


# Signed distances to outlines of radius 1, negative inside. Beyond a corner, the distance is to the extended edges.


def _disc(u: Tensor, v: Tensor) -> Tensor:
    return torch.hypot(u, v) - 1


def _ring(u: Tensor, v: Tensor) -> Tensor:
    return (torch.hypot(u, v) - 0.75).abs() - 0.25


def _cross(u: Tensor, v: Tensor) -> Tensor:
    near, far = torch.minimum(u.abs(), v.abs()), torch.maximum(u.abs(), v.abs())
    return torch.maximum(near - 0.3, far - 0.95)


def _star(u: Tensor, v: Tensor, tips: int, notch: float) -> Tensor:
    """Signed distance to a star with notches at radius `notch`; cos(pi / tips) makes it a regular polygon."""
    half = math.pi / tips
    # By symmetry, fold all edges onto the one from the tip (1, 0) to its notch; measure the distance to that line.
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
