"""`DeepClustering`, as users of scikit-learn use it."""

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import decda
from decda import DeepClustering
from tests.conftest import Here

SMALL: dict[str, Any] = {"pretrain_epochs": 5, "max_iter": 10, "random_state": 0}
TABLE: dict[str, Any] = {**SMALL, "n_clusters": 3, "encoder__hidden": (32,)}
IRIS = load_iris().data
DIGITS: NDArray[np.float32] = load_digits().images[:120].astype(np.float32) / 16


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def table() -> DeepClustering:
    """An estimator fitted on a table."""
    return DeepClustering(**TABLE).fit(IRIS)


@pytest.fixture(scope="module")
def images() -> DeepClustering:
    """An estimator fitted on images of 8x8."""
    return DeepClustering(**SMALL).fit(DIGITS)


def test_a_table_is_clustered_well() -> None:
    """On iris, a short training finds most of the species; attributes have the shapes they should."""
    model = DeepClustering(**{**TABLE, "pretrain_epochs": 50, "max_iter": 60}).fit(IRIS)
    assert adjusted_rand_score(load_iris().target, model.labels_) > 0.5
    assert (model.labels_.shape, model.cluster_centers_.shape, model.n_features_in_) == ((150,), (3, 10), 4)
    assert 1 <= model.n_iter_ <= 60
    assert model.run_.config.encoder.short == "fc"
    assert model.run_.config.augment.short == "none"


def test_clusters_may_be_counted() -> None:
    """With n_clusters="auto" the centers are as many as were found, and parameters stay as they were given."""
    model = DeepClustering(**{**TABLE, "n_clusters": "auto", "train__n_clusters_range": (2, 6)}).fit(IRIS)
    assert model.cluster_centers_.shape == (model.run_.config.n_clusters, 10)
    assert 2 <= model.run_.config.n_clusters <= 6
    assert model.get_params()["n_clusters"] == "auto"


def test_methods_agree(table: DeepClustering) -> None:
    """The label is the largest soft assignment, fit_predict and predict give the labels, transform the embedding."""
    q = table.predict_proba(IRIS)
    assert q.shape == (150, 3)
    np.testing.assert_allclose(q.sum(1), 1, rtol=1e-5)
    np.testing.assert_array_equal(table.predict(IRIS), q.argmax(1))
    np.testing.assert_array_equal(table.predict(IRIS), table.labels_)
    np.testing.assert_array_equal(clone(table).fit_predict(IRIS), table.labels_)
    np.testing.assert_allclose(clone(table).fit_transform(IRIS), table.transform(IRIS), rtol=1e-6)
    np.testing.assert_allclose(table.run_.embed(IRIS), table.transform(IRIS), rtol=1e-4, atol=1e-6)


def test_the_estimator_and_train_give_equal_labels() -> None:
    """With one seed, `decda.train` and the estimator make the same run, of images and of a table."""
    short = {"pretrain_epochs": 5, "max_iter": 10}
    run = decda.train(DIGITS, n_clusters=10, train=short, seed=3, progress=False)
    model = DeepClustering(**{**SMALL, "random_state": 3}).fit(DIGITS)
    np.testing.assert_array_equal(model.labels_, run.labels)
    assert {**model.run_.config.as_mapping()} == run.config.as_mapping()
    run = decda.train(IRIS, n_clusters=3, encoder={"hidden": (32,)}, train=short, seed=3, progress=False)
    np.testing.assert_array_equal(DeepClustering(**{**TABLE, "random_state": 3}).fit(IRIS).labels_, run.labels)


def test_three_doors_lead_to_one_experiment(here: Here) -> None:
    """With one seed, the command, `decda.train` and the estimator give equal labels."""
    np.save("x.npy", DIGITS)
    words = ["--set", "train.pretrain_epochs=5", "--set", "train.max_iter=10", "--n-clusters", "10", "--threads", "1"]
    code, _, err = here("train", "--images", "x.npy", "--seed", "3", *words, "--out", "command")
    assert code == 0, err
    model = DeepClustering(**{**SMALL, "random_state": 3}).fit(np.load("x.npy"))
    np.testing.assert_array_equal(model.labels_, decda.load("command").labels)
    np.testing.assert_array_equal(DeepClustering(**{**SMALL, "random_state": 3}).fit("x.npy").labels_, model.labels_)


