"""How many threads a run takes on the CPU, and how they wait for one another."""

import contextlib
import io
import os
import warnings

import joblib

MOST = 256
"""Threads at most; libraries fail in odd ways far above the number of cores."""
SPINS = 5000
"""Looks of a waiting thread before it sleeps: as fast as endless spinning where nobody else computes, and where two
programs share the cores each takes its share of them, not a fiftieth."""


def limit_spinning() -> None:
    """Have threads of libgomp, which PyTorch computes with on Linux, sleep soon when they wait; before torch is loaded.

    By itself a thread that waits keeps its core busy, and the one it waits for finds none: two runs of two threads on
    two cores slow each other down twenty- to fiftyfold. What the user says by OMP_WAIT_POLICY or GOMP_SPINCOUNT holds.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))


def choose_threads(wish: int | None) -> int:
    """The number of threads PyTorch is to use: as wished, else as OMP_NUM_THREADS says, else one a physical core.

    Of two logical cores that share a physical one, the second adds little to matrix products and convolutions.
    """
    if wish is not None:
        return wish
    said = os.environ.get("OMP_NUM_THREADS", "").strip()
    if said.isascii() and said.isdecimal() and 0 < len(said) < 10 and int(said) > 0:
        return min(int(said), MOST)
    return min(physical_cores(), MOST)


def physical_cores() -> int:
    """Physical cores this process may use, by its affinity and its container's quota; logical ones if unknown."""
    # Where it cannot tell them apart, joblib warns and prints a traceback; the user can do nothing about it.
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            return int(joblib.cpu_count(only_physical_cores=True))
        except ValueError:  # LOKY_MAX_CPU_COUNT, which it reads too, is not a number
            return os.cpu_count() or 1
