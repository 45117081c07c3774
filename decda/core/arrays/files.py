"""Arrays from files: `.npy` mapped, `.npz`, and tables of numbers as text. Nothing in them is ever executed.

What a file says of itself is held against its size before any memory is taken for it.
"""

import io
import math
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, TextIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from decda.core.arrays.text_tables import read_classes, read_table
from decda.core.errors import DataError, in_a_line, is_out_of_memory
from decda.core.mapped_files import MappedFile
from decda.core.regular_files import open_regular

T = TypeVar("T")
Array = NDArray[Any]

IMAGES = ("x", "X", "images", "data")
"""The keys of an `.npz` under which images are looked for, in this order."""
LABELS = ("y", "labels")
"""The keys of an `.npz` that hold classes."""
TEXTS = (".csv", ".tsv", ".txt")
MAX_MEMBER = 2**32
"""Most bytes of an array in an `.npz`, which has to be unpacked into memory."""
MAX_TEXT = 2**30
"""Most bytes of a text file."""
MAX_HEADER = 2**14
"""Most bytes of the header of an array."""
CHUNK = 2**20
"""Bytes of a packed array that are unpacked at a time."""
UNREADABLE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)
"""What a damaged archive makes Python's own reader raise."""
MAGIC = b"\x93NUMPY"


def read_array_file(path: Path) -> tuple[Array, Array | None]:
    r"""Read images or a table from a file.

    Args:
        path: `.npy`, which is mapped and not read; `.npz`, with images under the key `x`, `X`, `images`, `data` or the
            only one there is, and classes under `y` or `labels`; `.csv`, `.tsv` or `.txt` with numbers between commas,
            semicolons, tabs or blanks, perhaps below a line of names, of which `y`, `label`, `labels`, `class` or
            `target` is the column of classes.

    Returns:
        The array, as it is stored; and the classes of its entries, or None.

    Raises:
        DataError: the file is missing, of another kind, damaged or too large, or it holds Python objects.

    Example:
        >>> Path("table.csv").write_text("a,b\n1,2\n3,4\n")
        12
        >>> read_array_file(Path("table.csv"))[0].tolist()
        [[1.0, 2.0], [3.0, 4.0]]
    """
    kind = path.suffix.lower()
    if kind == ".npy":
        return _map_npy(path), None
    if kind == ".npz":
        return _read_npz(path)
    if kind in TEXTS:
        return _read_text(path, read_table)
    raise _unknown(path, (".npy", ".npz", *TEXTS))


def read_label_file(path: Path, *, in_order: bool = False) -> Array:
    r"""Read classes from a file.

    Args:
        path: `.npy`; or `.csv`, `.tsv` or `.txt` with one class per line, or a table with a column of classes.
        in_order: whether a column `index` of a table must number the images from 0, in their order.

    Returns:
        Numbers or texts, for `as_labels`.

    Raises:
        DataError: as of `read_array_file`.

    Example:
        >>> Path("labels.txt").write_text("cat\ndog\n")
        8
        >>> read_label_file(Path("labels.txt")).tolist()
        ['cat', 'dog']
    """
    kind = path.suffix.lower()
    if kind == ".npy":
        return _map_npy(path)
    if kind in TEXTS:
        return _read_text(path, partial(read_classes, in_order=in_order))
    raise _unknown(path, (".npy", *TEXTS))


def _unknown(path: Path, kinds: tuple[str, ...]) -> DataError:
    if path.is_dir():
        return DataError(f"{path} is a folder. Images in a folder are read by the data set 'folder'.")
    hint = " Unpack it first." if path.suffix.lower() in (".gz", ".zip", ".bz2", ".xz", ".zst") else ""
    what = f"ends in '{path.suffix}'" if path.suffix else "has no ending"
    return DataError(f"{path} {what}; files of arrays end in {', '.join(kinds[:-1])} or {kinds[-1]}.{hint}")


@contextmanager
def _opened(path: Path, max_bytes: int | None = None) -> Iterator[io.FileIO]:
    """Open a regular file; whatever fails while it is read becomes a reason."""
    try:
        with open_regular(path, max_bytes=max_bytes) as file:
            yield file
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}.") from error
    except OSError as error:
        if is_out_of_memory(error):
            raise
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error


def _read_text(path: Path, read: Callable[[TextIO], T]) -> T:
    with _opened(path, MAX_TEXT) as file:
        try:
            with io.TextIOWrapper(io.BufferedReader(file), encoding="utf-8-sig") as text:
                return read(text)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise DataError(
                f"{path} is not text in UTF-8: it holds the byte {byte:#04x}. Save it as CSV in UTF-8."
            ) from error
        except DataError as error:
            raise DataError(f"{path}: {error}.") from error


