"""What many tests need: the installed parts, small runs, a command line in this process or another."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from decda.core.registry import Registry

# A script ignores Ctrl-C for what it starts in the background, and processes inherit that; some tests send it to them.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # equal bytes whatever the machine, and two test processes do not fight for cores

SHORT = (
    "dataset.size=8",
    "train.pretrain_epochs=1",
    "train.max_iter=4",
    "train.update_interval=2",
    "train.batch_size=512",
    "train.tol=0",
)
"""Settings for a run of a few iterations."""

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The parts installed here."""
    return Registry.discover()


@pytest.fixture
def decda(tmp_path: Path) -> Cli:
    """The command line in a process of its own, one thread, in an empty folder."""

    def call(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "decda", *words],
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return call
