"""Studies: cells with several seeds, whose results are kept between starts."""

import csv
import json
import os
import shutil
from collections import deque
from pathlib import Path
from typing import Any

import pytest
import torch

from decda.core.config.composition import compose
from decda.core.contracts import ImageSet
from decda.core.errors import ConfigError, DataError, InvalidParameter
from decda.core.execution.messages import Failed, Finished, Job
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run
from decda.core.runs.lock import FolderLock
from decda.core.studies import runner as study_module
from decda.core.studies import trials as trials_module
from decda.core.studies.cells import Cell, CellRequest, prepare_cells
from decda.core.studies.runner import run_study
from decda.core.studies.study import Entered, Study
from decda.core.studies.trials import Pretraining, Trial, is_finished, plan_trials
from tests.conftest import SHORT

FILES = Files(offline=True)
RECIPES = ("fcdec-da", "convdec-da", "fcdcn-da")


def cells(registry: Registry, *recipes: str) -> list[Cell]:
    requests = [CellRequest(recipe, "digits", compose(registry, recipe=recipe, settings=SHORT)) for recipe in recipes]
    return prepare_cells(requests, registry, FILES)


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "results.csv", newline="") as file:
        return list(csv.DictReader(file))


class Drive:
    """Stands in for `run_jobs`: records the jobs and lets each end as configured, without training."""

    def __init__(self, failing: tuple[str, ...] = (), stop_after: int | None = None) -> None:
        self.failing = failing
        self.stop_after = stop_after
        self.ran: list[str] = []
        self.leaves_weights = False
        self.words: dict[str, Any] = {}

    def __call__(self, waiting: deque[Job], registry: Any, files: Any, device: str, notify: Any, **words: Any) -> None:
        self.words = {"device": device, **words}
        while waiting:
            if len(self.ran) == self.stop_after:
                raise KeyboardInterrupt
            job = waiting.popleft()
            self.ran.append(job.out.name.rpartition("-")[0])
            assert not is_finished(job.out)
            seed = job.config.seed
            if any(name in job.out.name for name in self.failing):
                if self.leaves_weights:
                    job.out.mkdir()
                    (job.out / "autoencoder.safetensors").write_text("")
                notify(job.key, Failed(seed, "It diverged.", 4))
                continue
            leave(job)
            notify(job.key, Finished(seed, {"acc": 0.5, "nmi": 0.5, "ari": 0.5, "seconds": {"total": 1.0}}, [1]))


def leave(job: Job) -> None:
    """Write the files of a finished run that a study reads."""
    job.out.mkdir(exist_ok=True)
    (job.out / "config.toml").write_text(job.config.as_toml())
    data = job.key.cell.data_sha256 if isinstance(job.key, Trial) else "?"
    provenance = {
        "status": "finished", "config_sha256": job.config.sha256(), "data_sha256": data, "device": "cpu",
        "seconds": {"total": 2.5, "pretrain": 1.5}, "versions": {"decda": "0", "torch": "2"},
    }  # fmt: skip
    (job.out / "provenance.json").write_text(json.dumps(provenance))
    metrics = {
        "acc": 0.5, "nmi": 0.25, "ari": 0.125, "baseline": {"acc": 0.375},
        "start": {"acc": 0.4375}, "iterations": 4, "stop_reason": "completed",
    }  # fmt: skip
    (job.out / "autoencoder.safetensors").write_text("")
    (job.out / "metrics.json").write_text(json.dumps(metrics))


@pytest.fixture
def drive(monkeypatch: pytest.MonkeyPatch) -> Drive:
    """Replaces training by a fake."""
    drive = Drive()
    monkeypatch.setattr(study_module, "run_jobs", drive)
    return drive


def go(registry: Registry, out: Path, *recipes: str, seeds: int = 2, **words: Any) -> Study:
    planned = plan_trials(cells(registry, *recipes), range(seeds), out, registry)
    return run_study(planned, registry, FILES, out, **words)


