"""One image file -> pixels of a given shape, or the reason why it cannot be read; whatever the file holds."""

import errno
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, __version__

from decda.core.errors import in_a_line
from decda.plugins.datasets.bounded_files import BoundedFile
from decda.plugins.datasets.quiet_warnings import quiet_warnings

Fit = Literal["pad", "crop"]
Alpha = Literal["white", "drop"]
Pixels = NDArray[np.uint8]

DECODER = f"1 pillow {__version__}"
"""Changes whenever a pixel of any image might: count up when anything below is computed in another way."""
MAX_PIXELS = 2**26
"""The most that an image may have, by its header."""
MANY_PIXELS = 2**24
"""Images with more are decoded one at a time, because each takes much memory."""
FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")
"""What is tried. Others that pillow knows run programs (EPS), or recognise anything as theirs (TGA)."""
GRAY_MODES = ("1", "L", "LA", "La", "I", "F")
ORIENTATION = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn an image upright, by the value of EXIF's orientation; from 5 on, height and width change places."""
_ONE_LARGE_IMAGE = threading.Lock()


class UnreadableImage(Exception):
    """A file cannot be read as an image. Its message is a reason in one line."""


@dataclass(frozen=True)
class Header:
    """What a file says of its image before any pixel is decoded.

    Attributes:
        height: in pixels, of the image turned upright.
        width: likewise.
        gray: whether it has no colours: by its mode, or because its palette has none.
    """

    height: int
    width: int
    gray: bool


def read_header(path: str) -> Header:
    """Read size and kind of an image; no pixel is decoded.

    Args:
        path: the file.

    Returns:
        What its header says.

    Raises:
        UnreadableImage: it is no image, or one that is too large.

    Example:
        >>> Image.new("LA", (5, 3)).save("gray.png")
        >>> read_header("gray.png")
        Header(height=3, width=5, gray=True)
    """
    with _opened(path) as (image, _):
        width, height = image.size
        if _orientation(image) >= 5:
            width, height = height, width
        gray = image.mode in GRAY_MODES or image.mode.startswith("I;16") or _has_gray_palette(image)
        return Header(height, width, gray)


def read_pixels(
    path: str,
    shape: tuple[int, int, int],
    *,
    fit: Fit = "pad",
    alpha: Alpha = "white",
    state: tuple[int, int] | None = None,
) -> Pixels:
    """Decode an image and bring it to a shape. Its sides keep their ratio.

    - Of animations and files with several pages, the first image is taken. EXIF's orientation is applied; colour
      profiles are not.
    - Smaller than in the file, a pixel is the mean of the area it covers; larger, it is interpolated bilinearly. JPEG
      is decoded at 1/2, 1/4 or 1/8 of its size where that leaves at least twice the pixels wanted.
    - Colours become gray by ITU-R 601-2 luma: .299 R + .587 G + .114 B.
    - 16-bit gray is divided by 257, floats in [0, 1] are multiplied by 255. Other floats and 32-bit integers have no
      known range: the least value of an image becomes 0, the greatest 255.

    Args:
        path: the file.
        shape: (C, H, W), C = 1 for gray or 3 for red, green, blue.
        fit: `"pad"`: all of the image is kept, in the middle; what is left over has the median colour of its border, so
            that an object on a plain ground gets no frame that would itself look like an object. `"crop"`: all of the
            shape is filled; what stands over on two sides is cut off.
        alpha: transparent pixels are laid over white, or their transparency is dropped.
        state: size in bytes and time of change that the file must still have.

    Returns:
        uint8 (C, H, W).

    Raises:
        UnreadableImage: it is no image, damaged, too large, or not in that state any more.

    Example:
        >>> Image.new("RGB", (40, 20), (255, 0, 0)).save("red.png")
        >>> read_pixels("red.png", (3, 2, 4))[:, 0, 0].tolist()
        [255, 0, 0]
    """
    with _opened(path) as (image, file):
        if state is not None and state != (file.size, file.mtime_ns):
            raise UnreadableImage("it was changed while the folder was being read")
        source, shrunk = image.size, 1.0
        if image.format == "JPEG":
            wanted = _geometry(source, _lying(shape, _orientation(image)), fit)[0]
            draft = image.draft(None, (2 * wanted[0], 2 * wanted[1]))
            shrunk = source[0] / draft[1][2] if draft else 1.0
        with _ONE_LARGE_IMAGE if image.width * image.height > MANY_PIXELS else nullcontext():
            image.load()
            turn = _orientation(image)  # of PNG, it may stand behind the pixels
            size, box = _geometry(source, _lying(shape, turn), fit)
            enlarged = size[0] > box[2] - box[0] or size[1] > box[3] - box[1]
            small = _to_8_bits(image, alpha).resize(
                size,
                Image.Resampling.BILINEAR if enlarged else Image.Resampling.BOX,
                box=(box[0] / shrunk, box[1] / shrunk, box[2] / shrunk, box[3] / shrunk),
            )
    if turn in TURNS:
        small = small.transpose(TURNS[turn])
    return _padded(_over_white(small, shape[0]), shape)


