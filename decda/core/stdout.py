"""What is meant for stdout, kept apart from what parts write there."""

import contextlib
import os
import sys
from collections.abc import Iterator

STDOUT, STDERR = 1, 2


@contextlib.contextmanager
def lead_to_stderr() -> Iterator[None]:
    """Within, whatever goes to stdout goes to stderr, from C and from other processes too."""
    sys.stdout.flush()
    try:
        kept = os.dup(STDOUT)
        os.dup2(STDERR, STDOUT)
    except OSError:  # closed by whoever started this: nothing can be written there
        kept = None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        if kept is not None:
            os.dup2(kept, STDOUT)
            os.close(kept)
