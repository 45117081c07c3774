"""Rotation and shift of a whole batch by one grid of places to look at, and one bilinear look.

Every pixel of the result looks back at where it came from. That place is what its column alone gives, plus what its
row alone gives, so that the grid of the batch is one sum of two small tables. It is no matrix product on purpose: on a
side of 28 that would miss by up to a hundredth of a pixel in tf32, and by a tenth in bfloat16.

Both functions are pure, read no tensor's value on the host, and copy nothing to the device. Kernels make their tables
there every time: kept ones would be state, for each device, type and shape.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def rotate_and_shift(x: Tensor, angle: Tensor, share: Tensor) -> Tensor:
    """Rotate images about the middle of their pixels, ((W - 1) / 2, (H - 1) / 2), then shift them; 12 kernels.

    With (u, v) the place of a pixel seen from the middle, its value is that of the image at

        (u', v') = R (u - r W, v - d H),    R = [[cos a, -sin a], [sin a, cos a]].

    Args:
        x: (B, C, H, W), any floating type.
        angle: a, degrees (B,); positive is counterclockwise as displayed.
        share: r and d (B, 2), shift to the right as a share of the width and down as one of the height.

    Returns:
        (B, C, H, W) of x's type. What comes in from outside is the value of the nearest edge.
    """
    height, width = x.shape[-2:]
    angle, share = _as_precise_as(x, angle), _as_precise_as(x, share)
    dtype, device = share.dtype, share.device
    # -sin, cos and sin are the cosine of the angle a right angle on, as it is, and a right angle back.
    quarters = torch.linspace(math.pi / 2, -math.pi / 2, 3, dtype=dtype, device=device)
    turned = torch.add(quarters, angle.unsqueeze(1), alpha=math.pi / 180).cos()  # (B, 3)
    # The columns of R, the second first, in the units of `grid_sample`: an image reaches from -1 to 1 either way. All
    # places are counted in half pixels, whole numbers from the middle on, whether a side is odd or even.
    columns_of_r = turned.unfold(1, 2, 1) / torch.linspace(width, height, 2, dtype=dtype, device=device)  # (B, 2, 2)
    longest = max(height, width)
    places = torch.arange(1 - longest, longest, dtype=dtype, device=device)
    u = torch.sub(places[longest - width : longest + width : 2], share[:, :1], alpha=2 * width)  # (B, W)
    v = torch.sub(places[longest - height : longest + height : 2], share[:, 1:], alpha=2 * height)  # (B, H)
    by_column = columns_of_r[:, 1, :, None] * u.unsqueeze(1)  # (B, 2, W)
    by_row = columns_of_r[:, 0, :, None] * v.unsqueeze(1)  # (B, 2, H)
    return _look(x, by_column.unsqueeze(2) + by_row.unsqueeze(3))


def shift(x: Tensor, share: Tensor) -> Tensor:
    """Shift images by parts of a pixel; 5 kernels, for without a rotation all images share one table of places.

    Args:
        x: (B, C, H, W), any floating type.
        share: (B, 2), to the right as a share of the width and down as one of the height.

    Returns:
        (B, C, H, W) of x's type. What comes in from outside is the value of the nearest edge.
    """
    height, width = x.shape[-2:]
    share = _as_precise_as(x, share)
    # Middles of pixels in the units of `grid_sample`, where a side is 2 long.
    across, down = (
        torch.linspace(1 / side - 1, 1 - 1 / side, side, dtype=share.dtype, device=share.device)
        for side in (width, height)
    )
    places = torch.stack([across.expand(height, width), down.unsqueeze(1).expand(height, width)])  # (2, H, W)
    return _look(x, torch.sub(places, share[..., None, None], alpha=2))


def _as_precise_as(x: Tensor, draws: Tensor) -> Tensor:
    """The draws in x's type, in float32 at least: 8 bits hold a place in an image to a tenth of a pixel."""
    return draws.to(torch.promote_types(x.dtype, torch.float32))


def _look(x: Tensor, places: Tensor) -> Tensor:
    """Values of x (B, C, H, W) at places (B, 2, H, W), across and down, each from -1 at one edge to 1 at the other."""
    # The view puts across and down last without moving them; the kernel reads planes as fast as pairs.
    grid = places.permute(0, 2, 3, 1)
    warped = F.grid_sample(x.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped.to(x.dtype)
