"""The engine of this machine: how its runs end early."""

import signal
import threading
import time
from collections import deque
from pathlib import Path

import pytest

from decda.core.config.run_config import RunConfig
from decda.core.events import PhaseStarted
from decda.core.execution import processes
from decda.core.execution.messages import Message
from decda.core.process.interrupts import Interrupts
from tests.core.execution.test_processes import QUIET, children, job, moody, run_side_by_side

__all__ = ["moody"]


def test_an_interrupt_ends_the_processes(moody: RunConfig, tmp_path: Path) -> None:
    """An interrupt terminates every process before it propagates, and the signal handlers are restored."""
    started: list[int] = []

    def interrupt(seed: int, event: Message) -> None:
        if isinstance(event, PhaseStarted):
            started.append(seed)
            signal.raise_signal(signal.SIGTERM)

    former = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), Interrupts(["SIGTERM"]) as interrupts:
        run_side_by_side(
            deque([job(moody, seed, tmp_path) for seed in (4, 5)]),
            interrupt,
            n_jobs=1,
            data_root=tmp_path / "data",
            interrupts=interrupts,
            **QUIET,
        )
    assert started == [4]
    assert not children()
    assert not (tmp_path / "seed-5").exists()
    assert signal.getsignal(signal.SIGTERM) is former


STUBBORN = """
import os, signal, time
from decda.core.events import PhaseStarted
from decda.core.execution.protocol import as_line

signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.write(1, as_line(PhaseStarted("pretrain", 1)).encode())
time.sleep(1000)
"""
"""A process that does not exit when it is told to."""


def test_an_interrupt_does_not_wait_for_a_stubborn_process(
    moody: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ignores the signal is killed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "stubborn_worker.py").write_text(STUBBORN)
    monkeypatch.setattr(processes, "WORKER", "stubborn_worker")
    monkeypatch.setattr(processes, "SAVE_TIMEOUT", 0.5)

    def interrupt(seed: int, message: Message) -> None:
        raise KeyboardInterrupt

    jobs = deque([job(moody, 6, tmp_path)])
    with pytest.raises(KeyboardInterrupt):
        run_side_by_side(jobs, interrupt, n_jobs=1, data_root=tmp_path / "data", **QUIET)
    assert not children()


def test_a_second_interrupt_does_not_wait_at_all(
    moody: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second Ctrl-C while the processes save their runs kills them."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "stubborn_worker.py").write_text(STUBBORN)
    monkeypatch.setattr(processes, "WORKER", "stubborn_worker")
    begin = time.monotonic()

    def interrupt(seed: int, message: Message) -> None:
        threading.Timer(1, signal.raise_signal, [signal.SIGINT]).start()
        signal.raise_signal(signal.SIGINT)

    jobs = deque([job(moody, 6, tmp_path)])
    with pytest.raises(KeyboardInterrupt), Interrupts(["SIGINT"]) as interrupts:
        run_side_by_side(jobs, interrupt, n_jobs=1, data_root=tmp_path, interrupts=interrupts, **QUIET)
    assert not children()
    assert time.monotonic() - begin < processes.SAVE_TIMEOUT / 2
