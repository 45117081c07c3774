"""How many CPU threads a run uses, and how idle threads wait for work."""

import contextlib
import io
import os
import warnings

MAX_THREADS = 256
"""Most threads of a run; libraries fail in odd ways far above the number of cores."""
SPIN_COUNT = 5000
"""How often an idle OpenMP thread polls before it sleeps. On an idle machine this is as fast as endless polling. When
two programs share the cores, each gets its share of them, not a fiftieth."""


def limit_spinning() -> None:
    """Make idle threads of libgomp, PyTorch's OpenMP library on Linux, sleep soon; to be called before importing torch.

    By default an idle thread keeps its core busy by polling, which leaves no core for the thread that it waits for: two
    runs with two threads each on two cores slow each other down by a factor of 20 to 50. If the user has set
    OMP_WAIT_POLICY or GOMP_SPINCOUNT, that setting is kept.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))


def choose_threads(requested: int | None) -> int:
    """Choose the number of threads for PyTorch.

    Args:
        requested: the number the user asked for. None: the value of OMP_NUM_THREADS if that is a positive integer, else
            one thread per physical core, because a second thread on the same physical core adds little to matrix
            products and convolutions.

    Returns:
        The number of threads, at most `MAX_THREADS` unless more were requested.

    Example:
        >>> choose_threads(4)
        4
    """
    if requested is not None:
        return requested
    value = os.environ.get("OMP_NUM_THREADS", "").strip()
    if value.isascii() and value.isdecimal() and 0 < len(value) < 10 and int(value) > 0:
        return min(int(value), MAX_THREADS)
    return min(physical_cores(), MAX_THREADS)


def is_thread_count(value: object) -> bool:
    """Whether a value from a file or a user can be a number of threads.

    Args:
        value: anything.

    Returns:
        True for a whole number from 1 to `MAX_THREADS`.

    Example:
        >>> is_thread_count(4), is_thread_count(10**12), is_thread_count(True)
        (True, False, False)
    """
    return type(value) is int and 1 <= value <= MAX_THREADS


def physical_cores() -> int:
    """Count the physical cores that this process may use, given its CPU affinity and the quota of its container.

    Returns:
        The number of physical cores, or of logical ones if that is unknown.
    """
    import joblib  # here, because it takes a third of a second and imports numpy

    # If joblib cannot tell them apart, it warns and prints a traceback, which users can do nothing about.
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            return int(joblib.cpu_count(only_physical_cores=True))
        except ValueError:  # joblib reads LOKY_MAX_CPU_COUNT, which may not be a number
            return os.cpu_count() or 1