@contextmanager
def _opened(path: str) -> Iterator[tuple[Image.Image, BoundedFile]]:
    """An image of which only the header was read; whatever goes wrong inside the block makes it unreadable."""
    try:
        with quiet_warnings(), BoundedFile(path) as file:
            try:
                image = Image.open(file, formats=_formats())  # type: ignore[arg-type]  # all that pillow needs of a file
            except UnidentifiedImageError:
                file.seek(0)
                raise UnreadableImage(f"it is not an image that can be read: it begins with {file.read(8)!r}") from None
            with image:
                if image.width * image.height > MAX_PIXELS:
                    raise UnreadableImage(_too_large(f"{image.width} x {image.height} pixels"))
                yield image, file
    except UnreadableImage:
        raise
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\((\d+ pixels)\)", str(error))
        raise UnreadableImage(_too_large(pixels[1] if pixels else "too many pixels")) from error
    except Exception as error:  # damaged files make pillow raise nearly anything
        raise UnreadableImage(_reason(error)) from error


@cache
def _formats() -> tuple[str, ...]:
    """The formats that this build of pillow can read."""
    Image.init()  # registers them all; on demand, it would happen in several threads at once
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _too_large(found: str) -> str:
    limit = Image.MAX_IMAGE_PIXELS  # whoever uses pillow may have set a lower one, which it doubles
    return f"it has {found} by its header, more than the {min(MAX_PIXELS, 2 * (limit or MAX_PIXELS))} allowed"


