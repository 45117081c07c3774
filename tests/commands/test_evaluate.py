"""`decda evaluate` and `decda train --autoencoder`, as their users meet them."""

import json
from pathlib import Path

import pytest

from tests.conftest import SHORT, Cli

FEW = tuple(word for setting in SHORT for word in ("--set", setting))


@pytest.fixture
def run(decda: Cli) -> str:
    """A trained run's folder."""
    done = decda("train", *FEW, "--encoder", "fc", "--out", "run")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_trained_model_is_scored(decda: Cli, run: str, tmp_path: Path) -> None:
    """It has the scores of its run; people read them on stderr, and `--json` puts one object on stdout."""
    metrics = json.loads((tmp_path / run / "metrics.json").read_text())
    plain, machine = decda("evaluate", run), decda("evaluate", run, "--json")
    assert (plain.returncode, plain.stdout) == (0, "")
    assert f"ACC {metrics['acc']:.4f}" in plain.stderr
    assert "the images it was trained on" in plain.stderr
    result = json.loads(machine.stdout)
    assert {name: result[name] for name in ("acc", "nmi", "ari")} == {n: metrics[n] for n in ("acc", "nmi", "ari")}
    assert (result["run"], result["recipe"], result["dataset"]) == ("run", "quick", "digits")


def test_training_goes_on_from_pretrained_weights(decda: Cli, run: str, tmp_path: Path) -> None:
    """`--autoencoder` takes a run's folder or its file, and no epoch is made."""
    for path, out in ((run, "a"), (f"{run}/autoencoder.safetensors", "b")):
        done = decda("train", *FEW, "--encoder", "fc", "--autoencoder", path, "--out", out)
        assert done.returncode == 0, done.stderr
        assert "pretrain" not in done.stderr.replace("pretrained", "")
        assert (tmp_path / out / "labels.csv").read_bytes() == (tmp_path / run / "labels.csv").read_bytes()


def test_mistakes(decda: Cli, run: str, tmp_path: Path) -> None:
    """Each ends in one message and a code by kind."""
    for words, code, says in (
        (("evaluate", "nowhere"), 3, "nowhere is not the folder of a run"),
        (("evaluate",), 2, "RUN"),
        (("evaluate", run, "--set", "train.tol=1"), 2, "a trained model stays as it is"),
        (("evaluate", run, "--dataset", "digitz"), 2, "Did you mean 'digits'"),
        (("evaluate", run, "--set", "dataset.size=16"), 3, "of shape (1, 16, 16)"),
        (("train", *FEW, "--autoencoder", "nowhere"), 3, "There is no pretrained autoencoder at nowhere"),
        (("train", *FEW, "--encoder", "conv", "--autoencoder", run), 3, "do not fit the encoder 'conv'"),
    ):
        done = decda(*words)
        assert done.returncode == code, done.stderr
        assert says in done.stderr
        assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [run]
