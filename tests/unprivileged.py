"""Programs that obey file permissions, also where the tests run as root."""

import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

LAUNCH = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, by which root overrides permissions
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP: takes effect with the next program
os.execv(sys.argv[1], sys.argv[1:])
"""


def run_unprivileged(
    words: Sequence[str], folder: Path, *, timeout: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run Python in a process that obeys file permissions; skip the test where there is no such process.

    Args:
        words: behind `python`: `["-m", "decda", "train"]`.
        folder: to run it in.
        timeout: in seconds.
        environment: variables to set.

    Returns:
        What it wrote, and its exit code.
    """
    if not _permissions_hold():
        pytest.skip("file permissions do not bind this user")
    return _run(words, folder, timeout, environment)


@cache
def _permissions_hold() -> bool:
    if sys.platform == "win32":
        return False
    with TemporaryDirectory() as folder:
        path = Path(folder, "closed")
        path.touch(mode=0)
        return "PermissionError" in _run(["-c", f"open({str(path)!r})"], Path(folder), 60, {}).stderr


def _run(
    words: Sequence[str], folder: Path, timeout: float, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", LAUNCH, sys.executable, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
