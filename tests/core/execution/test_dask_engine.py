"""Runs by workers of Dask: a real scheduler and real workers on this machine, some of which are killed."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from distributed.scheduler import KilledWorker

from decda.core.config.composition import compose
from decda.core.errors import EngineError
from decda.core.events import PhaseEnded, PhaseStarted, Resumed
from decda.core.execution import dask_engine
from decda.core.execution.dask_engine import DaskEngine, DaskWorker, connect
from decda.core.execution.messages import Job, Message, OutputLine
from decda.core.execution.protocol import WorkerJob
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.studies import runner
from decda.core.studies.cells import CellRequest, prepare_cells
from decda.core.studies.runner import run_study
from decda.core.studies.seeds import run_seeds
from decda.core.studies.trials import plan_trials
from tests.core.execution.test_processes import EQUAL

FILES = Files(offline=True)
SMALL = (
    *("dataset.size=8", "encoder.hidden=20", "train.pretrain_epochs=40", "train.max_iter=200"),
    *("train.update_interval=50", "train.batch_size=256", "train.tol=0"),
)
TIMES = ("seconds", "pretrain_seconds")
"""Columns that differ between equal runs."""


Process = subprocess.Popen[bytes]


class Cluster:
    """A scheduler and workers, each a process of this machine; `scheduler.json` in their folder says the address."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.scheduler = self.start("scheduler", "--port", "0", "--no-show")
        self.workers = [self.start_worker(), self.start_worker()]

    def start_worker(self) -> Process:
        """Start another worker."""
        return self.start("worker", "--no-nanny", "--nthreads", "1", "--local-directory", "space")

    def start(self, *words: str) -> Process:
        """Start a command of Dask."""
        command = [sys.executable, "-m", "dask", *words, "--no-dashboard", "--scheduler-file", "scheduler.json"]
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--host", "127.0.0.1"], cwd=self.folder, stdout=log, stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )  # fmt: skip

    def kill_worker_at(self, folder: Path) -> None:
        """Kill the worker that makes the run of a folder, and start another in its place."""
        process = int((folder / ".lock").read_text().split()[0])
        killed = psutil.Process(process).ppid()
        self.workers = [self._without(worker, killed) for worker in self.workers]

    def _without(self, worker: Process, killed: int) -> Process:
        if worker.pid != killed:
            return worker
        worker.kill()
        worker.wait()
        return self.start_worker()

    def stop(self) -> None:
        """Kill what is left."""
        for process in (self.scheduler, *self.workers):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler and two workers."""
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.stop()


def address(folder: Path) -> str:
    """Of the scheduler, once it is there."""
    deadline = time.monotonic() + 60
    while not (folder / "scheduler.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    found: str = json.loads((folder / "scheduler.json").read_text())["address"]
    return found


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "results.csv", newline="") as file:
        return [{name: value for name, value in row.items() if name not in TIMES} for row in csv.DictReader(file)]


def test_a_study_outlives_its_workers(cluster: Cluster, registry: Registry, tmp_path: Path) -> None:
    """Two workers are killed at work: their runs go on elsewhere, which is told; rows and bytes are those of home."""
    requests = [
        CellRequest(recipe, "digits", compose(registry, recipe=recipe, settings=SMALL))
        for recipe in ("fcdec-da", "fcidec-da")
    ]
    cells = prepare_cells(requests, registry, FILES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "has_local_parts", lambda *_: True)  # in this process, which takes less time
        run_study(plan_trials(cells, [0], tmp_path / "home", registry), registry, FILES, tmp_path / "home")
    lines, resumed = list[str](), list[str]()
    with connect(address(tmp_path)) as executor:
        client: Any = executor._client  # type: ignore[attr-defined]
        client.wait_for_workers(2)
        phases = ["pretrain", "cluster"]

        def listen(key: Any, message: Any) -> None:
            if isinstance(message, OutputLine):
                lines.append(message.text)
            if isinstance(message, PhaseStarted) and message.total > 1 and phases[:1] == [message.phase]:
                del phases[0]
                saved = next(path for path in out.glob("*/*/checkpoints/*") if (path.parents[1] / ".lock").exists())
                cluster.kill_worker_at(saved.parents[1])
            if isinstance(message, Resumed):
                resumed.append(message.phase)

        out = tmp_path / "study"
        planned = plan_trials(cells, [0], out, registry, device="cpu")
        study = run_study(planned, registry, FILES, out, executor=executor, checkpoint_every=0.001, notify=listen)
    assert not phases
    assert not study.failed
    assert len([line for line in lines if " was lost. The run goes on at tcp://" in line]) == 2
    assert len(resumed) == 2
    assert rows(out) == rows(tmp_path / "home")
    assert len(rows(out)) == 2
    for folder in [*out.glob("trials/*"), *out.glob("autoencoders/*")]:
        for name in EQUAL:
            whole = tmp_path / "home" / folder.relative_to(out) / name
            there = whole.read_bytes().replace(bytes(tmp_path / "home"), bytes(out))
            assert (folder / name).read_bytes() == there, f"{folder.name}/{name}"
    assert not list(out.glob(".*"))


def test_seeds_are_stopped_and_started_and_lose_their_scheduler(
    cluster: Cluster, registry: Registry, tmp_path: Path
) -> None:
    """An interrupt saves what runs elsewhere; a scheduler that is killed is told soon; both times the seed goes on."""
    config = compose(registry, parts={"encoder": "fc", "start": "kmeans"}, settings=[*SMALL, "train.max_iter=4000"])
    out, told = tmp_path / "seeds", list[Message]()

    def interrupt(seed: int, message: Message) -> None:
        if isinstance(message, PhaseStarted) and message.phase == "cluster":
            raise KeyboardInterrupt

    with connect(address(tmp_path)) as executor:
        how: dict[str, Any] = {"executor": executor, "out": out, "checkpoint_every": 1000.0}
        with pytest.raises(KeyboardInterrupt):
            run_seeds(config, registry, FILES, [0], notify=interrupt, **how)
        assert json.loads((out / "seed-0" / "provenance.json").read_text())["status"] == "interrupted"
        assert list((out / "seed-0" / "checkpoints").iterdir())
        assert not list(out.glob(".*"))

        def lose(seed: int, message: Message) -> None:
            told.append(message)
            if isinstance(message, Resumed):
                cluster.scheduler.kill()

        begin = time.monotonic()
        with pytest.raises(EngineError, match="The scheduler of Dask has gone away") as caught:
            run_seeds(config, registry, FILES, [0], resume=True, notify=lose, **how)
    assert time.monotonic() - begin < 60
    assert f"What was saved in {out} is kept." in str(caught.value)
    assert caught.value.folder == out
    assert [message.phase for message in told if isinstance(message, Resumed)] == ["cluster"]
    assert not list(out.glob(".*"))


class Stand:
    """Stands in for a Dask executor: keeps what is submitted."""

    def __init__(self) -> None:
        scheduler = SimpleNamespace(address="tcp://s:1")
        self.submitted: list[tuple[Any, dict[str, Any]]] = []
        self._client = SimpleNamespace(
            scheduler=scheduler, status="running", subscribe_topic=lambda *_: None, unsubscribe_topic=lambda *_: None
        )

    def submit(self, function: Any, *words: Any, **named: Any) -> "Future[Any]":
        self.submitted.append((words, named))
        return Future()


WORDS = partial(WorkerJob.from_job, data_root=None, offline=True, threads=1)


@pytest.fixture
def engine(tmp_path: Path) -> DaskEngine:
    return DaskEngine(Stand(), WORDS, tmp_path, slots=None, device="cpu")


def heard(number: int, place: str, *lines: str, begins: bool = False) -> Any:
    return 0.0, {"run": number, "place": place, "begins": begins, "lines": lines}


def test_runs_on_a_gpu_take_one_of_a_worker(tmp_path: Path) -> None:
    """A run that is planned for a GPU takes the resource; others take none."""
    for device, named in (("cpu", {}), ("cuda", {"resources": {"GPU": 1}})):
        stand = Stand()
        DaskEngine(stand, WORDS, tmp_path, slots=None, device=device)._submit("words", None, lambda message: None)
        assert stand.submitted[0][1] == named


def test_gpus_of_a_worker_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs at once on a worker with several GPUs get one each, and the next run a free one; a single one is its own."""
    state = SimpleNamespace(total_resources={"GPU": 2})
    monkeypatch.setattr(dask_engine, "get_worker", lambda: SimpleNamespace(state=state))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    with dask_engine._gpu() as first, dask_engine._gpu() as second:
        assert (first, second) == ({"CUDA_VISIBLE_DEVICES": "4"}, {"CUDA_VISIBLE_DEVICES": "7"})
    with dask_engine._gpu() as third:
        assert third == first
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    with dask_engine._gpu(), dask_engine._gpu() as fourth:
        assert fourth == {"CUDA_VISIBLE_DEVICES": "1"}
    state.total_resources = {"GPU": 1}
    with dask_engine._gpu() as only:
        assert only == {}


