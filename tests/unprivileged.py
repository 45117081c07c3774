"""What to call in a new process, before its program starts, so that the system refuses what it should."""

import ctypes
import resource
from collections.abc import Callable

DROP = 24
"""PR_CAPBSET_DROP of prctl(2)."""
OVERRIDES = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of capabilities(7), by which root reads and writes everything."""


def obey_permissions() -> None:
    """Take from root what lifts it above the permissions of files; without effect for other users and systems.

    For `preexec_fn` of `subprocess`: it takes effect when the program starts.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "prctl"):
        for capability in OVERRIDES:
            library.prctl(DROP, capability, 0, 0, 0)


def limit_files(size: int) -> Callable[[], None]:
    """Limit the size of each file that a process writes, as a full disk does.

    Args:
        size: in bytes.

    Returns:
        A function for `preexec_fn` of `subprocess`.
    """
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
