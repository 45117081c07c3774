"""Runs with several seeds from end to end."""

import json
from collections import deque
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.errors import ConfigError, DataError, UnknownComponent
from decda.core.events import RunEnded
from decda.core.execution import scheduling as jobs
from decda.core.execution.interleave import cuda_stream
from decda.core.execution.local_engine import LocalEngine
from decda.core.execution.messages import Failed, Finished, Job
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.resuming import resumed_config
from decda.core.studies import seeds as series
from decda.core.studies.seeds import run_seeds
from decda.core.studies.seeds_plan import read_seeds
from tests.conftest import SHORT
from tests.core.execution.test_processes import Story

Calls = dict[str, Any]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Replaces what executes the jobs by fakes that record their arguments; seed 1 fails."""
    calls: Calls = {}

    def end(seed: int, notify: Any) -> None:
        result = {"seed": seed, "acc": 0.5, "nmi": 0.5, "ari": 0.5, "seconds": {"total": 1.0}}
        notify(seed, Failed(seed, "No.", 4) if seed == 1 else Finished(seed, result, [2, 3]))

    def processes(engine: LocalEngine, waiting: deque[Job], notify: Any, *_: Any) -> None:
        calls.update(driver="processes", jobs=waiting, n_jobs=engine.slots, words=engine.words(waiting[0]))
        for job in reversed(waiting):
            end(job.key, notify)

    def turns(waiting: Any, start: Any, notify: Any, **words: Any) -> None:
        calls.update(driver="turns", threads=torch.get_num_threads(), **words)
        for job in reversed(waiting):
            end(job.key, notify)

    monkeypatch.setattr(jobs, "dispatch", processes)
    monkeypatch.setattr(jobs, "interleave", turns)
    monkeypatch.setattr(jobs, "physical_cores", lambda: 6)
    return calls


def config(registry: Registry, **words: Any) -> RunConfig:
    return compose(registry, parts=words.pop("parts", {"encoder": "fc"}), settings=SHORT, **words)


def test_a_cpu_gets_a_process_for_each_seed(
    registry: Registry, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default each run has one thread and as many run at once as there are cores; explicit values win."""
    files = Files(tmp_path / "data", offline=True)
    run_seeds(config(registry), registry, files, [2, 0], out=tmp_path / "a")
    job = calls["jobs"][0]
    assert job == Job(0, job.config, tmp_path / "a" / "seed-0")
    words = calls["words"]
    assert (words.data_root, words.offline, words.threads) == (str(tmp_path / "data"), True, 1)
    assert [job.config.seed for job in calls["jobs"]] == [0, 2]
    assert (calls["driver"], calls["n_jobs"]) == ("processes", 6)
    run_seeds(config(registry), registry, files, [0, 1], out=tmp_path / "b", threads=4)
    assert (calls["words"].threads, calls["n_jobs"]) == (4, 1)
    run_seeds(config(registry), registry, files, [0, 1], out=tmp_path / "c", n_jobs=5, threads=4)
    assert calls["n_jobs"] == 5


