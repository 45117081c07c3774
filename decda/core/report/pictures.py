"""Images -> pictures that a page holds itself: shrunk, put side by side, and encoded."""

import base64
import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from decda.core.contracts import as_float
from decda.core.report.facts import Pixels

SIDE = 48
"""The most pixels a picture is wide or high."""
LOSSLESS = 300_000
"""Bytes up to which a picture is kept to the last pixel; above, it may lose what hardly shows."""
QUALITY = 75
"""Of pictures that may lose something, of 100."""
GAP = 1
"""Transparent pixels between pictures side by side."""


def as_pixels(x: Tensor, side: int = SIDE) -> Pixels:
    """Images as pictures.

    Args:
        x: images (n, C, H, W), float32 in [0, 1] or uint8. Of one or two channels the first is shown in gray, of three
            or more the first three in colour.
        side: the most pixels that a picture is wide or high; larger images are shrunk.

    Returns:
        Pictures (n, h, w) or (n, h, w, 3).

    Example:
        >>> as_pixels(torch.rand(5, 3, 96, 64)).shape, as_pixels(torch.zeros(5, 1, 8, 8)).shape
        ((5, 48, 32, 3), (5, 8, 8))
    """
    shown = as_float(x[:, : 3 if x.shape[1] >= 3 else 1].cpu())
    height, width = shown.shape[2:]
    if max(height, width) > side:
        scale = side / max(height, width)
        size = (max(round(height * scale), 1), max(round(width * scale), 1))
        shown = interpolate(shown, size, mode="bilinear", antialias=True, align_corners=False)
    levels = (shown.nan_to_num(0.0).clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, 3).numpy()
    return levels[..., 0] if levels.shape[3] == 1 else levels


def strip(pictures: Pixels) -> str:
    """Pictures side by side, in one.

    Args:
        pictures: at least one.

    Returns:
        The address of an image that holds its own data.

    Example:
        >>> strip(np.zeros((3, 8, 8), np.uint8))[:23]
        'data:image/webp;base64,'
    """
    return _encode(_arrange(pictures, len(pictures), GAP))


def strip_size(pictures: Pixels) -> tuple[int, int]:
    """Width and height of a strip in pixels, so that a page has room for it before it is drawn.

    Args:
        pictures: as for `strip`.

    Example:
        >>> strip_size(np.zeros((3, 8, 5), np.uint8))
        (17, 8)
    """
    n, height, width = pictures.shape[:3]
    return n * (width + GAP) - GAP, height


def sheet(pictures: Pixels, columns: int) -> str:
    """Pictures in rows of equal length, without gaps, of which a page shows one at a time.

    Args:
        pictures: at least one.
        columns: pictures in a row.

    Returns:
        The address of an image that holds its own data.
    """
    return _encode(_arrange(pictures, columns, 0))


def _arrange(pictures: Pixels, columns: int, gap: int) -> Image.Image:
    n, height, width = pictures.shape[:3]
    rows = -(-n // columns)
    colour = pictures if pictures.ndim == 4 else np.repeat(pictures[..., None], 3, 3)
    canvas = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for position, picture in enumerate(colour):
        row, column = divmod(position, columns)
        top, left = row * (height + gap), column * (width + gap)
        canvas[top : top + height, left : left + width, :3] = picture
        canvas[top : top + height, left : left + width, 3] = 255
    return Image.fromarray(canvas)


def _encode(image: Image.Image) -> str:
    data = _webp(image, lossless=True)
    if len(data) > LOSSLESS:
        data = min(data, _webp(image, quality=QUALITY), key=len)
    return f"data:image/webp;base64,{base64.b64encode(data).decode()}"


def _webp(image: Image.Image, **how: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="webp", method=2, **how)
    return stream.getvalue()
