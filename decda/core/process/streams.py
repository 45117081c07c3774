"""Standard streams that no program dies of: closed, full, or unable to show a character."""

import contextlib
import io
import os
import sys


class PatientStream(io.TextIOWrapper):
    """Text that is dropped where it cannot be written, because the disk is full or nobody reads any longer.

    For stderr: what is said along the way must not cost a long training its result.

    Args:
        buffer: where the bytes go.
        encoding: of the text; what it has no character for is written as an escape.

    Example:
        >>> with open(os.devnull, "wb") as buffer, PatientStream(buffer, "ascii", "backslashreplace") as stream:
        ...     stream.write("été")
        3
    """

    def write(self, text: str) -> int:
        """Write a text if that is possible.

        Args:
            text: the text.

        Returns:
            Its length.
        """
        with contextlib.suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """Pass on what has been written, if that is possible."""
        with contextlib.suppress(OSError):
            super().flush()


def mend_streams() -> None:
    """Make stdin, stdout and stderr of this process fit for use. Call it first of all.

    A stream that was closed leads nowhere. Otherwise the first file that is opened would take its number, and what
    libraries and child processes write to that stream would end up in the file. Characters that a stream cannot show
    are written as escapes, and what stderr cannot take is dropped. Streams that somebody has replaced stay as they are.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8", errors="backslashreplace"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        sys.stdout.reconfigure(errors="backslashreplace")
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        sys.stderr = PatientStream(
            sys.stderr.buffer, encoding=sys.stderr.encoding, errors="backslashreplace", line_buffering=True
        )