def test_an_autoencoder_is_pretrained_once_and_its_cells_follow(
    registry: Registry, drive: Drive, tmp_path: Path
) -> None:
    """The cells of an autoencoder run right after its pretraining, before the next one, and get its path."""
    reported: list[tuple[str, type]] = []
    study = go(registry, tmp_path, *RECIPES, notify=lambda key, event: reported.append((key.title, type(event))))
    assert drive.ran == [
        *("digits-fc-augmented-seed0", "digits-fc-dec-both-seed0", "digits-fc-dcn-both-seed0"),
        *("digits-conv-augmented-seed0", "digits-conv-dec-both-seed0"),
        *("digits-fc-augmented-seed1", "digits-fc-dec-both-seed1", "digits-fc-dcn-both-seed1"),
        *("digits-conv-augmented-seed1", "digits-conv-dec-both-seed1"),
    ]
    trial = next((tmp_path / "trials").glob("digits-fc-dec-both-seed0-*"))
    pretrained = next((tmp_path / "autoencoders").glob("digits-fc-augmented-seed0-*"))
    assert f'autoencoder = "{pretrained}"' in (trial / "config.toml").read_text()
    assert reported[:4] == [
        ("digits fc augmented autoencoder seed 0", Finished),
        ("digits fcdec-da seed 0", Finished),
        ("digits fcdec-da seed 0", Entered),
        ("digits fcdcn-da seed 0", Finished),
    ]
    assert len(study.results.rows) == 6
    assert study.exit_code == 0
    assert "| fcdec-da | .500 ±.000  .250 ±.000 (2) |" in (tmp_path / "table.md").read_text()


def test_a_row_describes_a_trial_completely(registry: Registry, drive: Drive, tmp_path: Path) -> None:
    """A row of results.csv has the scores, epochs, iterations, stop reason, times, digests and versions of a trial."""
    go(registry, tmp_path, "fcdcn-da", seeds=1, settings="paper head.centers=frozen")
    (row,) = rows(tmp_path)
    assert {name: row[name] for name in ("cell", "dataset", "seed", "settings")} == {
        "cell": "fcdcn-da", "dataset": "digits", "seed": "0", "settings": "paper head.centers=frozen",
    }  # fmt: skip
    assert [row[name] for name in ("acc", "nmi", "ari", "kmeans_acc", "start_acc")] == [
        "0.5",
        "0.25",
        "0.125",
        "0.375",
        "0.4375",
    ]
    assert [row[name] for name in ("epochs", "iterations", "stop_reason")] == ["1", "4", "completed"]
    assert [row[name] for name in ("seconds", "pretrain_seconds", "versions")] == ["2.5", "1.5", "decda=0 torch=2"]
    assert len(row["data_sha256"]) == len(row["config_sha256"]) == 64
    assert (tmp_path / "trials" / row["run"]).is_dir()
    assert (tmp_path / "autoencoders" / row["autoencoder"]).is_dir()


def test_finished_trials_are_not_run_again(registry: Registry, drive: Drive, tmp_path: Path) -> None:
    """An interrupted study resumes where it stopped; an unfinished run goes on in its folder; no row is duplicated."""
    drive.stop_after = 4
    with pytest.raises(KeyboardInterrupt):
        go(registry, tmp_path, *RECIPES)
    done = list(drive.ran)
    assert len(rows(tmp_path)) == 2
    assert "(1)" in (tmp_path / "table.md").read_text()
    planned = plan_trials(cells(registry, *RECIPES), [0], tmp_path, registry)
    half = next(trial for trial in planned if not is_finished(trial.folder))
    half.folder.mkdir()
    (half.folder / "log.csv").write_text("half")
    drive.ran, drive.stop_after = [], None
    kept: list[str] = []
    go(
        registry,
        tmp_path,
        *RECIPES,
        notify=lambda key, event: kept.append(key.title) if isinstance(event, Entered) and event.kept else None,
    )
    assert kept == ["digits fcdec-da seed 0", "digits fcdcn-da seed 0"]
    assert not set(done) & set(drive.ran)
    assert len(done) + len(drive.ran) == 10
    runs = [row["run"] for row in rows(tmp_path)]
    assert len(runs) == len(set(runs)) == 6
    drive.ran = []
    shutil.rmtree(tmp_path / "autoencoders")  # as a user may do to save space; finished trials are kept
    go(registry, tmp_path, *RECIPES)
    assert drive.ran == []
    assert len(rows(tmp_path)) == 6