def test_a_row_does_not_depend_on_those_beside_it() -> None:
    """Alone, in another order or in a batch, a row gets the same embedding, closer than rounding would have it."""
    model = DeepClustering(n_clusters=3, pretrain_epochs=1, max_iter=1, random_state=0).fit(IRIS)
    x, order = IRIS[:20], np.random.default_rng(0).permutation(20)
    whole = model.transform(x)
    np.testing.assert_allclose(np.concatenate([model.transform(row[None]) for row in x]), whole, 1e-7, 1e-9)
    np.testing.assert_allclose(model.transform(x[order]), whole[order], 1e-7, 1e-9)


def test_grid_search_over_heads_and_settings() -> None:
    """GridSearchCV tries heads and settings of them, and refits the best."""
    grid = [{"head": ["dec", "idec"]}, {"head__gamma": [0.05, 0.5]}]
    search = GridSearchCV(DeepClustering(**TABLE), grid, cv=2).fit(IRIS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(IRIS).shape == (150,)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])


def test_in_a_pipeline() -> None:
    """A pipeline clusters what its first step makes, and its nested names reach the parts."""
    pipeline = make_pipeline(MinMaxScaler(), DeepClustering(**TABLE)).set_params(deepclustering__head__gamma=0.3)
    assert pipeline.fit_predict(IRIS).shape == (150,)
    assert pipeline[-1].run_.config.head.parameters["gamma"] == 0.3
    assert pipeline.transform(IRIS).shape == (150, 10)


def test_the_score_is_a_silhouette_in_the_space_of_the_data(table: DeepClustering) -> None:
    """It is the textbook's silhouette of the labels; neither units of columns nor the embedding change it."""
    x = IRIS / IRIS.std(0)
    labels = table.labels_
    distances = np.sqrt(((x[:, None] - x[None]) ** 2).sum(2))
    values = []
    for i in range(150):
        means = {k: distances[i, (labels == k) & (np.arange(150) != i)].mean() for k in np.unique(labels)}
        own = means.pop(labels[i])
        values.append((min(means.values()) - own) / max(own, min(means.values())))
    assert table.score(IRIS) == pytest.approx(np.mean(values), abs=1e-9)
    assert isinstance(table.score(IRIS), float)


def test_of_many_rows_the_same_ones_are_scored(images: DeepClustering) -> None:
    """From more than 2,000 rows a score is drawn, the same every time; from one row it is the worst."""
    many = np.tile(DIGITS, (20, 1, 1))
    assert images.score(many) == images.score(many)
    assert -1 < images.score(many) < 1
    assert images.score(DIGITS[:1]) == -1


def test_nothing_is_left_behind(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fitting leaves no file, says nothing, and changes neither a global seed nor the number of threads."""
    (folder / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder / "temporary"))
    torch.manual_seed(0)
    states = torch.get_rng_state(), np.random.get_state()[1], torch.get_num_threads()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = DeepClustering(n_jobs=2, **TABLE).fit(IRIS)
    assert os.listdir(folder) == ["temporary"]
    assert os.listdir(folder / "temporary") == []
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.get_rng_state(), states[0])
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])
    assert torch.get_num_threads() == states[2]
    assert str(model.run_.folder) == "unsaved"


def test_clusters_keep_their_numbers_where_some_are_lost(
    table: DeepClustering, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster without images leaves a gap: labels, columns and centers are those of the run."""
    model = DeepClustering(**{**TABLE, "n_clusters": 40, "max_iter": 200, "train__tol": 0.0}).fit(IRIS)
    used = len(np.unique(model.labels_))
    np.testing.assert_array_equal(model.labels_, model.run_.labels)
    assert (model.cluster_centers_.shape, model.predict_proba(IRIS).shape) == ((40, 10), (150, 40))
    assert (used < 40) == any("40 clusters" in warning for warning in model.run_.warnings)
