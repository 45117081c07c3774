"""Trained models are loaded and scored."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from decda.core.config.composition import compose
from decda.core.contracts import ImageSet
from decda.core.errors import BrokenComponent, ConfigError, DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run
from decda.core.runs.inference import evaluate
from decda.core.runs.run import Run
from decda.plugins.heads.idec import IDEC
from tests.conftest import SHORT

FILES = Files(offline=True)


@pytest.fixture(scope="module")
def trained(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run."""
    out = tmp_path_factory.mktemp("runs") / "trained"
    return run(compose(registry, settings=SHORT), registry, FILES, out=out)


@pytest.fixture
def copy(trained: Run, tmp_path: Path) -> Path:
    """A copy of the run's folder, for tests that damage it."""
    return Path(shutil.copytree(trained.folder, tmp_path / "copy"))


def test_a_model_reproduces_the_labels_of_its_run(registry: Registry, trained: Run) -> None:
    """On its training images, a saved model has exactly the labels, confidences and scores of its run."""
    before = {path.name: path.read_bytes() for path in trained.folder.iterdir()}
    found = evaluate(trained.folder, registry, FILES)
    assert np.array_equal(found.labels, trained.labels)
    assert np.array_equal(found.confidence, trained.confidence)
    assert found.metrics == trained.metrics
    assert found.trained_on_these
    assert found.as_mapping()["recipe"] == "quick"
    assert {path.name: path.read_bytes() for path in trained.folder.iterdir()} == before


def test_other_images_of_the_same_shape(registry: Registry, trained: Run) -> None:
    """A model can score another data set; images without classes are only assigned to clusters."""
    digits = registry.load(registry.find("dataset", "digits")).factory(size=8)
    own = Registry(registry)
    own.add("dataset", "half", lambda: ImageSet(digits.x[::2], digits.y[::2]))
    own.add("dataset", "unknown", lambda: ImageSet(digits.x[:7]))
    half = evaluate(trained.folder, own, FILES, dataset="half")
    assert np.array_equal(half.labels, trained.labels[::2])
    assert not half.trained_on_these
    unknown = evaluate(trained.folder, own, FILES, dataset="unknown")
    assert np.array_equal(unknown.labels, trained.labels[:7])
    assert unknown.metrics == {"acc": None, "nmi": None, "ari": None}


def test_images_of_another_shape(registry: Registry, trained: Run) -> None:
    """Images of another shape are refused, and the error states both shapes."""
    with pytest.raises(DataError, match=r"\(1, 16, 16\).*trained on 'digits', of shape \(1, 8, 8\)"):
        evaluate(trained.folder, registry, FILES, settings=("dataset.size=16",))


def test_a_trained_model_cannot_be_changed(registry: Registry, trained: Run) -> None:
    """Only settings of the data set are accepted."""
    with pytest.raises(ConfigError, match=r"setting head\.gamma=1: a trained model stays"):
        evaluate(trained.folder, registry, FILES, settings=("head.gamma=1",))


def test_runs_without_a_trained_model(registry: Registry, copy: Path) -> None:
    """An unfinished run, a damaged run and an unrelated folder each have their own error."""
    provenance = json.loads((copy / "provenance.json").read_text())
    for change, says in (
        ({"status": "started"}, "has not finished"),
        ({"input_shape": None}, "does not state the shape"),
        ({"input_shape": [1, -8, 8]}, "does not state the shape"),
    ):
        (copy / "provenance.json").write_text(json.dumps(provenance | change))
        with pytest.raises(DataError, match=says):
            evaluate(copy, registry, FILES)
    config = (copy / "config.toml").read_text()
    (copy / "provenance.json").write_text(json.dumps(provenance))
    for text, says in ((config.replace("n_clusters = 10", ""), "number of clusters"), ("no TOML", "is not TOML")):
        (copy / "config.toml").write_text(text)
        with pytest.raises(DataError, match=says):
            evaluate(copy, registry, FILES)
    (copy / "config.toml").write_text(config)
    (copy / "provenance.json").write_text("[]")
    with pytest.raises(DataError, match="is not a JSON object"):
        evaluate(copy, registry, FILES)
    (copy / "provenance.json").write_text(json.dumps(provenance))
    (copy / "model.safetensors").unlink()
    with pytest.raises(DataError, match=r"model\.safetensors cannot be read"):
        evaluate(copy, registry, FILES)
    with pytest.raises(DataError, match="not the folder of a run"):
        evaluate(copy.parent, registry, FILES)


def test_a_model_trained_on_a_gpu_runs_on_a_cpu(registry: Registry, trained: Run, copy: Path) -> None:
    """A step mode or a precision that this device lacks does not prevent scoring."""
    config = (copy / "config.toml").read_text()
    (copy / "config.toml").write_text(config.replace('step = "auto"', 'step = "graph"').replace('"float32"', '"tf32"'))
    assert 'step = "graph"' in (copy / "config.toml").read_text()
    assert np.array_equal(evaluate(copy, registry, FILES, device="cpu").labels, trained.labels)


@pytest.mark.parametrize("name", ["encoder", "centers"])
def test_weights_that_are_not_finite(registry: Registry, copy: Path, name: str) -> None:
    """A model with non-finite weights is an error and gets no scores."""
    weights = load_file(copy / "model.safetensors")
    entry = "head.centers" if name == "centers" else next(n for n in weights if n.startswith("autoencoder.embedding"))
    weights[entry] = torch.full_like(weights[entry], torch.nan)
    save_file(weights, copy / "model.safetensors")
    with pytest.raises(DataError, match="not finite: its weights are damaged"):
        evaluate(copy, registry, FILES)


def test_a_part_that_fails_is_named(registry: Registry, trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception from a part's code is reported with the name of the part."""

    def fail(self: object, z: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no such device")

    monkeypatch.setattr(IDEC, "soft_assign", fail)
    with pytest.raises(BrokenComponent, match=r"head 'idec' of decda .* failed in use: RuntimeError: no such device"):
        evaluate(trained.folder, registry, FILES)