def test_a_study_can_be_extended(registry: Registry, drive: Drive, tmp_path: Path) -> None:
    """More seeds and cells reuse existing results; rows of cells no longer requested are kept but not tabulated."""
    go(registry, tmp_path, "fcdec-da", seeds=1)
    drive.ran = []
    study = go(registry, tmp_path, "fcdcn-da", seeds=2)
    assert drive.ran == ["digits-fc-dcn-both-seed0", "digits-fc-augmented-seed1", "digits-fc-dcn-both-seed1"]
    assert len(rows(tmp_path)) == 3
    assert "fcdec-da" not in (tmp_path / "table.md").read_text()
    assert [cell["cell"] for cell in study.as_mapping()["cells"]] == ["fcdcn-da"]


def test_failures(registry: Registry, drive: Drive, tmp_path: Path) -> None:
    """A failed trial stops no other, a cell fails if its autoencoder does, and the next start repeats both."""
    drive.failing = ("conv-augmented-seed0", "fc-dcn-both-seed1")
    study = go(registry, tmp_path, *RECIPES)
    assert study.exit_code == 4
    assert {name.rpartition("-")[0]: failed.error for name, failed in study.failed.items()} == {
        "digits-conv-dec-both-seed0": "Its autoencoder could not be pretrained. It diverged.",
        "digits-fc-dcn-both-seed1": "It diverged.",
    }
    assert len(study.as_mapping()["failed"]) == 2
    assert len(rows(tmp_path)) == 4
    drive.failing, drive.ran = (), []
    assert go(registry, tmp_path, *RECIPES).exit_code == 0
    assert drive.ran == ["digits-conv-augmented-seed0", "digits-conv-dec-both-seed0", "digits-fc-dcn-both-seed1"]


def test_a_pretraining_that_failed_late_is_used(registry: Registry, drive: Drive, tmp_path: Path) -> None:
    """If only the initial centers failed, the pretrained weights exist, and the cells of other heads use them."""
    drive.failing, drive.leaves_weights = ("fc-augmented",), True
    assert go(registry, tmp_path, *RECIPES, seeds=1).exit_code == 0
    assert len(rows(tmp_path)) == 3


def test_figures_that_cannot_be_read(registry: Registry, drive: Drive, tmp_path: Path) -> None:
    """A finished trial with unreadable figures is run again; if a repeated trial fails, its old row is removed."""
    go(registry, tmp_path, "fcdec-da")
    first, second = (trial.folder for trial in plan_trials(cells(registry, "fcdec-da"), [0, 1], tmp_path, registry))
    (tmp_path / "results.csv").unlink()
    (first / "metrics.json").write_text("{")
    drive.ran = []
    assert len(go(registry, tmp_path, "fcdec-da").results.rows) == 2
    assert drive.ran == ["digits-fc-dec-both-seed0"]
    shutil.rmtree(second)
    drive.failing = ("dec-both-seed1",)
    study = go(registry, tmp_path, "fcdec-da")
    assert list(study.failed) == [second.name]
    assert [row["seed"] for row in rows(tmp_path)] == ["0"]


