"""Several seeds from Python."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import decda
from decda.core.errors import ConfigError, InvalidParameter
from decda.core.events import RunEnded
from decda.core.execution.messages import Finished, Message
from decda.seeds import train_seeds
from tests.core.execution.test_processes import EQUAL

FEW = {"pretrain_epochs": 1, "max_iter": 4, "update_interval": 2, "batch_size": 512, "tol": 0}
QUIET: dict[str, Any] = {"progress": False, "train": FEW, "encoder": {"name": "fc", "hidden": [20]}, "report": False}
IMAGES = np.random.default_rng(0).random((60, 9, 12))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, below which runs are saved."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_seeds_are_those_of_single_runs() -> None:
    """Images from Python are clustered in this process; each seed leaves what it leaves alone, and is told about."""
    told: list[tuple[int, Message]] = []
    made = decda.train_seeds(
        IMAGES, seeds=[2, 0], n_clusters=3, notify=lambda seed, message: told.append((seed, message)), **QUIET
    )
    assert [run.seed for run in made.finished] == [0, 2]
    assert [seed for seed, message in told if isinstance(message, Finished)] == [0, 2]
    assert any(isinstance(message, RunEnded) for _, message in told)
    alone = decda.train(IMAGES, seed=2, n_clusters=3, threads=1, **QUIET)
    for name in EQUAL:
        assert (made.folder / "seed-2" / name).read_bytes() == (alone.folder / name).read_bytes(), name


def test_an_executor_makes_the_runs() -> None:
    """A pool of processes makes them elsewhere, byte for byte as this process; it stays open."""
    how: dict[str, Any] = {"start": "kmeans", **QUIET}
    alone = decda.train("digits", seed=1, threads=1, recipe="quick", **how)
    with ProcessPoolExecutor(1) as executor:
        made = train_seeds("digits", seeds="1", recipe="quick", executor=executor, out="all", **how)
        assert executor.submit(len, "ab").result() == 2
    assert made.folder == Path("all")
    assert [run.result["run"] for run in made.finished] == ["all/seed-1"]
    for name in EQUAL:
        assert (Path("all/seed-1") / name).read_bytes() == (alone.folder / name).read_bytes(), name


def test_what_only_this_process_has_cannot_be_made_elsewhere() -> None:
    """Arrays and classes are refused with an executor, before a run starts, with what to do."""
    with ThreadPoolExecutor(1) as executor, pytest.raises(ConfigError, match="exist only in this process") as caught:
        train_seeds(IMAGES, seeds="0-1", n_clusters=3, executor=executor, **QUIET)
    assert caught.value.parameter == "executor"
    assert not Path("runs").exists()


def test_seeds_go_on_in_their_folder() -> None:
    """With `resume` a script can be started again and again: it begins, goes on, or finds all done."""
    how: dict[str, Any] = {"n_clusters": 3, "out": "all", "resume": True, **QUIET}

    def stop(seed: int, message: Message) -> None:
        if seed == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_seeds(IMAGES, seeds="0-1", notify=stop, **how)
    assert not Path("all/summary.json").exists()
    assert [run.seed for run in train_seeds(IMAGES, seeds="0-1", **how).finished] == [0, 1]
    assert [run.seed for run in train_seeds(IMAGES, seeds="0-1", **how).finished] == [0, 1]
    with pytest.raises(ConfigError, match="all is for the seeds 0, 1"):
        train_seeds(IMAGES, seeds="0-2", **how)
    with pytest.raises(
        ConfigError, match=r"The seeds in all cannot go on with other settings: train.max_iter is 4 in the run, 5 here"
    ):
        train_seeds(IMAGES, seeds="0-1", **{**how, "train": {**FEW, "max_iter": 5}})
    with pytest.raises(ConfigError, match="not the folder of several seeds"):
        train_seeds(IMAGES, seeds="0", n_clusters=3, out="all/seed-0", resume=True, **QUIET)
    with pytest.raises(ConfigError, match="exists"):
        train_seeds(IMAGES, seeds="0-1", n_clusters=3, out="all", **QUIET)


@pytest.mark.parametrize("seeds", ["0-", [], [-1], [1, 1], [0.5]])
def test_seeds_that_make_no_sense(seeds: Any) -> None:
    """They are refused as on the command line."""
    with pytest.raises(InvalidParameter):
        train_seeds(IMAGES, seeds=seeds, n_clusters=3, **QUIET)