def test_a_gpu_gets_all_seeds_interleaved(
    registry: Registry, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CUDA device the runs share this process, each on its own stream, by default `GPU_JOBS` at a time."""
    cpu = series.prepare
    ready = cpu(config(registry), registry, Files(offline=True))
    monkeypatch.setattr(
        series, "prepare", lambda *a, **k: type(ready)(**{**vars(ready), "device": torch.device("cuda")})
    )
    run_seeds(config(registry), registry, Files(offline=True), [0, 1, 2], out=tmp_path / "a")
    assert (calls["driver"], calls["n_jobs"], calls["contexts"]) == ("turns", jobs.GPU_JOBS, cuda_stream)
    run_seeds(config(registry), registry, Files(offline=True), [0, 1, 2], out=tmp_path / "b", n_jobs=2)
    assert calls["n_jobs"] == 2


def test_parts_added_by_hand_stay_in_this_process(registry: Registry, calls: Calls, tmp_path: Path) -> None:
    """Workers could not find such parts: runs are sequential, and the thread count is restored afterwards."""
    own = Registry(registry)
    own.add("head", "mine", registry.load(registry.find("head", "dec")).factory)
    words = config(own, parts={"encoder": "fc", "head": "mine"})
    before = torch.get_num_threads()
    run_seeds(words, own, Files(offline=True), [0, 1], out=tmp_path / "a", threads=2)
    assert (calls["driver"], calls["n_jobs"], calls["threads"]) == ("turns", 1, 2)
    assert calls.get("contexts", nullcontext) is nullcontext
    assert torch.get_num_threads() == before


def test_the_summary_is_in_the_folder(
    registry: Registry, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By default the folder is new, below `runs/`, and named after the seeds; outcomes are sorted by seed."""
    monkeypatch.chdir(tmp_path)
    story = Story()
    made = run_seeds(config(registry), registry, Files(offline=True), [0, 1, 2, 7], notify=story)
    assert made.folder == Path("runs/quick-digits-seeds0-2_7-1")
    assert json.loads((made.folder / "summary.json").read_text()) == made.as_mapping()
    assert {path.name for path in made.folder.iterdir()} == {"config.toml", "seeds.json", "summary.json"}
    assert [run.seed for run in made.finished] == [0, 2, 7]
    assert made.failed == [Failed(1, "No.", 4)]
    assert made.exit_code == 4
    assert len(story.told) == 4


@pytest.mark.parametrize(("words", "error"), [({"n_clusters": 1798}, DataError), ({"device": "cuda"}, ConfigError)])
def test_mistakes_common_to_all_seeds_are_found_first(
    registry: Registry, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: Any, error: Any
) -> None:
    """Shared mistakes are found before any run starts and leave no folder; an existing folder is left untouched."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(error):
        run_seeds(config(registry, **words), registry, Files(offline=True), [0, 1], out=tmp_path / "out")
    assert not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="exists already"):
        run_seeds(config(registry), registry, Files(offline=True), [0, 1], out=tmp_path)
    assert not calls


def test_runs_in_this_process_from_end_to_end(registry: Registry, tmp_path: Path) -> None:
    """With a part added in Python, run_seeds trains for real and returns folders, scores and iterations."""
    own = Registry(registry)
    own.add("head", "mine", registry.load(registry.find("head", "dec")).factory)
    words = config(own, parts={"encoder": "fc", "head": "mine"})
    made = run_seeds(words, own, Files(offline=True), [0, 3], out=tmp_path / "all")
    assert [run.result["run"] for run in made.finished] == [str(tmp_path / "all" / f"seed-{s}") for s in (0, 3)]
    assert [run.result["iterations"] for run in made.finished] == [4, 4]
    assert all((tmp_path / "all" / f"seed-{s}" / "labels.csv").is_file() for s in (0, 3))


def test_listeners_are_found_once_for_all_seeds(registry: Registry, calls: Calls, tmp_path: Path) -> None:
    """Their names reach the runs with their packages; one that is missing or cannot listen leaves no folder."""
    files = Files(offline=True)
    for listen, error in ((["nobody"], UnknownComponent), (["lacking"], ConfigError)):
        own = Registry(registry)
        own.add("listener", "lacking", Lacking)
        with pytest.raises(error):
            run_seeds(config(own), own, files, [0, 1], out=tmp_path / "a", listen=listen)
        assert not list(tmp_path.iterdir())
    run_seeds(config(registry), registry, files, [0, 1], out=tmp_path / "a", listen=["report", "tensorboard"])
    assert (calls["driver"], calls["words"].listen) == ("processes", ("decda:report", "decda:tensorboard"))


class Lacking:
    """A listener that lacks a package."""

    def __init__(self, folder: Path): ...

    @staticmethod
    def check() -> None:
        raise ConfigError("It needs telegraphs, which are not installed.")


def test_each_seed_has_its_own_listeners(registry: Registry, tmp_path: Path) -> None:
    """Runs that share a process have each a listener in its own folder; one that was added by hand keeps them there."""
    own, heard = Registry(registry), []

    def mine(folder: Path) -> Any:
        return lambda event: heard.append((folder.name, event.run.config.seed)) if is_end(event) else None

    def is_end(event: Any) -> bool:
        return isinstance(event, RunEnded)

    own.add("listener", "mine", mine)
    made = run_seeds(config(own), own, Files(offline=True), [0, 3], out=tmp_path / "all", listen=["mine"])
    assert len(made.finished) == 2
    assert heard == [("seed-0", 0), ("seed-3", 3)]


def test_the_files_of_a_start_are_found_from_anywhere(
    registry: Registry, calls: Calls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeds that go on from another folder mean the same files, and look at them only if they still need them."""
    monkeypatch.chdir(tmp_path)
    Path("labels.csv").write_text("label\n" + "0\n1\n" * 898 + "1\n")
    parts = {"encoder": "fc", "start": {"name": "labels", "path": "labels.csv"}}
    run_seeds(config(registry, parts=parts), registry, Files(offline=True), [0, 1], out=tmp_path / "a")
    kept = resumed_config(tmp_path / "a", registry)
    assert kept.start.parameters["path"] == calls["jobs"][0].config.start.parameters["path"] == tmp_path / "labels.csv"
    Path("labels.csv").unlink()
    run_seeds(kept, registry, Files(offline=True), [0, 1], out=tmp_path / "a", resume=True)


def test_a_folder_of_seeds_says_what_it_is_for(registry: Registry, calls: Calls, tmp_path: Path) -> None:
    """Seeds, sorted, recipe and threads are written for those who go on with them."""
    run_seeds(config(registry, recipe="fcdec-da"), registry, Files(offline=True), [4, 2], out=tmp_path / "a", threads=3)
    assert read_seeds(tmp_path / "a") == {"seeds": [2, 4], "recipe": "fcdec-da", "threads": 3}
