"""Jobs on an engine, which is a fake here."""

from collections import deque
from collections.abc import Collection
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from decda.core.errors import EngineError
from decda.core.execution.dispatch import dispatch
from decda.core.execution.engine import Tell
from decda.core.execution.messages import Failed, Finished, Job, Outcome, OutputLine
from decda.core.process.interrupts import Interrupts


class Fake:
    """An engine whose runs end at once, each with a line before and one after its outcome."""

    def __init__(self, slots: int | None = None, again: int = 0):
        self.slots = slots
        self.again = again
        self.submitted: list[int] = []
        self.open = self.most = 0
        self.ended: Collection[Future[Any]] | None = None

    def submit(self, job: Job, tell: Tell) -> Future[Any]:
        self.submitted.append(job.key)
        self.open += 1
        self.most = max(self.most, self.open)
        future: Future[Any] = Future()
        tell(OutputLine("before"))
        future.set_result(tell)
        return future

    def receive(self, job: Job, future: Future[Any]) -> Outcome | None:
        self.open -= 1
        future.result()(OutputLine("late"))
        if self.again:
            self.again -= 1
            return None
        if job.key == 9:
            raise EngineError("gone")
        return Failed(job.key, "No.") if job.key == 1 else Finished(job.key, {}, [])

    def end(self, futures: Collection[Future[Any]]) -> None:
        assert self.ended is None
        self.ended = futures


def jobs(*keys: int) -> deque[Job]:
    return deque(Job(key, SimpleNamespace(seed=key), Path()) for key in keys)  # type: ignore[arg-type]


def go(engine: Fake, waiting: deque[Job], **words: Any) -> list[Any]:
    told: list[Any] = []
    dispatch(engine, waiting, lambda key, message: told.append((key, message)), **words)
    return told


def test_each_job_has_an_outcome_and_nothing_after_it() -> None:
    """Messages that come later than the outcome, by another way, are not told; one that fails stops no other."""
    engine = Fake()
    told = go(engine, jobs(0, 1))
    assert [message for key, message in told if key == 0] == [OutputLine("before"), Finished(0, {}, [])]
    assert [message for key, message in told if key == 1][-1] == Failed(1, "No.")
    assert len(told) == 4
    assert engine.ended == []


def test_an_engine_gets_as_many_as_it_has_slots() -> None:
    """Without a number of slots it gets all at once, else the next one when one has ended, in their order."""
    for slots, most in ((None, 4), (2, 2), (1, 1)):
        engine = Fake(slots)
        go(engine, jobs(0, 2, 3, 4))
        assert engine.submitted == [0, 2, 3, 4]
        assert engine.most == most


def test_what_is_added_meanwhile_is_run() -> None:
    """A listener may add jobs when one has ended."""
    waiting, added = jobs(0), jobs(5, 6)
    engine = Fake()
    dispatch(engine, waiting, lambda key, message: waiting.extend([added.popleft()]) if added else None)
    assert engine.submitted == [0, 5, 6]


def test_a_run_without_an_outcome_is_submitted_again() -> None:
    """As when a worker needs more than it was sent; the listener does not hear of it."""
    engine = Fake(1, again=1)
    told = go(engine, jobs(0, 2))
    assert engine.submitted == [0, 0, 2]
    assert [type(message) for _, message in told] == [OutputLine, OutputLine, Finished, OutputLine, Finished]


def test_an_engine_that_is_gone_ends_all() -> None:
    """Its error is raised, and it is told to end the runs that it had left."""
    engine = Fake()
    with pytest.raises(EngineError):
        go(engine, jobs(9, 2, 3))
    assert engine.ended is not None
    assert len(engine.ended) == 2


def test_an_interrupt_ends_all() -> None:
    """No further run is submitted, and the engine ends those that it has."""
    engine = Fake(1)

    def interrupt(key: int, message: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Interrupts([]) as interrupts:
        dispatch(engine, jobs(0, 2), interrupt, interrupts)
    assert engine.submitted == [0]
    assert engine.ended is not None
    assert len(engine.ended) == 1
