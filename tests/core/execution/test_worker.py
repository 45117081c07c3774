"""The worker process of a run."""

import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from decda.core.atomic_files import read_json
from decda.core.config.composition import compose
from decda.core.events import BatchEnded, PhaseStarted, Progress
from decda.core.execution import worker
from decda.core.execution.messages import Job
from decda.core.execution.protocol import WorkerJob, from_line
from decda.core.execution.worker import Reporter, end_with
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupts
from tests.conftest import SHORT


def test_frequent_events_are_throttled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches and iterations are sent a few times a second; every event that carries a figure is sent."""
    clock = [100.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    report = Reporter(stream, Interrupts())
    for number in range(100):
        clock[0] += 0.01
        report(BatchEnded("pretrain", number, 100))
        report(Progress("cluster", number, 100, {}))
    assert 4 <= len(stream.getvalue().splitlines()) <= 6
    report(Progress("pretrain", 1, 2, {"loss": torch.tensor(0.5)}))
    last = stream.getvalue().splitlines()[-1]
    assert from_line(last) == Progress("pretrain", 1, 2, {"loss": 0.5})  # type: ignore[dict-item]


class Broken(io.StringIO):
    """A pipe whose other end is closed."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_worker_ends_its_run_if_its_parent_was_killed() -> None:
    """Once the other end of the pipe is closed, the run is saved and ends, as after SIGTERM."""
    interrupts = Interrupts()
    Reporter(Broken(), interrupts)(PhaseStarted("cluster", 1))
    assert interrupts.pending == "SIGTERM"


def test_a_worker_ends_with_its_parent_whatever_it_is_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once its stdin has ended the run is to be saved; a process that is still there after a while ends at once."""
    monkeypatch.setattr(worker, "SAVE_TIMEOUT", 0.0)
    exited, codes = threading.Event(), list[int]()
    monkeypatch.setattr(worker.os, "_exit", lambda code: (codes.append(code), exited.set()))
    interrupts = Interrupts()
    reading, writing = os.pipe()
    os.write(writing, b"a job\n")
    end_with(reading, interrupts)
    assert not exited.wait(0.2)
    assert interrupts.pending is None
    os.close(writing)
    assert exited.wait(10)
    os.close(reading)
    assert (interrupts.pending, codes) == ("SIGTERM", [1])


def test_a_process_whose_stdin_ends_saves_its_run(registry: Registry, tmp_path: Path) -> None:
    """As when whoever started it was killed, though its other streams are still read."""
    endless = (*(word for word in SHORT if "epochs" not in word), "train.pretrain_epochs=100000")
    config = compose(registry, parts={"encoder": "fc", "start": "kmeans"}, settings=endless)
    job = WorkerJob.from_job(Job(0, config, tmp_path / "run"), data_root=None, offline=True, threads=1)
    words = [sys.executable, "-m", "decda.core.execution.worker"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stdin is not None
        process.stdin.write(job.as_line())
        process.stdin.flush()
        log = tmp_path / "run" / "log.csv"
        while not log.exists() or log.read_text().count("\n") < 2:
            assert process.poll() is None
            time.sleep(0.05)
        process.stdin.close()
        assert process.wait(20) == 143
    assert read_json(tmp_path / "run" / "provenance.json")["status"] == "interrupted"