def test_a_worker_that_was_lost_is_told(engine: DaskEngine) -> None:
    """A run that begins a second time has lost its worker; its lines are messages and output."""
    told: list[Message] = []
    engine._submit("words", None, told.append)
    engine._hear(heard(0, "tcp://a on one", begins=True))
    engine._hear(heard(0, "tcp://a on one", '{"type": "PhaseStarted", "phase": "cluster", "total": 9}', " noise"))
    engine._hear(heard(0, "tcp://b on two", begins=True))
    assert told == [
        PhaseStarted("cluster", 9),
        OutputLine("noise"),
        OutputLine("The worker tcp://a on one was lost. The run goes on at tcp://b on two."),
    ]


def test_an_end_waits_for_the_runs_that_have_begun(engine: DaskEngine, registry: Registry, tmp_path: Path) -> None:
    """Workers are told to end them, and what they had comes home; those that have not begun are cancelled."""
    config = compose(registry)
    jobs = [Job(number, config, tmp_path / str(number)) for number in range(3)]
    futures = [engine.submit(job, lambda message: None) for job in jobs]
    engine._hear(heard(0, "tcp://a", begins=True))

    def run(function: Any, topic: str, on_error: str) -> None:
        assert on_error == "ignore"  # a worker may be gone
        assert (function, topic) == (dask_engine.end_runs, engine.topic)
        futures[0].set_result({"missing": False, "outcome": None, "folder": {"checkpoints/1/state.json": b"{}"}})

    engine.client.run = run
    engine.end(futures)
    assert [future.cancelled() for future in futures] == [False, True, True]
    assert (tmp_path / "0" / "checkpoints" / "1" / "state.json").exists()
    assert not list(tmp_path.glob(".*"))


