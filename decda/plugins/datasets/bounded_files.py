"""Open a file of a stranger for a decoder, so that it neither blocks nor makes the decoder read for ever."""

import errno
import os
import stat
from types import TracebackType
from typing import Self

MAX_BYTES = 2**30
"""The most that one image file may hold."""
MAX_READS = 2**20
"""How often it may be read from. Decoders skip some kinds of garbage byte by byte."""
MAX_REREADING = 4
"""How often the bytes of a file may be read on average. A table of contents can name one large block many times."""
SPARE = 2**20
"""Bytes that may be read besides, of small files."""


class BoundedFile:
    """A regular file, open for reading, with limits on how much is read.

    It has no `fileno`, so that a decoder does not read past the limits.

    Attributes:
        size: of the file in bytes.
        mtime_ns: when it was changed last, in nanoseconds.
    """

    def __init__(self, path: str):
        """Open it.

        Args:
            path: the file, or a symbolic link to it.

        Raises:
            OSError: it is missing, is no regular file, is larger than allowed or may not be read.

        Example:
            >>> BoundedFile(".")
            Traceback (most recent call last):
            OSError: [Errno 22] it is not a regular file: '.'
        """
        _check(path, os.stat(path))  # before it is opened: opening alone can act on a device
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(path, flags), "rb")
        try:
            status = os.fstat(self._file.fileno())
            _check(path, status)  # again: it may have been replaced in the meantime
        except OSError:
            self._file.close()
            raise
        self.size, self.mtime_ns = status.st_size, status.st_mtime_ns
        self._bytes_left = MAX_REREADING * self.size + SPARE
        self._reads_left = MAX_READS

    def read(self, size: int | None = -1) -> bytes:
        """Read on.

        Args:
            size: the most bytes to read; None or a negative number for all that follow.

        Returns:
            The bytes, b"" at the end of the file.

        Raises:
            OSError: a limit is reached.
        """
        rest = max(self.size - self._file.tell(), 0)  # a buffer for more than there is would cost memory
        size = rest if size is None or size < 0 else min(size, rest)
        self._reads_left -= 1
        self._bytes_left -= size
        if self._reads_left < 0 or self._bytes_left < 0:
            raise OSError(errno.EFBIG, "its structure is too intricate, as in files made to stall a reader")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to another place, as of any file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place that is read next, as of any file."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file", path)
    if status.st_size == 0:
        raise OSError(errno.ENODATA, "it is empty", path)
    if status.st_size > MAX_BYTES:
        raise OSError(errno.EFBIG, f"it holds {status.st_size} bytes, more than the {MAX_BYTES} allowed", path)
