"""Keeps stdout free of what parts print, so that only the result of a command goes there."""

import contextlib
import os
import sys
from collections.abc import Iterator

STDOUT, STDERR = 1, 2
"""Their file descriptors."""


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect stdout to stderr inside a `with` block, also for C code and for child processes.

    Yields:
        Nothing; stdout is restored at the end of the block.
    """
    _flush()
    try:
        kept = os.dup(STDOUT)
        os.dup2(STDERR, STDOUT)
    except OSError:  # the program was started with one of them closed
        kept = None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()
        if kept is not None:
            os.dup2(kept, STDOUT)
            os.close(kept)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # None if the program was started with it closed
            stream.flush()
