"""Several runs combined in a folder."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits

from decda.core.consensus import combining
from decda.core.consensus.combining import Combined, combine
from decda.core.consensus.voting import vote
from decda.core.errors import ConfigError, DataError, DecdaError, OutputError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.reading import read_labels
from decda.core.training.metrics import ari, scores
from tests.core.consensus.conftest import Make

OFFLINE = Files(offline=True)


def shaken(seed: int) -> Any:
    """A change that draws a fifth of the labels anew, and shuffles the numbers of the clusters."""

    def change(labels: np.ndarray) -> np.ndarray:
        random = np.random.default_rng(seed)
        drawn = np.where(random.random(len(labels)) < 0.2, random.integers(0, 10, len(labels)), labels)
        return random.permutation(10)[drawn]

    return change


@pytest.fixture
def three(make: Make) -> list[Path]:
    """Three runs that agree on most images."""
    return [make(f"run-{seed}", shaken(seed), seed=seed) for seed in range(3)]


def combined(three: list[Path], registry: Registry, **words: Any) -> Combined:
    return combine(three, registry, OFFLINE, **words)


def test_a_consensus_in_a_folder(three: list[Path], registry: Registry, tmp_path: Path) -> None:
    """The folder holds the labels in the form of a run, with the agreement as confidence, and a summary."""
    made = combined(three, registry, out=tmp_path / "new" / "consensus")
    assert {path.name for path in made.folder.iterdir()} == {"labels.csv", "summary.json"}
    labels, agreement = vote([read_labels(run)[0] for run in three])
    assert made.labels.tolist() == labels.tolist()
    again, confidence, names = read_labels(made.folder)
    assert (again.tolist(), names) == (labels.tolist(), None)
    assert np.allclose(confidence, agreement, atol=1e-6)
    assert (made.folder / "labels.csv").read_text().startswith("index,name,label,confidence\n0,,0,")
    assert json.loads((made.folder / "summary.json").read_text()) == made.as_mapping()


def test_what_the_summary_says(three: list[Path], registry: Registry, tmp_path: Path) -> None:
    """Agreement, sizes, and for the consensus and each run the scores; each run's ARI with the consensus."""
    made = combined(three, registry, out=tmp_path / "out")
    summary, classes = made.as_mapping(), load_digits().target
    assert summary["schema_version"] == 1
    assert (summary["out"], summary["dataset"]) == (str(tmp_path / "out"), "digits")
    assert (summary["n_samples"], summary["n_clusters"]) == (1797, 10)
    assert summary["sizes"] == np.bincount(made.labels).tolist()
    assert summary["agreement"] == pytest.approx(made.agreement.mean(), abs=1e-6)
    assert summary["unanimous"] == np.mean([share == 1 for share in made.agreement])
    assert 0.4 < summary["unanimous"] < 0.7
    assert {name: summary[name] for name in ("acc", "nmi", "ari")} == scores(classes, made.labels)
    assert summary["warnings"] == []
    for seed, (folder, run) in enumerate(zip(three, summary["runs"], strict=True)):
        labels = read_labels(folder)[0]
        assert (run["run"], run["seed"], run["recipe"], run["n_clusters"]) == (str(folder), seed, "quick", 10)
        assert run["ari_with_consensus"] == ari(labels, made.labels)
        assert {name: run[name] for name in ("acc", "nmi", "ari")} == scores(classes, labels)
    assert repr(made) == f"<Combined {tmp_path / 'out'}: 1797 images in 10 clusters, by 3 runs>"


def test_classes_decide_nothing(three: list[Path], tmp_path: Path) -> None:
    """Where the data set is not to be had, the labels are the same bytes, without scores, and a warning says why."""
    with_scores = combine(three, Registry.discover(), OFFLINE, out=tmp_path / "a")
    without = combine(three, Registry(), OFFLINE, out=tmp_path / "b")
    assert (with_scores.folder / "labels.csv").read_bytes() == (without.folder / "labels.csv").read_bytes()
    assert without.metrics == {"acc": None, "nmi": None, "ari": None}
    assert without.runs[0]["acc"] is None
    (warning,) = without.warnings
    assert warning.startswith("There are no scores, because the classes cannot be read: ")
    assert "digits" in warning


