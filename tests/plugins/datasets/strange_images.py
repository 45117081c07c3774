"""Image files as strangers make them: odd modes, broken structure, false headers."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of an image file.

    Args:
        image: any image.
        kind: the format, as pillow calls it.
        options: of pillow's `save`.
    """
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def save(path: Path, content: bytes) -> Path:
    """Write a file and the folders above it.

    Args:
        path: of the file.
        content: of the file.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def plain(path: Path, size: tuple[int, int] = (8, 8), color: Any = 0, mode: str = "L") -> Path:
    """Write an image of one colour; its format is that of the file's name.

    Args:
        path: of the file.
        size: width and height.
        color: of every pixel.
        mode: pillow's.

    Returns:
        The path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)
    return path


def noise(height: int, width: int, *, channels: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    """Random pixels (H, W, 3), or (H, W) for one channel."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int,
    height: int,
    *,
    before: bytes = b"",
    behind: bytes = b"",
    rows: bytes | None = None,
    kind: tuple[int, int] = (8, 0),
) -> bytes:
    """A PNG file, chunk by chunk.

    Args:
        width: by the header.
        height: by the header.
        before: chunks that come before the pixels.
        behind: chunks that come behind them.
        rows: the pixels, each row after a zero. None: those of 64 x 64 black gray ones, whatever the header says.
        kind: bits and type of colour by the header.
    """
    header = struct.pack(">IIBBBBB", width, height, *kind, 0, 0, 0)
    pixels = zlib.compress(bytes(65 * 64) if rows is None else rows)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            before,
            chunk(b"IDAT", pixels),
            behind,
            chunk(b"IEND", b""),
        )
    )


def exif(orientation: int) -> Image.Exif:
    """EXIF data that say how an image lies."""
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data


def crowded_tiff(n_entries: int, n_bytes: int) -> bytes:
    """A TIFF file whose table of contents names one block again and again.

    Args:
        n_entries: how often.
        n_bytes: of the block.
    """
    entries = [(256, 3, 1, 8), (257, 3, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    entries += [(277, 3, 1, 1), (278, 3, 1, 8), (279, 4, 1, 64)]
    entries += [(60_000 + number, 7, n_bytes, 8) for number in range(n_entries)]
    table = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + n_bytes) + bytes(n_bytes) + table
