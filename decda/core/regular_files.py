"""Open a file that somebody named, without waiting for ever or filling memory, whatever stands at its path."""

import errno
import os
import stat
from io import FileIO
from pathlib import Path


def read_regular(path: Path, *, max_bytes: int | None = None) -> bytes:
    """Read a whole file, if it is a regular one: a named pipe would block, and a device may never end.

    Args:
        path: the file, or a symbolic link to it.
        max_bytes: the most that it may hold. None: any size.

    Returns:
        Its content.

    Raises:
        OSError: it is missing, is not a regular file, is larger than allowed or cannot be read. `strerror` states the
            reason in words that fit into a sentence.

    Example:
        >>> read_regular(Path("."))
        Traceback (most recent call last):
        IsADirectoryError: [Errno 21] it is a folder, not a file: '.'
    """
    with open_regular(path, max_bytes=max_bytes) as file:
        content: bytes | None = file.readall()
    if content is None:  # it would block: some files in /proc call themselves regular
        raise OSError(errno.EAGAIN, "it has no content at present", str(path))
    _check_size(path, len(content), max_bytes)  # it may have grown
    return content


def open_regular(path: Path, *, max_bytes: int | None = None) -> FileIO:
    """Open a file for reading, if it is a regular one.

    Args:
        path: the file, or a symbolic link to it.
        max_bytes: the most that it may hold. None: any size.

    Returns:
        The open file, without a buffer.

    Raises:
        OSError: as `read_regular`.

    Example:
        >>> open_regular(Path("missing.toml"))
        Traceback (most recent call last):
        FileNotFoundError: [Errno 2] No such file or directory: 'missing.toml'
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    try:
        _check(path, os.stat(path), max_bytes)  # before it is opened: opening alone can act on a device
        file = FileIO(os.open(path, flags), "rb")
    except ValueError as error:  # a null character, or one that the file system cannot encode
        raise OSError(errno.EINVAL, f"its path is not valid ({error})", str(path)) from error
    try:
        _check(path, os.fstat(file.fileno()), max_bytes)  # again: it may have been replaced in the meantime
    except OSError:
        file.close()
        raise
    return file


def _check(path: Path, status: os.stat_result, max_bytes: int | None) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, "it is a folder, not a file", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    _check_size(path, status.st_size, max_bytes)


def _check_size(path: Path, size: int, max_bytes: int | None) -> None:
    if max_bytes is not None and size > max_bytes:
        raise OSError(errno.EFBIG, f"it holds {size} bytes, more than the {max_bytes} allowed", str(path))