def test_an_end_keeps_what_has_come_unnoticed(engine: DaskEngine, registry: Registry, tmp_path: Path) -> None:
    """The folder of a run that ended a moment ago is unpacked, though nobody has heard that it began."""
    future = engine.submit(Job(0, compose(registry), tmp_path / "0"), lambda message: None)
    future.set_result({"missing": False, "outcome": None, "folder": {"checkpoints/1/state.json": b"{}"}})
    engine.client.status = "closed"
    engine.end([future])
    assert (tmp_path / "0" / "checkpoints" / "1" / "state.json").exists()


def test_workers_that_cannot_be_told_to_end(engine: DaskEngine) -> None:
    """They have gone, or their scheduler has: that is no traceback of a thread."""

    def run(*_: Any, on_error: str) -> None:
        raise OSError(on_error)

    engine.client.run = run
    engine._tell_to_end()


def test_an_end_without_a_scheduler_waits_for_nothing(engine: DaskEngine, registry: Registry, tmp_path: Path) -> None:
    """Nobody could be told; workers end by themselves what they are at."""
    future = engine.submit(Job(0, compose(registry), tmp_path / "0"), lambda message: None)
    engine._hear(heard(0, "tcp://a", begins=True))
    engine.client.status = "closed"
    engine.end([future])
    assert not future.done()


def test_a_run_that_kills_its_workers(engine: DaskEngine) -> None:
    """After the last of several workers, the failure says so, and what may be done."""
    error = KilledWorker("key", SimpleNamespace(address="tcp://a:1"), 3)  # type: ignore[arg-type]
    assert engine._explain(error).startswith("Each of the workers that took the run died, at last tcp://a:1. If they")


def test_a_run_notices_that_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that is cancelled or forgotten, and a worker that closes, have the run saved; messages go in bundles."""
    sent: list[Any] = []
    tasks = {"task": SimpleNamespace(state="executing")}
    worker = SimpleNamespace(
        address="tcp://a", state=SimpleNamespace(tasks=tasks), status=SimpleNamespace(name="running"),
        get_current_task=lambda: "task", log_event=lambda topic, message: sent.append(message),
    )  # fmt: skip
    monkeypatch.setattr(dask_engine, "get_worker", lambda: worker)
    run = DaskWorker("topic", 3, {})
    run.tell(PhaseEnded("cluster", 3, "converged"))
    run.tell(OutputLine("{noise"))
    assert run.order() is None
    assert run.order() is None
    ((message,),) = [sent]
    assert message["lines"][1:] == [" {noise"]
    assert (message["run"], message["begins"]) == (3, False)
    worker.status.name = "closing"
    assert run.order() == "save"
    worker.status.name = "running"
    tasks["task"].state = "cancelled"
    assert run.order() == "save"
    del tasks["task"]
    assert run.order() == "save"
    tasks["task"] = SimpleNamespace(state="executing")
    assert run.order() is None
    monkeypatch.setattr(dask_engine, "_ending", set())
    dask_engine.end_runs("another")
    assert run.order() is None
    dask_engine.end_runs("topic")
    assert run.order() == "save"