def test_images_without_classes(make: Make, tmp_path: Path) -> None:
    """Then there are no scores, and that is no reason for a warning; the first run that knows some is asked."""
    plain = [make(f"plain-{n}", classes_sha256=None) for n in range(2)]
    made = combine(plain, Registry(), OFFLINE, out=tmp_path / "a")
    assert (made.metrics["acc"], made.warnings) == (None, [])
    made = combine([*plain, make("knowing")], Registry.discover(), OFFLINE, out=tmp_path / "b")
    assert made.metrics["acc"] is not None


def test_the_number_of_clusters(three: list[Path], registry: Registry, tmp_path: Path) -> None:
    """Fewer clusters can be asked for; more than any run has cannot."""
    assert len(combined(three, registry, n_clusters=4, out=tmp_path / "out").sizes) == 4
    with pytest.raises(ConfigError, match="n_clusters must be from 1 to 10") as raised:
        combined(three, registry, n_clusters=11, out=tmp_path / "none")
    assert raised.value.parameter == "n_clusters"
    assert not (tmp_path / "none").exists()


def test_fewer_clusters_than_asked_for(make: Make, registry: Registry, tmp_path: Path) -> None:
    """Where a cluster wins no image, a warning says how many are left."""
    two = [make(f"two-{n}", lambda labels: np.arange(len(labels)) % 2) for n in range(2)]
    three = make("three", lambda labels: np.where(np.arange(len(labels)) < 5, 2, np.arange(len(labels)) % 2))
    made = combine([*two, three], registry, OFFLINE, n_clusters=3, out=tmp_path / "out")
    assert made.warnings == ["The runs agree on 2 clusters; 3 were asked for."]


def test_a_folder_by_default(three: list[Path], registry: Registry, monkeypatch: Any, tmp_path: Path) -> None:
    """Without a name the folder is a new one below `runs/`; unfinished runs that were meant are told."""
    monkeypatch.chdir(tmp_path)
    made = combined(three, registry, unfinished=[Path("seeds/seed-4")])
    assert made.folder == Path("runs/consensus-digits-1")
    assert made.warnings == ["seeds/seed-4 is left out: it has not finished."]
    assert combined(three, registry).folder == Path("runs/consensus-digits-2")


@pytest.mark.parametrize("broken", ["labels.csv", "provenance.json", "config.toml"])
def test_a_damaged_run_leaves_nothing(three: list[Path], registry: Registry, tmp_path: Path, broken: str) -> None:
    """A file that cannot be used is named, and there is no folder."""
    (three[1] / broken).write_text("{[")
    with pytest.raises(DataError, match=broken.replace(".", r"\.")):
        combined(three, registry, out=tmp_path / "new" / "out")
    assert not (tmp_path / "new").exists()


def test_an_existing_folder_is_left_alone(three: list[Path], registry: Registry, tmp_path: Path) -> None:
    """It is refused before anything is read."""
    (tmp_path / "out").mkdir()
    for runs in (three, [tmp_path / "nowhere"]):
        with pytest.raises(ConfigError, match="out exists already") as raised:
            combined(runs, registry, out=tmp_path / "out")
        assert raised.value.parameter == "out"
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("error", [OutputError("The disk is full."), KeyboardInterrupt()])
def test_a_folder_that_cannot_be_filled_is_removed(
    three: list[Path], registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """If writing fails or is interrupted after the labels stand, nothing is left behind."""
    written = []

    def fail(self: Any, name: str, values: Any) -> None:
        written.extend(path.name for path in self.path.iterdir())
        raise error

    monkeypatch.setattr(combining.RunFolder, "write_json", fail)
    with pytest.raises(DecdaError if isinstance(error, DecdaError) else KeyboardInterrupt):
        combined(three, registry, out=tmp_path / "out")
    assert written == ["labels.csv"]
    assert not (tmp_path / "out").exists()
