"""What many tests need: the installed parts, small runs, a command line in this process or another."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from decda.cli import main
from decda.core.contracts import Batch, Decode
from decda.core.parts.registry import Registry

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


def batch_of(z: Tensor, target: Tensor, *, x: Tensor, decode: Decode) -> Batch:
    """What the loss of a head gets, for the first images of a set."""
    return Batch(z=z, target=target, x=x, decode=decode, index=torch.arange(len(z)))


def install(site: Path, package: str, entry_points: str) -> None:
    """Version 1.0 of a package, as pip leaves its metadata in a folder."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def registry() -> Registry:
    """Our parts, whoever else's are installed here."""
    return Registry(entry for entry in Registry.discover() if entry.package == "decda")


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


Here = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """The command line in this process, in an empty folder: its exit code, stdout and stderr.

    Spares the seconds that PyTorch takes to load; for what no run of its own needs a process for.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("DECDA_DISABLE_PLUGINS", raising=False)

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["decda", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        torch.set_num_threads(1)  # a run sets its own
        return int(stop.value.code or 0), *capsys.readouterr()

    return call
