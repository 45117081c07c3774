"""Runs that start from an autoencoder pretrained before."""

import json
import shutil
import tomllib
from pathlib import Path

import pytest

from decda.core.config.composition import compose
from decda.core.errors import DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.run import Run
from decda.core.runs.experiment import run
from tests.conftest import SHORT

FILES = Files(offline=True)


@pytest.fixture(scope="module")
def whole(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A whole run of the fully connected net."""
    config = compose(registry, parts={"encoder": "fc", "augment": "affine"}, settings=SHORT)
    return run(config, registry, FILES, out=tmp_path_factory.mktemp("runs") / "whole")


@pytest.mark.parametrize("name", ["", "autoencoder.safetensors"])
def test_a_run_from_pretrained_weights_is_the_whole_run(
    registry: Registry, whole: Result, tmp_path: Path, name: str
) -> None:
    """From a run's folder or from its file, clustering ends in the bytes in which the run with pretraining ended."""
    words = {"encoder": "fc", "augment": "affine"}
    config = compose(registry, parts=words, settings=SHORT, autoencoder=str(whole.path / name))
    started = run(config, registry, FILES, out=tmp_path / "started")
    for file in ("labels.csv", "model.safetensors", "autoencoder.safetensors"):
        assert (started.path / file).read_bytes() == (whole.path / file).read_bytes(), file
    assert started.baseline == whole.baseline
    assert "pretrain" not in started.seconds
    assert json.loads((started.path / "metrics.json").read_text())["pretrain_epochs"] == 0
    assert "pretrain" not in (started.path / "log.csv").read_text()
    provenance = json.loads((started.path / "provenance.json").read_text())
    assert provenance["autoencoder"]["path"] == str(whole.path / "autoencoder.safetensors")
    assert len(provenance["autoencoder"]["sha256"]) == 64
    # The same experiment by its configuration, wherever the weights lie.
    assert provenance["config_sha256"] == json.loads((whole.path / "provenance.json").read_text())["config_sha256"]


def test_the_configuration_names_the_weights(registry: Registry, whole: Result, tmp_path: Path) -> None:
    """`config.toml` holds the absolute path, so that it repeats the run from any folder; `none` takes it back."""
    config = compose(registry, parts={"encoder": "fc"}, settings=SHORT, autoencoder=str(whole.path))
    started = run(config, registry, FILES, out=tmp_path / "started")
    written = tomllib.loads((started.path / "config.toml").read_text())
    assert written["autoencoder"] == str(whole.path / "autoencoder.safetensors")
    assert compose(registry, config=started.path / "config.toml") == started.config
    assert compose(registry, config=started.path / "config.toml", autoencoder="none").autoencoder is None


def test_weights_of_another_model(registry: Registry, whole: Result, tmp_path: Path) -> None:
    """Another architecture or shape of image is refused by the name of its weight, before there is a folder."""
    for parts, settings, says in (
        (
            {"encoder": "conv"},
            SHORT,
            r"encoder 'conv'.*'convolutions\.0\.weight' is missing.*encoder 'fc'.*\(1, 8, 8\)",
        ),
        ({"encoder": "fc"}, ("dataset.size=12",), r"shape \(500, 64\), \(500, 144\) is wanted"),
        (
            {"encoder": "fc"},
            ("encoder.hidden=500", *SHORT),
            r"'encoder\.3\.weight' .*\(500, 500\), \(10, 500\)",
        ),
    ):
        config = compose(registry, parts=parts, settings=settings, autoencoder=str(whole.path))
        with pytest.raises(DataError, match=says):
            run(config, registry, FILES, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_no_weights(registry: Registry, whole: Result, tmp_path: Path) -> None:
    """A path that leads nowhere, a folder without weights, and a file of something else are each told apart."""
    unfinished = tmp_path / "unfinished"
    shutil.copytree(whole.path, unfinished)
    (unfinished / "autoencoder.safetensors").unlink()
    for path, says in (
        (tmp_path / "nowhere", "There is no pretrained autoencoder at"),
        (unfinished, "holds no pretrained autoencoder.*pretraining has ended"),
        (unfinished / "labels.csv", "cannot be read"),
    ):
        config = compose(registry, parts={"encoder": "fc"}, settings=SHORT, autoencoder=str(path))
        with pytest.raises(DataError, match=says):
            run(config, registry, FILES, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
