"""Points at which tests let a process die, to see what a crash at that very moment leaves behind."""

import os
import signal

VARIABLE = "DECDA_FAULT"
"""Names the point, and after a colon how often it is passed before: `checkpoint.renamed:2`."""
_passed: dict[str, int] = {}


def fault_point(name: str) -> None:
    """Die by SIGKILL, if the environment asks for it here.

    Args:
        name: of the point.

    Example:
        >>> fault_point("checkpoint.renamed")  # nothing happens: DECDA_FAULT is not set
    """
    wanted, _, times = os.environ.get(VARIABLE, "").partition(":")
    if wanted != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] > (int(times) if times.isdecimal() else 0):
        os.kill(os.getpid(), signal.SIGKILL)