def test_a_trial_that_leaves_no_figures_has_failed(
    registry: Registry, drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trial that ends without readable figures counts as failed, and the others continue."""
    whole = leave

    def without(job: Job) -> None:
        whole(job)
        if "conv-dec" in job.out.name:
            (job.out / "metrics.json").unlink()

    monkeypatch.setattr("tests.core.studies.test_study.leave", without)
    study = go(registry, tmp_path, *RECIPES, seeds=1)
    assert len(study.results.rows) == 2
    (failed,) = study.failed.values()
    assert (failed.exit_code, "metrics.json cannot be read" in failed.error) == (3, True)


def test_a_composition_under_two_names_is_one_cell(registry: Registry) -> None:
    """Equal compositions or data sets under two names are one cell, which has the first name."""
    plain = compose(registry, recipe="fcdec", settings=("train.augment_in=both", *SHORT))
    same = compose(registry, recipe="decda:fcdec-da", settings=SHORT)
    made = prepare_cells([CellRequest("a", "digits", plain), CellRequest("b", "decda:digits", same)], registry, FILES)
    assert [(cell.row, cell.column) for cell in made] == [("a", "digits")]
    started = compose(registry, recipe="fcdec", autoencoder="somewhere")
    with pytest.raises(ConfigError, match="'x' starts from a pretrained autoencoder"):
        prepare_cells([CellRequest("x", "digits", started)], registry, FILES)


def test_trials_with_random_images_are_kept(registry: Registry, drive: Drive, tmp_path: Path) -> None:
    """Finished trials are recognised even if the data set draws its images by the seed of each trial."""
    digits = registry.load(registry.find("dataset", "digits")).factory(size=8)

    def some() -> ImageSet:
        chosen = torch.randperm(len(digits.x))[:600]
        return ImageSet(digits.x[chosen], digits.y[chosen])

    own = Registry(registry)
    own.add("dataset", "some", some)
    config = compose(own, recipe="fcdec-da", parts={"dataset": "some"}, settings=SHORT[1:])
    for expected in (4, 0):
        planned = plan_trials(prepare_cells([CellRequest("x", "some", config)], own, FILES), range(2), tmp_path, own)
        drive.ran = []
        run_study(planned, own, FILES, tmp_path)
        assert len(drive.ran) == expected
    assert drive.words["here"]  # another process would not find a data set that was added in Python


def test_one_study_at_a_time(registry: Registry, drive: Drive, tmp_path: Path) -> None:
    """A second study in the same folder is refused, because it would remove the runs in progress of the first."""
    with FolderLock(tmp_path), pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"):
        go(registry, tmp_path, "fcdec-da")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be used"):
        go(registry, tmp_path / "file", "fcdec-da")
    assert drive.ran == []


def test_number_of_jobs(registry: Registry, drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`n_jobs` and `threads` are passed on; without them `run_jobs` chooses, on a CPU as well as on a GPU."""
    go(registry, tmp_path / "a", "fcdec-da", n_jobs=3, threads=2)
    assert drive.words == {
        "device": "cpu",
        "n_jobs": 3,
        "threads": 2,
        "here": False,
        "checkpoint_every": 60.0,
        "interrupts": None,
        "executor": None,
        "folder": tmp_path / "a",
    }
    go(registry, tmp_path / "b", "fcdec-da")
    assert drive.words["n_jobs"] is None
    planned = cells(registry, "fcdec-da")
    for module in (trials_module, study_module):
        monkeypatch.setattr(module, "resolve_device", lambda name: type("Device", (), {"type": "cuda"}))
    run_study(plan_trials(planned, [0], tmp_path / "c", registry), registry, FILES, tmp_path / "c")
    assert (drive.words["device"], drive.words["n_jobs"]) == ("cuda", None)


def test_mistakes_common_to_all_trials_are_found_first(registry: Registry, tmp_path: Path) -> None:
    """A data set without classes, or with images too small for an encoder, is refused before any trial runs."""
    own = Registry(registry)
    own.add("dataset", "unknown", lambda: ImageSet(registry.load(registry.find("dataset", "digits")).factory().x))
    config = compose(own, parts={"dataset": "unknown"}, n_clusters=3)
    with pytest.raises(DataError, match="'unknown' has no classes"):
        prepare_cells([CellRequest("x", "unknown", config)], own, FILES)
    own.add("dataset", "small", lambda: ImageSet(torch.rand(20, 1, 4, 4), torch.arange(20) % 2))
    config = compose(own, recipe="convdec-da", parts={"dataset": "small"})
    with pytest.raises(InvalidParameter, match="at least 8x8 pixels"):
        prepare_cells([CellRequest("x", "small", config)], own, FILES)


def test_a_trial_equals_a_single_run(registry: Registry, tmp_path: Path) -> None:
    """A trial in a process, from a shared autoencoder, has the labels, model and digests of a complete single run."""
    study = go(registry, tmp_path / "study", "fcdec-da", "fcidec-da", seeds=1, n_jobs=2)
    assert study.failed == {}
    for trial in study.trials:
        recipe = trial.cell.row
        alone = run(compose(registry, recipe=recipe, settings=SHORT), registry, FILES, out=tmp_path / recipe)
        for name in ("labels.csv", "model.safetensors", "autoencoder.safetensors"):
            assert (trial.folder / name).read_bytes() == (alone.folder / name).read_bytes(), name
        (row,) = [row for row in rows(tmp_path / "study") if row["cell"] == recipe]
        provenance = json.loads((alone.folder / "provenance.json").read_text())
        assert row["config_sha256"] == provenance["config_sha256"]
        assert row["data_sha256"] == provenance["data_sha256"]
        assert float(row["acc"]) == alone.metrics["acc"]
    assert isinstance(study.trials[0].pretraining, Pretraining)
    assert study.trials[0].pretraining.folder == study.trials[1].pretraining.folder
