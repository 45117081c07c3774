"""A run and its images become a report."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from decda.core.config.composition import compose
from decda.core.contracts import ImageSet
from decda.core.errors import DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run as make_run
from decda.core.runs.images import load_images
from decda.core.runs.inference import load_run
from decda.core.runs.reporting import changed_settings, gather, page_of
from decda.core.runs.run import Run

FILES = Files(offline=True)


@pytest.fixture(autouse=True)
def small_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """t-SNE of two thousand images would take most of the time."""
    monkeypatch.setattr("decda.core.runs.exhibits.SHOWN", 100)


@pytest.fixture(scope="module")
def run(finished_run: Path, registry: Registry) -> Run:
    return load_run(finished_run, registry)


@pytest.fixture(scope="module")
def images(run: Run, registry: Registry) -> ImageSet:
    return load_images(compose(registry, config=run.config.as_mapping()), registry, FILES)


def test_everything_is_gathered(run: Run, images: ImageSet, registry: Registry) -> None:
    """A report of images with classes has each of its parts, and they agree with the run."""
    facts = gather(run, images, registry)
    assert facts.title == "digits · fc · idec · affine"
    assert (facts.n_images, facts.n_clusters) == (1797, 10)
    assert [cluster.size for cluster in facts.clusters] == run.sizes
    assert facts.points is not None
    assert facts.points.pictures is not None
    assert np.array_equal(facts.points.labels, run.labels[facts.points.index])
    first = int(facts.points.index[7])
    assert np.array_equal(facts.points.pictures[7], (images.x[first, 0] * 255).round().byte().numpy())
    assert facts.confusion is not None
    assert facts.confusion.counts.sum() == 1797
    assert [score.name for score in facts.scores] == ["ACC", "NMI", "ARI"]
    assert [comparison.title for comparison in facts.comparisons] == ["Reconstructions", "Augmented copies"]
    assert {figure.name for figure in facts.figures} >= {"neighbours", "neighbours at the start", "steady"}


def test_the_confusion_has_the_matches_on_its_diagonal(run: Run, images: ImageSet, registry: Registry) -> None:
    """Rows stand in the order of the classes that they match one to one, so that the diagonal sums up to ACC."""
    perfect = replace(run, labels=(images.y.numpy() + 3) % 10)  # type: ignore[union-attr]
    confusion = gather(perfect, images, registry).confusion
    assert confusion is not None
    assert confusion.clusters == [3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    assert np.trace(confusion.counts) == confusion.counts.sum() == 1797
    assert (confusion.shade(0), confusion.shade(int(confusion.counts.max()))) == (0, 4)


def test_equal_runs_have_equal_reports(run: Run, registry: Registry, tmp_path: Path) -> None:
    """No time, path or name of the folder is in a report."""
    shutil.copytree(run.folder, tmp_path / "other")
    again = load_run(tmp_path / "other", registry)
    assert page_of(run, None, registry, FILES).html == page_of(again, None, registry, FILES).html


def test_a_report_changes_nothing(run: Run, registry: Registry) -> None:
    """Files, weights and the state of PyTorch's generator are what they were before."""
    before = {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}
    weights = {name: value.clone() for name, value in run.model.head.state_dict().items()}
    state = torch.get_rng_state()
    run.report()
    assert {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()} == before
    assert all(torch.equal(value, weights[name]) for name, value in run.model.head.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_images_that_are_gone(run: Run, registry: Registry, tmp_path: Path) -> None:
    """Without its images a report has no pictures, says why, and keeps all that needs none."""
    shutil.copytree(run.folder, tmp_path / "run")
    text = (tmp_path / "run" / "config.toml").read_text()
    (tmp_path / "run" / "config.toml").write_text(
        text.replace('"decda:digits"', '"decda:usps"').replace("size = 8\n", "")
    )
    page = page_of(load_run(tmp_path / "run", registry), None, registry, Files(tmp_path / "none", offline=True)).html
    assert "The map and all pictures are missing." in page
    assert "usps" in page
    assert "<img" not in page
    assert "most typical" in page


def test_other_images(run: Run, images: ImageSet, registry: Registry) -> None:
    """Images that are not those of the run are refused: pictures would lie."""
    for x in (images.x[:5].numpy(), images.x.flip(0).numpy()):
        with pytest.raises(DataError, match="not the images"):
            page_of(run, x, registry, FILES)
    assert "<img" in page_of(run, images.x.numpy(), registry, FILES).html


def test_tables_have_no_pictures(registry: Registry, tmp_path: Path) -> None:
    """Rows of a table are shown by their numbers; nothing is drawn that is no image."""
    rows = np.random.default_rng(0).normal(size=(60, 5))
    rows[:30] += 4
    np.save(tmp_path / "rows.npy", rows)
    table = {"name": "arrays", "path": str(tmp_path / "rows.npy")}
    config = compose(
        registry, recipe="quick", parts={"dataset": table, "encoder": "fc", "augment": "none"},
        settings=["train.pretrain_epochs=1", "train.max_iter=4", "train.update_interval=2"], n_clusters=2,
    )  # fmt: skip
    done = make_run(config, registry, FILES, out=tmp_path / "run")
    facts = gather(done, load_images(config, registry, FILES), registry)
    assert facts.points is not None
    assert facts.points.pictures is None
    assert facts.comparisons == []
    assert facts.clusters[0].rows[0].names[0].startswith("image ")


def test_settings_that_differ(run: Run, registry: Registry) -> None:
    """Settings at their defaults are left out; others stand beside the default."""
    found = {setting.name: (setting.value, setting.default) for setting in changed_settings(run.config, registry)}
    assert found["train.pretrain_epochs"] == ("1", "500")
    assert "train.tol" in found
    assert "train.order" not in found
    assert run.config.sentence == "digits · fc · idec · affine"


def test_damaged_folders(run: Run, registry: Registry, tmp_path: Path) -> None:
    """A run whose log is gone is a clear error, and leaves no page behind."""
    shutil.copytree(run.folder, tmp_path / "run")
    (tmp_path / "run" / "log.csv").unlink()
    with pytest.raises(DataError, match=r"log\.csv"):
        page_of(load_run(tmp_path / "run", registry), None, registry, FILES)
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["status"] == "finished"
