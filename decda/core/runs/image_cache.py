"""Pixels that took long to read, kept in the user's cache so that the next run starts at once."""

import contextlib
import os
import secrets
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.atomic_files import read_json, write_json
from decda.core.contracts import ImageSource
from decda.core.errors import DataError, OutputError
from decda.core.mapped_files import MappedFile, give_back
from decda.core.regular_files import open_regular

SCHEMA_VERSION = 1
MAX_BYTES = 2**34
"""What the cache may hold in all; what was not used for longest is removed."""
SPARE_BYTES = 2**30
"""What has to stay free on the disk."""
ABANDONED_SECONDS = 24 * 3600
"""After so long without a change, nobody writes to a file any more."""
DTYPES: dict[torch.dtype, np.dtype[Any]] = {torch.uint8: np.dtype(np.uint8), torch.float32: np.dtype(np.float32)}
BLOCK = 2**24
"""Bytes that are verified together."""


@dataclass(frozen=True)
class Kept:
    """Images read back from the cache.

    Attributes:
        x: images (M, C, H, W), mapped from the file and not read yet.
        failures: by position in the source, why an image could not be read and is not among them.
    """

    x: Tensor
    failures: Mapping[int, str]


class ImageCache:
    """A folder with a file of pixels for each set of images, and a JSON file beside it that says what it holds.

    Whatever is wrong with the folder or a file in it, a run only reads its images anew.

    Args:
        folder: which need not exist.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def find(self, source: ImageSource) -> Kept | None:
        """The images of a source, if they are kept.

        Args:
            source: with a key.

        Returns:
            The images; None if they are not there, or damaged.
        """
        pixels, description = self._paths(source)
        try:
            told = read_json(description)
            n, *shape = told["shape"]
            failures = {int(position): str(reason) for position, reason in told["failures"].items()}
            dtype = DTYPES[source.dtype]
            fits = shape == list(source.shape[1:]) and n == source.shape[0] - len(failures) and n > 0
            if not fits or pixels.stat().st_size != n * int(np.prod(shape)) * dtype.itemsize:
                return None
            with open_regular(pixels) as file:
                array = MappedFile(file, dtype, 0, (n, *shape))
            if _checksum(array) != told["checksum"]:
                return None
            os.utime(pixels)  # it was used
        except (DataError, OSError, KeyError, TypeError, ValueError, AttributeError):
            return None
        return Kept(torch.from_numpy(array), failures)

    @contextlib.contextmanager
    def writer(self, source: ImageSource) -> Iterator["Writer | None"]:
        """Keep the images of a source.

        Args:
            source: with a key.

        Yields:
            What takes the pixels; None if the disk has no room for them or cannot be written to.
        """
        pixels, _ = self._paths(source)
        partial = pixels.with_name(f".{pixels.name}.{secrets.token_hex(8)}.partial")
        size = int(np.prod(source.shape)) * DTYPES[source.dtype].itemsize
        writer = None
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # the images may be nobody else's business
            if size <= MAX_BYTES and shutil.disk_usage(self.folder).free > size + SPARE_BYTES:
                writer = Writer(self, source, partial)
        except OSError:
            writer = None
        try:
            yield writer
        finally:
            with contextlib.suppress(OSError):
                if writer is not None:
                    writer.file.close()
                partial.unlink(missing_ok=True)

    def make_room(self, spared: Path) -> None:
        """Remove what killed processes have left, and what was not used for longest until the rest fits.

        Args:
            spared: a file of pixels that stays.
        """
        with contextlib.suppress(OSError):
            for path in self.folder.glob(".*.partial"):
                if path.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                    path.unlink()
            found = [(path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.glob("*.pixels")]
            total = sum(size for _, size, _ in found)
            for _, size, path in sorted(found):
                if total <= MAX_BYTES:
                    return
                if path != spared:
                    path.unlink()
                    path.with_suffix(".json").unlink(missing_ok=True)
                    total -= size

    def _paths(self, source: ImageSource) -> tuple[Path, Path]:
        name = sha256(f"{source.key} {source.shape} {source.dtype}".encode()).hexdigest()[:32]
        return self.folder / f"{name}.pixels", self.folder / f"{name}.json"


class Writer:
    """Takes the pixels of a source, part by part.

    Args:
        cache: where they go.
        source: where they come from.
        partial: the file that is written until all are there.
    """

    def __init__(self, cache: ImageCache, source: ImageSource, partial: Path):
        self.cache = cache
        self.source = source
        self.partial = partial
        self.file = open(partial, "xb")  # noqa: SIM115  (closed by ImageCache.writer)
        self.checksum = 0
        self.failed = False

    def add(self, x: Tensor) -> None:
        """Append images; if the disk is full, none are kept.

        Args:
            x: images (M, C, H, W), contiguous.
        """
        if self.failed or not len(x):
            return
        content = x.numpy().data.cast("B")
        self.checksum = zlib.crc32(content, self.checksum)
        try:
            self.file.write(content)
        except OSError:
            self.failed = True

    def finish(self, failures: Mapping[int, str]) -> Kept | None:
        """Keep what was added.

        Args:
            failures: by position in the source, what was left out.

        Returns:
            The images, mapped; None if they could not be kept.
        """
        pixels, description = self.cache._paths(self.source)
        n, *shape = self.source.shape
        told = {
            "schema_version": SCHEMA_VERSION,
            "shape": [n - len(failures), *shape],
            "failures": {str(position): reason for position, reason in failures.items()},
            "checksum": self.checksum,
        }
        if self.failed:
            return None
        try:
            self.file.close()
            os.replace(self.partial, pixels)
            write_json(description, told)  # last: it makes the pixels valid
        except (OSError, OutputError):
            return None
        self.cache.make_room(pixels)
        return self.cache.find(self.source)


def _checksum(array: NDArray[Any]) -> int:
    """CRC-32 of the bytes of an array; finds damage by chance, which is what disks do."""
    content = array.data.cast("B")
    value = 0
    for start in range(0, len(content), BLOCK):
        value = zlib.crc32(content[start : start + BLOCK], value)
        give_back(array)
    return value