def _map_npy(path: Path) -> Array:
    with _opened(path) as file:
        shape, fortran, dtype, n_bytes = _header(file, path)
        offset, size = file.tell(), os.fstat(file.fileno()).st_size
        if offset + n_bytes > size:
            raise DataError(
                f"{path} is truncated: its header says {_text(shape)} values of {dtype}, which is {n_bytes} bytes; "
                f"there are {size - offset}."
            )
        mapped = MappedFile(file, dtype, offset, shape, "F" if fortran else "C")
    return np.asarray(mapped)


def _read_npz(path: Path) -> tuple[Array, Array | None]:
    with _opened(path) as file:
        try:
            with io.BufferedReader(file) as buffered, zipfile.ZipFile(buffered) as archive:
                members = {
                    info.filename.removesuffix(".npy"): info
                    for info in archive.infolist()
                    if info.filename.endswith(".npy")
                }
                images, classes = _choose(path, list(members))
                x = _unpack(archive, members[images], f"{path}, array '{images}',")
                y = None if classes is None else _unpack(archive, members[classes], f"{path}, array '{classes}',")
                return x, y
        except UNREADABLE as error:
            raise DataError(f"{path} is not an intact .npz file: {in_a_line(error)}.") from error


def _choose(path: Path, keys: list[str]) -> tuple[str, str | None]:
    """Which arrays of an archive are the images, and the classes."""
    classes = next((key for key in LABELS if key in keys), None)
    others = [key for key in keys if key not in LABELS]
    images = next((key for key in IMAGES if key in keys), others[0] if len(others) == 1 else None)
    if images is None:
        listed = ", ".join(f"'{key}'" for key in keys[:10]) + (", ..." if len(keys) > 10 else "")
        raise DataError(
            f"{path} holds {f'the arrays {listed}' if keys else 'no arrays'}, and it is not clear which are the "
            f"images. Save them as 'x' (and classes as 'y'), by numpy.savez(path, x=...)."
        )
    return images, classes


def _unpack(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Array:
    if info.flag_bits & 1:
        raise DataError(f"{where} is encrypted. Save it without a password.")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{where} is packed in a way that NumPy does not use (type {info.compress_type}).")
    if info.file_size > MAX_MEMBER:
        raise DataError(
            f"{where} states {info.file_size} unpacked bytes, more than the {MAX_MEMBER} allowed. Save it as .npy, "
            "which need not be read into memory."
        )
    with archive.open(info) as stream:
        shape, fortran, dtype, n_bytes = _header(stream, where)
        if stream.tell() + n_bytes > info.file_size:
            raise DataError(
                f"{where} is truncated: its header says {_text(shape)} values of {dtype}, which is {n_bytes} bytes; "
                f"there are {info.file_size - stream.tell()}."
            )
        content = np.empty(n_bytes, np.uint8)
        done = 0
        while chunk := stream.read(CHUNK):  # to the very end, where the checksum is compared
            part = np.frombuffer(chunk, np.uint8)[: n_bytes - done]
            content[done : done + len(part)] = part
            done += len(part)
        if done < n_bytes:
            raise DataError(f"{where} is truncated: it holds {done} of {n_bytes} bytes.")
    return content.view(dtype).reshape(shape, order="F" if fortran else "C")


def _header(file: IO[bytes] | io.FileIO, where: object) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Read the header of an array: shape, whether it is in Fortran's order, type, and how many bytes follow."""
    start = file.read(8) or b""
    if start[:6] != MAGIC:
        zipped = " It is a ZIP file; should its name end in .npz?" if start[:2] == b"PK" else ""
        raise DataError(f"{where} is not a .npy file: it begins with {start[:6].hex(' ') or 'nothing'}.{zipped}")
    width = 2 if start[6:7] == b"\1" else 4
    length = file.read(width) or b""
    size = int.from_bytes(length, "little")
    if size > MAX_HEADER or len(length) < width:
        raise DataError(
            f"{where} is damaged: its header is {'cut off' if len(length) < width else f'{size} bytes long'}."
        )
    header = io.BytesIO(length + (file.read(size) or b""))
    read = np.lib.format.read_array_header_1_0 if width == 2 else np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, fortran, dtype = read(header)
    except Exception as error:  # what the text of a header can make Python's own parser raise is not documented
        raise DataError(f"{where} is damaged: its header cannot be read ({in_a_line(error)}).") from error
    if dtype.hasobject:
        raise DataError(
            f"{where} holds Python objects, which decda never unpickles. Save an array of numbers or, of texts, "
            "array.astype('U')."
        )
    n_bytes = math.prod(shape) * dtype.itemsize
    if n_bytes == 0 or any(side < 0 for side in shape):
        raise DataError(f"{where} holds nothing: its header says {_text(shape)} values of {dtype}.")
    return shape, fortran, dtype, n_bytes


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "1"