def _reason(error: Exception) -> str:
    """What went wrong, in one line without control characters."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "there is not enough memory for it"
    told = in_a_line(error)
    if isinstance(error, OSError | ValueError | SyntaxError) and str(error):  # pillow's own, with a message for people
        told = (isinstance(error, OSError) and error.strerror) or str(error)
    return "".join(sign if sign.isprintable() else " " for sign in told)[:200]


def _orientation(image: Image.Image) -> int:
    """How the image lies, as EXIF tells it, from 1 (upright) to 8."""
    if image.format == "TIFF":  # turned by pillow
        return 1
    try:
        # Not PNG's own method, which would decode the pixels first.
        value = Image.Image.getexif(image).get(ORIENTATION, 1)
    except Exception:  # the image itself may still be good
        return 1
    return value if isinstance(value, int) and value in TURNS else 1


def _has_gray_palette(image: Image.Image) -> bool:
    palette = image.palette if image.mode in ("P", "PA") else None
    if palette is None:
        return False
    values, order = bytes(palette.palette), palette.rawmode or palette.mode
    third = len(values) // 3
    red, green, blue = (
        (values[:third], values[third : 2 * third], values[2 * third :])
        if order.endswith(";L")  # plane by plane, in TIFF
        else (values[0 :: len(order)], values[1 :: len(order)], values[2 :: len(order)])
    )
    return red == green == blue


def _lying(shape: tuple[int, int, int], turn: int) -> tuple[int, int]:
    """Width and height wanted of an image that is still to be turned upright."""
    _, height, width = shape
    return (width, height) if turn < 5 else (height, width)


def _geometry(
    source: tuple[int, int], target: tuple[int, int], fit: Fit
) -> tuple[tuple[int, int], tuple[float, float, float, float]]:
    """How an image comes to its size.

    Args:
        source: width and height in the file.
        target: width and height wanted.
        fit: how one is brought into the other.

    Returns:
        Width and height of the resized image, at least 1; and which part of the source becomes that image.
    """
    (w, h), (width, height) = source, target
    too_wide = w * height >= h * width
    if fit == "pad":
        if too_wide:
            return (width, max((2 * h * width + w) // (2 * w), 1)), (0, 0, w, h)  # rounded
        return (max((2 * w * height + h) // (2 * h), 1), height), (0, 0, w, h)
    if too_wide:
        rest = max(w - h * width / height, 0) / 2
        return (width, height), (rest, 0, w - rest, h)
    rest = max(h - w * height / width, 0) / 2
    return (width, height), (0, rest, w, h - rest)


def _to_8_bits(image: Image.Image, alpha: Alpha) -> Image.Image:
    """Any mode -> L or RGB or, with an alpha that they were multiplied by, La or RGBa."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):  # 16 bits
        return _rescaled(image, 0, 65535)
    if image.mode in ("I", "F"):
        values = np.asarray(image)
        low, high = float(values.min()), float(values.max())  # NaN if there is one
        if not (math.isfinite(low) and math.isfinite(high)):
            raise UnreadableImage("its pixels are not all finite numbers")
        if image.mode == "F" and low >= 0 and high <= 1:
            low, high = 0, 1
        return _rescaled(image, low, high)
    gray = image.mode in GRAY_MODES
    if alpha == "white" and image.has_transparency_data:
        return _converted(_converted(image, "LA" if gray else "RGBA"), "La" if gray else "RGBa")
    image.info.pop("transparency", None)  # else pillow converts it, too, or warns that it cannot
    return _converted(image, "L" if gray else "RGB")


def _converted(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)  # which would copy it


def _rescaled(image: Image.Image, low: float, high: float) -> Image.Image:
    """Gray of any depth -> L: low becomes 0, high 255."""
    values = np.asarray(image)
    pixels = np.empty(values.shape, np.uint8)
    factor = 255 / (high - low) if high > low else 0.0
    rows = max(2**20 // values.shape[1], 1)  # some at a time, as float64 takes much memory
    for start in range(0, len(values), rows):
        scaled = (values[start : start + rows].astype(np.float64) - low) * factor
        pixels[start : start + rows] = np.rint(scaled).clip(0, 255)
    return Image.fromarray(pixels)


def _over_white(image: Image.Image, channels: int) -> Pixels:
    """Lay L, La, RGB or RGBa over white: (h, w, C)."""
    values = np.asarray(image)
    if image.mode in ("La", "RGBa"):
        seen = values[..., :-1].astype(np.int16) + (255 - values[..., -1:].astype(np.int16))
        values = seen.clip(0, 255).astype(np.uint8)
        values = values[..., 0] if image.mode == "La" else values
    if values.ndim == 3 and channels == 1:
        values = np.asarray(Image.fromarray(values).convert("L"))
    return values if values.ndim == 3 else np.repeat(values[..., None], channels, axis=2)


def _padded(values: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """Put an image (h, w, C) into the middle of its shape (C, H, W), on the median colour of its border."""
    h, w, _ = values.shape
    _, height, width = shape
    if (h, w) == (height, width):
        return np.ascontiguousarray(values.transpose(2, 0, 1))
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])  # (2w + 2h, C)
    median = np.sort(border, axis=0)[len(border) // 2]  # the upper one, which occurs in the image
    pixels = np.broadcast_to(median[:, None, None], shape).copy()
    top, left = (height - h) // 2, (width - w) // 2
    pixels[:, top : top + h, left : left + w] = values.transpose(2, 0, 1)
    return pixels
