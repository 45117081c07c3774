"""The augmentation `perspective`: the image as if seen from another place."""

from typing import Annotated

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

CORNERS = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
"""Those of an image as `grid_sample` counts, clockwise from top left, x before y."""


class RandomPerspective:
    """Random change of perspective, as if the image were seen from another place.

    What is seen at each corner comes from another place: up to a quarter of the width times `distortion` to the left or
    right, and as much of the height up or down, uniformly. The pixels between are mapped by the projection that these
    four places determine, which includes small shifts, rotations and changes of size. Interpolation is bilinear; pixels
    from outside the image take the value of the nearest edge.

    Raises:
        ValueError: distortion is outside [0, 1].

    Reference:
        What `kornia.augmentation.RandomPerspective` does with its sampling method "area_preserving"; there corners move
        twice as far, and may do so past each other.

    Example:
        >>> augment = RandomPerspective(distortion=0.2)
        >>> augment.sample(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 8])
        >>> x = torch.tensor([[[[0.0, 1.0, 0.5, 0.25]]]])
        >>> one_pixel_from_the_right = torch.tensor([[0.25, 0.0] * 4])
        >>> augment.apply(x, one_pixel_from_the_right).tolist()
        [[[[1.0, 0.5, 0.25, 0.25]]]]
    """

    def __init__(self, *, distortion: Annotated[float, "how far corners move; 1: a quarter of the sides"] = 0.4):
        if not 0 <= distortion <= 1:
            raise ValueError(f"distortion must be in [0, 1], it is {distortion}")
        self.distortion = distortion

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw where the corners of n images are taken from.

        Args:
            n: number of images.
            generator: source of all randomness.

        Returns:
            float32 (n, 8): for each corner, clockwise from the top left one, how far to the right and how far down, as
            fractions of width and height.
        """
        uniform = torch.rand(n, 8, generator=generator, device=generator.device) * 2 - 1
        return uniform * (self.distortion / 4)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Change the perspective of images.

        Args:
            x: images (B, C, H, W).
            params: as `sample` draws them (B, 8).

        Returns:
            Images (B, C, H, W) of the same dtype.
        """
        # Eight bits of precision would resolve only a tenth of a pixel.
        moves = params.to(torch.promote_types(x.dtype, torch.float32)).view(-1, 4, 2)
        corners = [2 * move + _constant(corner, move) for move, corner in zip(moves.unbind(1), CORNERS, strict=True)]
        grid = _project(corners, x.shape[-2], x.shape[-1])
        y = F.grid_sample(x.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=False)
        return y.to(x.dtype)


def _constant(corner: tuple[float, float], like: Tensor) -> Tensor:
    """Two numbers, made on the device: copying them there would stall the CUDA stream."""
    return torch.linspace(*corner, 2, dtype=like.dtype, device=like.device)


def _project(corners: list[Tensor], height: int, width: int) -> Tensor:
    """The places of all pixels, if the corners of the image are at four places (B, 2).

    With (s, t) the position of a pixel in the unit square, its place is ((p1 - p0 + g p1) s + (p3 - p0 + h p3) t + p0)
    / (1 + g s + h t), which is p0 to p3 at the corners; g and h follow from the one opposite to p0.

    Returns:
        (B, H, W, 2), for `grid_sample`.
    """
    p0, p1, p2, p3 = corners
    a, b, c = p1 - p2, p3 - p2, p0 - p1 + p2 - p3
    area = _cross(a, b)  # not 0, because no corner moves further than a quarter of a side
    g, h = _cross(c, b) / area, _cross(a, c) / area  # (B, 1)
    s, t = (
        torch.linspace(0.5 / side, 1 - 0.5 / side, side, dtype=p0.dtype, device=p0.device) for side in (width, height)
    )
    by_column = (p1 - p0 + g * p1)[:, None, None, :] * s[:, None]  # (B, 1, W, 2)
    by_row = ((p3 - p0 + h * p3)[:, None, None, :] * t[:, None, None]) + p0[:, None, None, :]  # (B, H, 1, 2)
    depth = 1 + (g * s).unsqueeze(1) + (h * t).unsqueeze(2)  # (B, H, W)
    return (by_column + by_row) / depth.unsqueeze(3)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[:, :1] * b[:, 1:] - a[:, 1:] * b[:, :1]
