"""Several runs at once, from Python."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import decda
from decda.core.errors import ConfigError, DataError
from decda.several import judge
from tests.core.judging import clusters_of_pixels, random_clusters, relabelled

FEW = {"pretrain_epochs": 1, "max_iter": 4, "update_interval": 2, "batch_size": 512, "tol": 0}
QUIET: dict[str, Any] = {"progress": False, "train": FEW, "encoder": "fc"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, below which runs are saved."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_runs_and_folders(finished_run: Path) -> None:
    """Runs and folders are compared alike; the best one is a run that can be used at once."""
    bad = relabelled(finished_run, Path("bad"), random_clusters())
    good = decda.load(relabelled(finished_run, Path("good"), clusters_of_pixels()))
    judgement = judge(str(bad), good, offline=True)
    assert judgement.best is good
    assert [each.run.folder for each in judgement.runs] == [bad, Path("good")]
    assert judgement.best.predict(np.zeros((1, 8, 8))).shape == (1,)


@pytest.mark.parametrize("scale", [None, "minmax"])
def test_images_of_ones_own(scale: str | None) -> None:
    """Runs on an array are judged with the array handed over again, scaled as they were; another one is refused."""
    images = np.random.default_rng(0).random((40, 9, 12))
    runs = [decda.train(images, n_clusters=3, seed=seed, scale=scale, **QUIET) for seed in (0, 1)]
    judgement = judge(*runs, images=images)
    assert judgement.best in runs
    with pytest.raises(DataError, match="cannot be loaded again"):
        judge(*runs)
    with pytest.raises(DataError, match="not the images"):
        judge(*runs, images=images[::-1].copy())


def test_what_is_no_run(begun_run: Path) -> None:
    """A run that has not finished, something else, and nothing at all are refused, each with its reason."""
    with pytest.raises(DataError, match="has not finished"):
        judge(decda.load(begun_run))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="A run is named by its folder"):
        judge(7)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="name at least one run"):
        judge()
