"""Rotate and shift a whole batch with one sampling grid and one bilinear interpolation.

For each output pixel the grid holds the input position it is sampled from. That position is the sum of a term that
depends only on the pixel's column and one that depends only on its row, so the grid of a batch is the sum of two small
tables. Deliberately, no matrix product is used: for a side of 28 pixels its positions would be off by up to a hundredth
of a pixel in tf32, and by a tenth in bfloat16.

Both functions are pure, read no tensor's value on the host, and copy nothing to the device. The tables are computed on
the device every time, because cached ones would be state, one per device, dtype and shape.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def rotate_and_shift(x: Tensor, angle: Tensor, offset: Tensor) -> Tensor:
    """Rotate images about their center, ((W - 1) / 2, (H - 1) / 2) in pixel coordinates, then shift them; 12 kernels.

    With (u, v) the position of an output pixel relative to the center, its value is that of the input at

        (u', v') = R (u - r W, v - d H),    R = [[cos a, -sin a], [sin a, cos a]].

    Args:
        x: images (B, C, H, W) of any floating dtype.
        angle: a (B,), in degrees; positive is counterclockwise as displayed.
        offset: r and d (B, 2), shift to the right as a fraction of the width and down as a fraction of the height.

    Returns:
        Images (B, C, H, W) of x's dtype. Pixels from outside take the value of the nearest edge.

    Example:
        >>> x = torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]])
        >>> rotate_and_shift(x, torch.tensor([90.0]), torch.zeros(1, 2)).round(decimals=4).tolist()
        [[[[1.0, 0.0], [0.0, 0.0]]]]
    """
    height, width = x.shape[-2:]
    angle, offset = _as_precise_as(x, angle), _as_precise_as(x, offset)
    dtype, device = offset.dtype, offset.device
    # One cosine gives -sin a, cos a and sin a: of a + 90 degrees, a, and a - 90 degrees.
    quarters = torch.linspace(math.pi / 2, -math.pi / 2, 3, dtype=dtype, device=device)
    turned = torch.add(quarters, angle.unsqueeze(1), alpha=math.pi / 180).cos()  # (B, 3)
    # The columns of R, the second one first, in the units of `grid_sample`, where an image spans -1 to 1 along each
    # axis. Positions are counted in half pixels from the center: whole numbers for odd and even sides alike.
    columns_of_r = turned.unfold(1, 2, 1) / torch.linspace(width, height, 2, dtype=dtype, device=device)  # (B, 2, 2)
    longest = max(height, width)
    positions = torch.arange(1 - longest, longest, dtype=dtype, device=device)
    u = torch.sub(positions[longest - width : longest + width : 2], offset[:, :1], alpha=2 * width)  # (B, W)
    v = torch.sub(positions[longest - height : longest + height : 2], offset[:, 1:], alpha=2 * height)  # (B, H)
    by_column = columns_of_r[:, 1, :, None] * u.unsqueeze(1)  # (B, 2, W)
    by_row = columns_of_r[:, 0, :, None] * v.unsqueeze(1)  # (B, 2, H)
    return _interpolate(x, by_column.unsqueeze(2) + by_row.unsqueeze(3))


def shift(x: Tensor, offset: Tensor) -> Tensor:
    """Shift images with subpixel precision; 5 kernels, because without rotation all images share one table.

    Args:
        x: images (B, C, H, W) of any floating dtype.
        offset: (B, 2), shift to the right as a fraction of the width and down as a fraction of the height.

    Returns:
        Images (B, C, H, W) of x's dtype. Pixels from outside take the value of the nearest edge.

    Example:
        >>> shift(torch.tensor([[[[0.0, 1.0, 0.5, 0.0]]]]), torch.tensor([[0.25, 0.0]])).tolist()
        [[[[0.0, 0.0, 1.0, 0.5]]]]
    """
    height, width = x.shape[-2:]
    offset = _as_precise_as(x, offset)
    # Pixel centers in the units of `grid_sample`, where each side has length 2.
    across, down = (
        torch.linspace(1 / side - 1, 1 - 1 / side, side, dtype=offset.dtype, device=offset.device)
        for side in (width, height)
    )
    positions = torch.stack([across.expand(height, width), down.unsqueeze(1).expand(height, width)])  # (2, H, W)
    return _interpolate(x, torch.sub(positions, offset[..., None, None], alpha=2))


def _as_precise_as(x: Tensor, params: Tensor) -> Tensor:
    """Cast parameters to x's dtype, but at least float32: 8 bits resolve only a tenth of a pixel."""
    return params.to(torch.promote_types(x.dtype, torch.float32))


def _interpolate(x: Tensor, positions: Tensor) -> Tensor:
    """Sample x (B, C, H, W) at positions (B, 2, H, W), horizontal then vertical, in [-1, 1] from edge to edge."""
    # A view with the coordinates last, without copying; the kernel reads planes as fast as pairs.
    grid = positions.permute(0, 2, 3, 1)
    warped = F.grid_sample(x.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=False)
    return warped.to(x.dtype)
