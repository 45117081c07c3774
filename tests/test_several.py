"""Several runs at once, from Python."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import decda
from decda.core.errors import ConfigError, DataError
from decda.core.parts.registry import Registry
from decda.core.runs.inference import load_run
from decda.several import combine, judge
from tests.core.consensus.conftest import Make, make
from tests.core.judging import clusters_of_pixels, random_clusters, relabelled

__all__ = ["make"]

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


def test_what_has_not_finished_is_told(finished_run: Path, make: Make) -> None:
    """Seeds without a result are left out of a comparison; a warning names them, and so does the judgement."""
    Path("all").mkdir()
    shutil.copy(finished_run / "config.toml", "all")
    Path("all/seeds.json").write_text('{"seeds": [0, 1, 2], "recipe": "quick", "threads": null}')
    relabelled(finished_run, Path("all/seed-0"), clusters_of_pixels())
    with pytest.warns(UserWarning, match="Left out, because not finished: all/seed-1, all/seed-2"):
        judgement = judge("all", offline=True)
    assert judgement.unfinished == (Path("all/seed-1"), Path("all/seed-2"))
    assert judgement.as_mapping()["unfinished"] == ["all/seed-1", "all/seed-2"]
    with pytest.raises(ConfigError, match="seed-0. all/seed-1, all/seed-2 have not finished. Resume them"):
        combine("all")


def test_what_is_no_run(begun_run: Path) -> None:
    """A run that has not finished, something else, and nothing at all are refused, each with its reason."""
    with pytest.raises(DataError, match="has not finished"):
        judge(decda.load(begun_run))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="A run is named by its folder"):
        judge(7)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="name at least one run"):
        judge()


def test_a_consensus_of_runs_and_folders(make: Make, registry: Registry, tmp_path: Path) -> None:
    """Runs, their folders as paths, and as texts, all mean the same; what they agree on is returned and written."""
    paths = [make(f"run-{n}") for n in range(3)]
    run = load_run(paths[0], registry)
    found = combine(run, paths[1], str(paths[2]), out=str(tmp_path / "out"), offline=True)
    assert (found.folder, [Path(each["run"]) for each in found.runs]) == (tmp_path / "out", paths)
    assert (found.agreement == 1).all()
    assert len(np.unique(np.stack([run.labels, found.labels]), axis=1).T) == len(found.sizes)
    assert found.metrics == run.metrics


def test_a_run_counts_once(make: Make, tmp_path: Path) -> None:
    """A run that is named twice has one vote: by itself it is no consensus."""
    run = make("run")
    with pytest.raises(ConfigError, match="at least two runs"):
        combine(run, str(run), out=tmp_path / "out")
    with pytest.raises(ConfigError, match="at least two runs"):
        combine()


def test_other_things_are_no_runs(make: Make, tmp_path: Path) -> None:
    """What is neither a run nor a path is refused, and the folder of no run is named."""
    with pytest.raises(ConfigError, match=r"or is what decda\.train returned; not 5"):
        combine(make("run"), 5)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="nowhere is not the folder of a run"):
        combine(tmp_path / "run", tmp_path / "nowhere")


@pytest.mark.parametrize("n_clusters", ["3", 2.0, True, [3]])
def test_a_number_of_clusters_is_a_whole_number(make: Make, n_clusters: Any) -> None:
    """Anything else is refused at the door, by name and value; NumPy's whole numbers serve."""
    with pytest.raises(ConfigError, match="n_clusters must be a whole number, or None, not") as caught:
        combine(make("a"), make("b"), n_clusters=n_clusters)
    assert repr(n_clusters) in str(caught.value)
    assert caught.value.parameter == "n_clusters"
    assert len(combine("a", "b", n_clusters=np.int64(1)).sizes) == 1  # type: ignore[arg-type]


def test_parts_from_a_file(make: Make) -> None:
    """The data set of the runs may be one that a file adds; for judging and for a consensus alike."""
    Path("mine.py").write_text(
        "from decda.plugins.datasets.digits import digits\n\n\n"
        "def register(registry):\n    registry.add('dataset', 'mine', lambda: digits(size=8))\n"
    )
    for name in ("a", "b"):
        config = make(name) / "config.toml"
        text = config.read_text().replace('name = "decda:digits"', 'name = "local:mine"').replace("size = 8\n", "")
        config.write_text(text)
    assert combine("a", "b", parts="mine.py").metrics["acc"] is not None
    assert judge("a", "b", parts="mine.py").best is not None
    assert "cannot be read" in combine("a", "b").warnings[0]
