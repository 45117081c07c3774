"""Runs that are interleaved in one process."""

from collections import deque
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch

from decda.core.config.composition import compose
from decda.core.errors import TrainingDiverged
from decda.core.events import Event, ListenerFailed, Refreshed, RunEnded
from decda.core.execution.interleave import Steps, cuda_stream, interleave
from decda.core.execution.messages import Failed, Finished, Job
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupted
from decda.core.runs.experiment import run, run_stepwise
from tests.conftest import SHORT
from tests.core.execution.test_processes import EQUAL, Story


class Result(SimpleNamespace):
    """The attributes of a result that are reported."""

    sizes: ClassVar[list[int]] = [1, 2]

    def as_mapping(self) -> dict[str, Any]:
        return {"seed": self.config.seed}


class Runs:
    """Fake runs of three steps each, which record the order of their steps."""

    def __init__(self, failing: dict[int, Exception] | None = None) -> None:
        self.failing = failing or {}
        self.steps: list[int] = []

    def start(self, job: Job) -> Steps:
        seed = job.key
        for step in range(3):
            self.steps.append(seed)
            if step == 1 and seed in self.failing:
                raise self.failing[seed]
            yield
        return Result(config=SimpleNamespace(n_clusters=2, seed=seed))  # type: ignore[return-value]


def jobs(seeds: list[int]) -> deque[Job]:
    """A queue with one job per seed."""
    return deque(Job(seed, SimpleNamespace(seed=seed), Path()) for seed in seeds)  # type: ignore[arg-type]


def test_interleaved_runs_equal_runs_alone(registry: Registry, tmp_path: Path) -> None:
    """Two interleaved seeds write exactly the bytes that each of them writes alone."""
    config = compose(registry, settings=SHORT)
    files = Files(offline=True)
    story = Story()
    making: list[int] = []

    def start(job: Job) -> Steps:
        seed = job.key
        out = tmp_path / "turns" / str(seed)
        return run_stepwise(
            replace(config, seed=seed), registry, files, out=out, notify=lambda event: making.append(seed)
        )

    interleave(jobs([0, 1]), start, story, n_jobs=2)
    assert making.index(1) < len(making) - making[::-1].index(0) - 1  # they were really interleaved
    for seed in (0, 1):
        alone = run(replace(config, seed=seed), registry, files, out=tmp_path / f"alone-{seed}")
        for name in EQUAL:
            assert (tmp_path / "turns" / str(seed) / name).read_bytes() == (alone.folder / name).read_bytes(), name
        end = story.of(seed)[-1]
        assert isinstance(end, Finished)
        assert end.result["acc"] == alone.metrics["acc"]


def test_interleaved_runs_have_their_own_listeners(registry: Registry, tmp_path: Path) -> None:
    """A listener hears of its own run alone, all of it in order; when it fails, that run alone is left without it."""
    own, config = Registry(registry), compose(registry, parts={"encoder": "fc"}, settings=SHORT)
    heard: dict[str, list[Event]] = {}

    def mine(folder: Path) -> Any:
        events = heard[folder.name] = []

        def listen(event: Event) -> None:
            events.append(event)
            if folder.name == "1" and isinstance(event, Refreshed):
                raise ValueError("no")

        return listen

    own.add("listener", "mine", mine)
    told: dict[str, list[Event]] = {"0": [], "1": []}
    turns: list[str] = []

    def start(job: Job) -> Steps:
        def notify(event: Event) -> None:
            told[str(job.key)].append(event)
            turns.append(str(job.key))

        words = {"out": tmp_path / str(job.key), "notify": notify, "listen": ["mine"]}
        return run_stepwise(replace(config, seed=job.key), own, Files(offline=True), **words)  # type: ignore[arg-type]

    interleave(jobs([0, 1]), start, Story(), n_jobs=2)
    assert turns.index("1") < len(turns) - turns[::-1].index("0") - 1  # they were really interleaved
    assert heard["0"] == told["0"]
    assert isinstance(heard["0"][-1], RunEnded)
    failed = told["1"].index(ListenerFailed("mine", "local", "ValueError: no"))
    assert heard["1"] == told["1"][:failed]
    assert isinstance(told["1"][-1], RunEnded)


