"""`decda evaluate` and `decda train --autoencoder` from their users' perspective."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import decda
from tests.conftest import SHORT, Here

FEW = tuple(word for setting in SHORT for word in ("--set", setting))


@pytest.fixture
def run(finished_run: Path, here: Here) -> str:
    """The folder of a finished run."""
    shutil.copytree(finished_run, "run")
    return "run"


def test_a_trained_model_is_scored(here: Here, run: str) -> None:
    """The scores are those of the run; they are printed to stderr, or with `--json` as one object to stdout."""
    metrics = json.loads(Path(run, "metrics.json").read_text())
    code, out, err = here("evaluate", run)
    assert (code, out) == (0, "")
    assert f"ACC {metrics['acc']:.4f}" in err
    assert "the images it was trained on" in err
    result = json.loads(here("evaluate", run, "--json")[1])
    assert {name: result[name] for name in ("acc", "nmi", "ari")} == {n: metrics[n] for n in ("acc", "nmi", "ari")}
    assert (result["run"], result["recipe"], result["dataset"]) == ("run", "quick", "digits")


def test_training_from_pretrained_weights(here: Here, run: str) -> None:
    """`--autoencoder` accepts the folder of a run or its weights file, and skips pretraining."""
    for path, out in ((run, "a"), (f"{run}/autoencoder.safetensors", "b")):
        code, _, err = here("train", *FEW, "--encoder", "fc", "--autoencoder", path, "--out", out)
        assert code == 0, err
        assert "pretrain" not in err.replace("pretrained", "")
        assert Path(out, "labels.csv").read_bytes() == Path(run, "labels.csv").read_bytes()


def test_mistakes(here: Here, run: str, tmp_path: Path) -> None:
    """Each mistake prints one message, and the exit code depends on its kind."""
    for words, expected, says in (
        (("evaluate", "nowhere"), 3, "nowhere is not the folder of a run"),
        (("evaluate",), 2, "RUN"),
        (("evaluate", run, "--set", "train.tol=1"), 2, "a trained model stays as it is"),
        (("evaluate", run, "--dataset", "digitz"), 2, "Did you mean 'digits'"),
        (("evaluate", run, "--set", "dataset.size=16"), 3, "of shape (1, 16, 16)"),
        (("train", *FEW, "--autoencoder", "nowhere"), 3, "There is no pretrained autoencoder at nowhere"),
        (("train", *FEW, "--encoder", "conv", "--autoencoder", run), 3, "do not fit the encoder 'conv'"),
    ):
        code, _, err = here(*words)
        assert code == expected, err
        assert says in err
        assert "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == [run]


def test_rows_of_another_table_are_not_scaled_by_their_own_numbers(here: Here) -> None:
    """Another table is scaled by the numbers of the run, or refused; labels of the first one are not used for it."""
    rows = np.random.default_rng(0).normal(size=(20, 3))
    np.save("one.npy", rows)
    np.save("two.npy", rows * 7 + 100)
    np.save("labels.npy", np.arange(20) % 2)
    few = ("--set", "train.pretrain_epochs=1", "--set", "train.max_iter=2")
    words = ("train", "--images", "one.npy", "--set", "dataset.labels=labels.npy", *few, "--out", "run")
    assert here(*words)[0] == 0
    code, out, err = here("evaluate", "run", "--set", "dataset.path=two.npy", "--json")
    assert code == 0, err
    assert json.loads(out)["trained_on_these"] is False
    assert json.loads(out)["acc"] is None
    decda.train(rows, n_clusters=2, train={"pretrain_epochs": 1, "max_iter": 2}, out="python", progress=False)
    code, _, err = here("evaluate", "python", "--dataset", "arrays", "--set", "dataset.path=two.npy")
    assert code == 3
    assert "would be scaled by its own numbers" in err


def test_the_folder_of_several_seeds(here: Here, run: str) -> None:
    """A folder of several runs is no run: one of them has to be named."""
    shutil.copytree(run, "many/seed-0")
    shutil.copy("run/config.toml", "many")
    Path("many/seeds.json").write_text('{"seeds": [0, 1], "recipe": "quick", "threads": null}')
    code, _, err = here("evaluate", "many")
    assert code == 3
    assert "holds the runs of several seeds. Name one of them, such as many/seed-0" in " ".join(err.split())
