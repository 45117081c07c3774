"""Any executor as an engine; here one of threads, or a fake, and a fake process for each run."""

import threading
import time
from collections import deque
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.errors import EngineError
from decda.core.execution import executor_engine, remote_run
from decda.core.execution.dispatch import dispatch
from decda.core.execution.executor_engine import ExecutorEngine
from decda.core.execution.messages import Failed, Finished, Job, Outcome
from decda.core.execution.protocol import WorkerJob
from decda.core.parts.registry import Registry
from tests.core.execution.test_remote_run import seen, site

__all__ = ["site"]

WORDS = partial(WorkerJob.from_job, data_root=None, offline=True, threads=1)


@pytest.fixture
def config(registry: Registry) -> RunConfig:
    return compose(registry, parts={"encoder": "fc"})


def job(config: RunConfig, seed: int, folder: Path) -> Job:
    return Job(seed, replace(config, seed=seed), folder / f"seed-{seed}")


class Elsewhere(ThreadPoolExecutor):
    """Threads that see no token, as if they were on another machine."""

    def submit(self, function: Any, words: str, *more: Any) -> Future[Any]:  # type: ignore[override]
        return super().submit(function, words.replace(".engine-", ".nowhere-"), *more)


def outcomes(engine: ExecutorEngine, waiting: deque[Job]) -> dict[int, Outcome]:
    told: dict[int, Outcome] = {}
    dispatch(engine, waiting, lambda key, message: told.update({key: message}))  # type: ignore[dict-item]
    return told


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, Elsewhere])
def test_runs_end_in_their_folders(site: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch, pool: Any) -> None:
    """With a shared file system or without, each folder is there, named as at home; the executor stays open."""
    monkeypatch.chdir(site)
    Path("weights.safetensors").write_text("weights")
    own = replace(config, autoencoder=Path("weights.safetensors"))
    with pool(2) as executor:
        engine = ExecutorEngine(executor, WORDS, Path(), slots=None)
        assert list(site.glob(".engine-*"))
        told = outcomes(engine, deque(job(own, seed, Path()) for seed in (0, 1, 2)))
        assert told[0] == Finished(0, {"run": "seed-0"}, [1])
        assert isinstance(told[2], Failed)
        assert told[2].error.endswith(f": No {site}/seed-2.")
        assert executor.submit(lambda: 1) if pool is ThreadPoolExecutor else True
    assert engine.carrying is (pool is Elsewhere)
    assert not list(site.glob(".*"))
    for seed in (0, 1, 2):
        assert seen(Path(f"seed-{seed}"))["weights"] == "weights"
        assert f'autoencoder = "{site}/weights.safetensors"' in Path(f"seed-{seed}/config.toml").read_text()


def test_what_is_half_done_travels_with_its_run(site: Path, config: RunConfig) -> None:
    """A run goes on from the checkpoint at home also where the file system is not shared."""
    (site / "seed-0" / "checkpoints").mkdir(parents=True)
    (site / "seed-0" / "checkpoints" / "state.json").write_text("{}")
    with Elsewhere(1) as executor:
        outcomes(ExecutorEngine(executor, WORDS, site, slots=1), deque([job(config, 0, site)]))
    assert "checkpoints" in seen(site / "seed-0")["begun"]


