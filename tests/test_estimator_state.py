"""Fitted estimators that leave the process: pickled, copied, saved without pickle, and fitted side by side."""

import copy
import json
import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import decda
from decda import DeepClustering
from decda.core.errors import DecdaError, UnknownComponent
from decda.core.parts.registry import Registry
from decda.estimator_errors import EstimatorError
from decda.plugins.heads.idec import IDEC
from tests.test_estimator import DIGITS, IRIS, SMALL, TABLE


class MyHead(IDEC):
    """A head that no package provides."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def table() -> DeepClustering:
    """An estimator fitted on a data frame, with parameters of many types."""
    parameters = {**TABLE, "train": {"batch_size": 64}, "head": {"name": "idec", "gamma": 0.2}, "n_jobs": 1}
    frame = pd.DataFrame(IRIS, columns=list("abcd"))
    return DeepClustering(**parameters, train__tol=np.float64(0.01)).fit(frame)


def assert_equal(copied: DeepClustering, original: DeepClustering, x: Any) -> None:
    """Two fitted estimators have the same parameters and attributes, and say the same."""
    assert copied.get_params() == original.get_params()
    np.testing.assert_array_equal(copied.labels_, original.labels_)
    np.testing.assert_array_equal(copied.cluster_centers_, original.cluster_centers_)
    np.testing.assert_array_equal(copied.transform(x), original.transform(x))
    np.testing.assert_array_equal(copied.predict_proba(x), original.predict_proba(x))
    assert copied.score(x) == original.score(x)
    assert (copied.n_iter_, copied.n_features_in_) == (original.n_iter_, original.n_features_in_)
    assert copied.run_.config.as_mapping() == original.run_.config.as_mapping()


@pytest.mark.parametrize("way", ["pickle", "deepcopy", "joblib", "save"])
def test_an_estimator_comes_back_equal(way: str, table: DeepClustering, folder: Path) -> None:
    """By pickle, copy, joblib or save, an estimator comes back with all that it knows."""
    if way == "pickle":
        copied = pickle.loads(pickle.dumps(table))
    elif way == "deepcopy":
        copied = copy.deepcopy(table)
    elif way == "joblib":
        joblib.dump(table, "model.joblib")
        copied = joblib.load("model.joblib", mmap_mode="r")
    else:
        table.save("model")
        copied = DeepClustering.load("model")
        assert copied.run_.folder == Path("model")
    frame = pd.DataFrame(IRIS, columns=list("abcd"))
    assert_equal(copied, table, frame)
    assert copied.feature_names_in_.tolist() == list("abcd")
    np.testing.assert_array_equal(clone(copied).fit(frame).labels_, table.labels_)
    with pytest.raises(ValueError, match="feature names should match"):
        copied.predict(frame[list("dcba")])


def test_unfitted_estimators_are_pickled_but_not_saved(folder: Path) -> None:
    """Before fit, pickle keeps the parameters, and there is nothing to save."""
    model = DeepClustering(4, head__gamma=0.2)
    assert pickle.loads(pickle.dumps(model)).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        model.save("model")
    assert os.listdir(folder) == []


def test_a_saved_estimator_is_the_folder_of_a_run(table: DeepClustering) -> None:
    """The folder holds what `decda train` leaves, and `decda.load` reads it; beside it stands estimator.json."""
    table.save(Path("deep") / "model")
    run = decda.load("deep/model")
    np.testing.assert_array_equal(run.labels, table.labels_)
    names = set(os.listdir("deep/model"))
    assert {"config.toml", "labels.csv", "metrics.json", "log.csv", "model.safetensors", "estimator.json"} <= names
    assert os.listdir("deep") == ["model"]
    again = DeepClustering.load("deep/model")
    again.save("again")
    for name in names:
        assert Path("again", name).read_bytes() == Path("deep/model", name).read_bytes(), name


def test_an_estimator_of_images_comes_back(folder: Path) -> None:
    """Images flattened or not are prepared as before after loading."""
    model = DeepClustering(**SMALL).fit(DIGITS)
    model.save("model")
    assert_equal(DeepClustering.load("model"), model, DIGITS)
    assert_equal(pickle.loads(pickle.dumps(model)), model, DIGITS.reshape(120, 64))


def test_a_class_comes_back() -> None:
    """A class that was handed over is pickled by reference; to load without pickle, it is handed over again."""
    model = DeepClustering(head=MyHead, **TABLE).fit(IRIS)
    assert_equal(pickle.loads(pickle.dumps(model)), model, IRIS)
    model.save("model")
    with pytest.raises(EstimatorError, match="Unknown head 'local:myhead'") as caught:
        DeepClustering.load("model")
    assert isinstance(caught.value.__cause__, UnknownComponent)
    registry = Registry.discover()
    registry.add("head", "myhead", MyHead)
    assert_equal(DeepClustering.load("model", registry=registry), model, IRIS)
    clone(model).set_params(head={"name": MyHead, "gamma": 0.3}).fit(IRIS).save("table")
    assert DeepClustering.load("table", registry=registry).head == {"name": MyHead, "gamma": 0.3}


def test_what_cannot_be_saved(table: DeepClustering, folder: Path) -> None:
    """A folder that exists is left alone, and so is everything if a parameter has no place in JSON."""
    (folder / "there").mkdir()
    with pytest.raises(EstimatorError, match="there exists already"):
        table.save("there")
    odd = copy.deepcopy(table)
    odd.n_clusters = np.zeros(3)
    with pytest.raises(EstimatorError, match="n_clusters cannot be saved without pickle: it is of type ndarray"):
        odd.save("odd")
    (folder / "file").touch()
    with pytest.raises(DecdaError, match="cannot be written"):
        table.save(folder / "file" / "model")
    assert sorted(os.listdir(folder)) == ["file", "there"]


def test_a_random_state_is_saved_as_the_seed_that_it_gave() -> None:
    """What comes back can be fitted again, to the same labels."""
    model = DeepClustering(**{**TABLE, "random_state": np.random.RandomState(0)}).fit(IRIS)
    model.save("model")
    loaded = DeepClustering.load("model")
    assert loaded.random_state == model.run_.config.seed
    np.testing.assert_array_equal(clone(loaded).fit(IRIS).labels_, model.labels_)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "was not made by DeepClustering.save"),
        ("{", "cannot be read"),
        ("[]", "not a JSON object"),
        ("{}", "is damaged, or was written by another version"),
        ('{"schema_version": 1}', "is damaged"),
        ('{"schema_version": 1, "parameters": 3, "feature_names_in": null}', "is damaged"),
        ('{"schema_version": 1, "parameters": {"head": {"local part": 3}}, "feature_names_in": null}', "Unknown head"),
    ],
)
def test_a_damaged_description(content: str | None, message: str, table: DeepClustering) -> None:
    """A description that is missing or damaged ends in one error that says so."""
    table.save("model")
    file = Path("model/estimator.json")
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(EstimatorError) as caught:
        DeepClustering.load("model")
    assert message in str(caught.value)


def test_nothing_is_unpickled(table: DeepClustering) -> None:
    """A saved estimator is data: estimator.json is JSON, and holds parameters alone."""
    table.save("model")
    description = json.loads(Path("model/estimator.json").read_text())
    assert set(description) == {"schema_version", "parameters", "feature_names_in"}
    assert description["parameters"]["train__tol"] == 0.01
    with pytest.raises(EstimatorError):
        DeepClustering.load("nowhere")


def test_side_by_side() -> None:
    """Estimators that joblib fits in two threads are those that are fitted one after the other."""
    models = [DeepClustering(**{**TABLE, "random_state": seed, "n_jobs": 1}) for seed in (0, 1)]
    fitted = joblib.Parallel(n_jobs=2, prefer="threads")(joblib.delayed(clone(model).fit)(IRIS) for model in models)
    for model, other in zip(models, fitted, strict=True):
        assert_equal(other, model.fit(IRIS), IRIS)
