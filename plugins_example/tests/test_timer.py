"""The listener `timer` measures what its columns say."""

from pathlib import Path

import pytest
from decda_plugin_example import timer
from decda_plugin_example.timer import Timer

from decda.core.events import PhaseEnded, PhaseStarted, Resumed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock says; a test moves it."""
    now = [100.0]
    monkeypatch.setattr(timer.time, "perf_counter", lambda: now[0])
    return now


def test_the_timer_counts_steps_and_seconds(tmp_path: Path, clock: list[float]) -> None:
    """Each phase has a row with its steps, its seconds from start to end, and their quotient."""
    listener = Timer(tmp_path)
    clock[0] = 107.0
    listener(PhaseStarted("pretrain", 40))
    clock[0] = 112.0
    listener(PhaseEnded("pretrain", 40, "completed"))
    listener(PhaseStarted("cluster", 4000))
    clock[0] = 114.5
    listener(PhaseEnded("cluster", 30, "converged"))
    assert (tmp_path / "timer.csv").read_text().splitlines() == [
        "phase,steps,seconds,steps_per_second",
        "pretrain,40,5.00,8.00",
        "cluster,30,2.50,12.00",
    ]


def test_a_resumed_timer_counts_what_is_done_from_then_on(tmp_path: Path, clock: list[float]) -> None:
    """A timer that is made anew goes on with the file, and leaves out the steps of the earlier process."""
    first = Timer(tmp_path)
    first(PhaseStarted("pretrain", 40))
    clock[0] = 110.0
    first(PhaseEnded("pretrain", 40, "completed"))
    second = Timer(tmp_path, digits=1)
    second(Resumed("cluster", 100))
    second(PhaseStarted("cluster", 4000, done=100))
    clock[0] = 114.0
    second(PhaseEnded("cluster", 120, "converged"))
    assert (tmp_path / "timer.csv").read_text().splitlines()[1:] == ["pretrain,40,10.00,4.00", "cluster,20,4.0,5.0"]


@pytest.mark.parametrize("digits", [-1, 10])
def test_digits_out_of_range_are_refused(tmp_path: Path, digits: int) -> None:
    """They raise ValueError, as the contract requires."""
    with pytest.raises(ValueError, match="digits must be between 0 and 9"):
        Timer(tmp_path, digits=digits)
