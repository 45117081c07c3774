"""The process of one run, what can be seen of it from within."""

import io
import os
import sys

import pytest
import torch

from decda.core.events import BatchEnded, PhaseStarted, Progress
from decda.core.execution import worker
from decda.core.execution.protocol import from_line
from decda.core.execution.worker import Reporter


def test_passing_events_come_a_few_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches and iterations are thinned out; everything that carries a figure is sent."""
    clock = [100.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: clock[0])
    stream = io.StringIO()
    report = Reporter(stream)
    for number in range(100):
        clock[0] += 0.01
        report(BatchEnded("pretrain", number, 100))
        report(Progress("cluster", number, 100, {}))
    assert 4 <= len(stream.getvalue().splitlines()) <= 6
    report(Progress("pretrain", 1, 2, {"loss": torch.tensor(0.5)}))
    last = stream.getvalue().splitlines()[-1]
    assert from_line(last) == Progress("pretrain", 1, 2, {"loss": 0.5})  # type: ignore[dict-item]


class Broken(io.StringIO):
    """A pipe without another end."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_nobody_waits_for_a_run_whose_parent_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pipe has no other end any more, the process ends."""
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit):
        Reporter(Broken())(PhaseStarted("cluster", 1))