def test_an_end_saves_what_runs_and_cancels_the_rest(
    site: Path, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token vanishes, at which the run that is at work saves itself; one that has not started never does."""
    monkeypatch.setattr(remote_run, "TOKEN_SECONDS", 0)
    with ThreadPoolExecutor(1) as executor:
        engine = ExecutorEngine(executor, WORDS, site, slots=None)
        futures = [engine.submit(job(config, seed, site), lambda message: None) for seed in (3, 0)]
        while not (site / "seed-3" / "saved").exists():
            time.sleep(0.01)
        engine.end(futures)
        assert [future.cancelled() for future in futures] == [False, True]
        assert futures[0].result()["outcome"] is None
    assert not (site / "seed-0").exists()


def test_an_end_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that cannot be told to end are left alone after a while."""
    monkeypatch.setattr(executor_engine, "END_SECONDS", 0.1)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as executor:
        engine = ExecutorEngine(executor, WORDS, tmp_path, slots=None)
        future = executor.submit(stop.wait)
        engine.end([future])
        assert not future.done()
        stop.set()


def failed(error: BaseException | None) -> "Future[Any]":
    future: Future[Any] = Future()
    if error is None:
        future.cancel()
    else:
        future.set_exception(error)
    return future


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, "has given up its runs"),
        (BrokenExecutor("a process died"), "a process died"),
        (KeyboardInterrupt(), "A worker of the engine was interrupted"),
        (SystemExit(), "A worker of the engine was interrupted"),
    ],
)
def test_an_executor_that_serves_no_longer(tmp_path: Path, config: RunConfig, error: Any, told: str) -> None:
    """Runs that are cancelled from elsewhere, or a broken pool, end all, with an error by its kind."""
    with ThreadPoolExecutor(1) as executor:
        engine = ExecutorEngine(executor, WORDS, tmp_path, slots=None)
        with pytest.raises(EngineError, match=told):
            engine.receive(job(config, 0, tmp_path), failed(error))


def test_an_executor_that_takes_no_more(tmp_path: Path, config: RunConfig) -> None:
    """One that was shut down is told with what to do, not by its own error."""
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    engine = ExecutorEngine(executor, WORDS, tmp_path, slots=None)
    with pytest.raises(EngineError, match=r"takes no more runs \(RuntimeError: cannot schedule.*Start it again"):
        engine.submit(job(config, 0, tmp_path), lambda message: None)


def test_results_are_let_go_of(site: Path, config: RunConfig) -> None:
    """What a run has sent is not kept after it was received; thousands of folders would fill the memory."""
    with Elsewhere(1) as executor:
        engine = ExecutorEngine(executor, WORDS, site, slots=None)
        outcomes(engine, deque(job(config, seed, site) for seed in (0, 1)))
    assert not engine._jobs


def test_tokens_of_homes_that_were_killed_are_removed(tmp_path: Path) -> None:
    """Runs that still see one would go on in the folders of this study."""
    (tmp_path / ".engine-of-a-killed-home").touch()
    with ThreadPoolExecutor(1) as executor:
        engine = ExecutorEngine(executor, WORDS, tmp_path, slots=None)
        assert list(tmp_path.iterdir()) == [engine.token]
        engine.end([])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ModuleNotFoundError("No module named 'decda'"), "A worker cannot load decda (ModuleNotFoundError: No module"),
        (AttributeError("Can't get attribute 'make_run' on <module 'decda"), "A worker cannot load decda (Attribute"),
        (AttributeError("'NoneType' object has no"), "The engine has lost the run (AttributeError: 'NoneType'"),
        (RuntimeError("lost"), "The engine has lost the run (RuntimeError: lost)"),
    ],
)
def test_a_run_that_the_executor_loses(tmp_path: Path, config: RunConfig, error: Exception, told: str) -> None:
    """Other errors are the failure of one run, and stop no other."""
    with ThreadPoolExecutor(1) as executor:
        outcome = ExecutorEngine(executor, WORDS, tmp_path, slots=None).receive(job(config, 4, tmp_path), failed(error))
    assert isinstance(outcome, Failed)
    assert outcome.error.startswith(told)
    assert (outcome.seed, outcome.exit_code) == (4, 7)


def test_a_folder_with_strange_names_is_refused(tmp_path: Path, config: RunConfig) -> None:
    """What a worker sends is written only into the folder of its run."""
    future: Future[Any] = Future()
    future.set_result({"missing": False, "outcome": None, "folder": {"../up": b""}})
    with ThreadPoolExecutor(1) as executor:
        engine = ExecutorEngine(executor, WORDS, tmp_path, slots=None)
        outcome = engine.receive(job(config, 0, tmp_path), future)
        engine.end([])
    assert isinstance(outcome, Failed)
    assert "'../up'" in outcome.error
    assert not list(tmp_path.iterdir())