def test_runs_alternate_step_by_step() -> None:
    """Runs take turns of one step each; when one has finished, the next waiting job starts."""
    runs, story = Runs(), Story()
    interleave(jobs([5, 6, 7]), runs.start, story, n_jobs=2)
    assert runs.steps == [5, 6, 5, 6, 5, 6, 7, 7, 7]
    assert story.told == [(seed, Finished(seed, {"seed": seed}, [1, 2])) for seed in (5, 6, 7)]


def test_one_job_at_a_time_is_sequential() -> None:
    """With `n_jobs=1` each run finishes before the next one starts."""
    runs = Runs()
    interleave(jobs([0, 1]), runs.start, Story(), n_jobs=1)
    assert runs.steps == [0, 0, 0, 1, 1, 1]


def test_a_seed_that_fails_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """A failure is reported with its exit code, and the other runs continue to their end."""
    runs, story = Runs({0: TrainingDiverged("It diverged."), 2: RuntimeError("out of memory")}), Story()
    interleave(jobs([0, 1, 2]), runs.start, story, n_jobs=3)
    assert story.of(0) == [Failed(0, "It diverged.", 4)]
    assert isinstance(story.of(1)[-1], Finished)
    assert story.of(2) == [Failed(2, "RuntimeError: out of memory", 1)]
    assert runs.steps.count(1) == 3


def test_an_interrupt_is_not_a_failure_of_a_seed() -> None:
    """Ctrl-C ends all runs."""
    runs = Runs({0: KeyboardInterrupt()})  # type: ignore[dict-item]
    with pytest.raises(KeyboardInterrupt):
        interleave(jobs([0, 1]), runs.start, Story(), n_jobs=2)


def test_each_run_has_its_own_context() -> None:
    """All steps of a run are made within one context created for it, such as a CUDA stream."""
    made: list[list[int]] = []
    runs = Runs()

    class Context:
        def __init__(self) -> None:
            self.steps: list[int] = []
            made.append(self.steps)

        def __enter__(self) -> None:
            self.before = len(runs.steps)

        def __exit__(self, *error: object) -> None:
            self.steps += runs.steps[self.before :]

    interleave(jobs([3, 4]), runs.start, Story(), n_jobs=2, contexts=Context)  # type: ignore[arg-type]
    assert made == [[3, 3, 3], [4, 4, 4]]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_runs_on_streams_equal_runs_alone(registry: Registry, tmp_path: Path) -> None:
    """On a GPU, interleaved runs with captured steps on separate streams score exactly as each does alone."""
    config = compose(registry, settings=(*SHORT[:-2], "train.max_iter=40"), device="cuda")
    story = Story()

    def start(job: Job) -> Steps:
        seed = job.key
        out = tmp_path / "turns" / str(seed)
        return run_stepwise(replace(config, seed=seed), registry, Files(offline=True), out=out)

    interleave(jobs([0, 1]), start, story, n_jobs=2, contexts=cuda_stream)
    for seed in (0, 1):
        alone = run(replace(config, seed=seed), registry, Files(offline=True), out=tmp_path / f"alone-{seed}")
        end = story.of(seed)[-1]
        assert isinstance(end, Finished)
        assert end.result["acc"] == alone.metrics["acc"]


def test_an_interrupt_lets_every_run_save_itself() -> None:
    """When one run is interrupted, the others get their next step, in which they save themselves; none is started."""
    runs = Runs({0: Interrupted("SIGTERM", folder=Path("0")), 1: Interrupted("SIGTERM", folder=Path("1"))})  # type: ignore[dict-item]
    waiting = jobs([0, 1, 2])
    with pytest.raises(Interrupted):
        interleave(waiting, runs.start, Story(), n_jobs=2)
    assert runs.steps == [0, 1, 0, 1]
    assert [job.key for job in waiting] == [2]


def test_an_interrupt_that_saved_nothing_ends_at_once() -> None:
    """A second Ctrl-C, or one that nobody noted, does not let the others train on."""
    runs = Runs({0: Interrupted("SIGINT")})  # type: ignore[dict-item]
    with pytest.raises(Interrupted):
        interleave(jobs([0, 1]), runs.start, Story(), n_jobs=2)
    assert runs.steps == [0, 1, 0]
