"""What `DeepClustering` may be given: tables, images in any layout, and paths."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

import decda
from decda import DeepClustering
from decda.estimator_errors import EstimatorError
from decda.estimator_inputs import drawn
from tests.test_estimator import DIGITS, IRIS, SMALL, TABLE


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


def colour(n: int = 12) -> NDArray[np.uint8]:
    """Colour images of 9x11, channels last."""
    return np.random.default_rng(0).integers(0, 256, (n, 9, 11, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.tolist(),
        lambda x: torch.from_numpy(x),
        lambda x: torch.from_numpy(x).requires_grad_(),
        lambda x: np.asfortranarray(x),
        lambda x: x.astype(object),
    ],
    ids=["lists", "tensor", "tensor with gradient", "Fortran order", "objects"],
)
def test_a_table_may_come_as(convert: Any, table: DeepClustering) -> None:
    """Lists, tensors, arrays of any order and type lead to the same labels."""
    np.testing.assert_array_equal(DeepClustering(**TABLE).fit(convert(IRIS)).labels_, table.labels_)
    np.testing.assert_array_equal(table.predict(convert(IRIS)), table.labels_)


def test_names_of_columns(table: DeepClustering) -> None:
    """A DataFrame gives names to the features, which are compared later on; embeddings get names, too."""
    frame = pd.DataFrame(IRIS, columns=list("abcd"))
    model = DeepClustering(**TABLE).fit(frame).set_output(transform="pandas")
    np.testing.assert_array_equal(model.labels_, table.labels_)
    assert model.feature_names_in_.tolist() == list("abcd")
    assert list(model.transform(frame).columns[:2]) == ["deepclustering0", "deepclustering1"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.score(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("dcba")])
    assert not hasattr(model.set_params(encoder="fc", augment="none").fit(DIGITS), "feature_names_in_")


@pytest.mark.parametrize("layout", ["last", "first", "tensor", "rows"])
def test_images_may_come_as(layout: str) -> None:
    """Channels first or last, tensors, and rows of a declared shape: all lead to the same labels."""
    x = colour()
    given: Any = {
        "last": x,
        "first": x.transpose(0, 3, 1, 2),
        "tensor": torch.from_numpy(x).permute(0, 3, 1, 2),
        "rows": x.reshape(12, -1),
    }[layout]
    shape = {"image_shape": (9, 11, 3)} if layout == "rows" else {}
    model = DeepClustering(n_clusters=2, encoder="fc", encoder__hidden=(32,), augment="none", **shape, **SMALL)
    assert model.fit(given).n_features_in_ == 297
    np.testing.assert_array_equal(model.predict(given), model.labels_)
    np.testing.assert_array_equal(model.predict(np.asarray(given).reshape(12, -1)), model.labels_)
    expected = decda.train(
        x, n_clusters=2, encoder={"name": "fc", "hidden": (32,)}, augment="none", head="idec", seed=0, progress=False,
        train={"pretrain_epochs": 5, "max_iter": 10},
    )  # fmt: skip
    np.testing.assert_array_equal(model.labels_, expected.labels)
    with pytest.raises(ValueError, match="12"):
        model.predict(np.zeros((2, 12, 12), dtype=np.uint8))


def test_gray_images(images: DeepClustering) -> None:
    """Images get the convolutional network and a small affine; flattened, they get the same clusters."""
    assert images.n_features_in_ == 64
    assert images.run_.config.encoder.short == "conv"
    assert images.run_.config.augment.short == "affine"
    np.testing.assert_array_equal(images.predict(DIGITS.reshape(120, 64)), images.predict(DIGITS))


def test_data_that_make_no_sense(images: DeepClustering) -> None:
    """Images that cannot be clustered are refused as ValueError, and so are a missing path and a ragged list."""
    for data in (DIGITS * 300, np.full_like(DIGITS, np.nan), "nothing", Path("nothing"), [[1, 2], [3]]):
        with pytest.raises(EstimatorError):
            DeepClustering(**SMALL).fit(data)
    with pytest.raises(ValueError, match="64 features"):
        images.predict(IRIS)
    with pytest.raises(ValueError, match=r"\(1, 9, 9\)"):
        images.predict(np.zeros((3, 9, 9)))


def photographs(folder: Path) -> Path:
    """A folder of 30 colour images of three sizes, and a file that is no image."""
    path = folder / "photographs"
    path.mkdir()
    random = np.random.default_rng(0)
    for number in range(30):
        pixels = random.integers(0, 256, (20 + number % 3, 22, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path / f"{number:02}.png")
    (path / "broken.png").write_text("no image")
    return path


def test_a_folder_of_images(folder: Path) -> None:
    """A path, also as a text, is read as by `decda.train`, with settings of the folder and without unreadable files."""
    path = photographs(folder)
    parameters = {**SMALL, "n_clusters": 2, "encoder": "fc", "encoder__hidden": (32,), "dataset__size": "16x18"}
    model = DeepClustering(**parameters).fit(path)
    assert (model.labels_.shape, model.n_features_in_) == ((30,), 3 * 16 * 18)
    np.testing.assert_array_equal(DeepClustering(**parameters).fit(str(path)).labels_, model.labels_)
    run = decda.train(
        {"name": "folder", "path": path, "size": "16x18"}, n_clusters=2, head="idec", seed=0, progress=False,
        encoder={"name": "fc", "hidden": (32,)}, train={"pretrain_epochs": 5, "max_iter": 10},
    )  # fmt: skip
    np.testing.assert_array_equal(model.labels_, run.labels)
    with pytest.warns(UserWarning, match="1 images cannot be read and have no row"):
        np.testing.assert_array_equal(model.predict(path), model.labels_)
    with pytest.warns(UserWarning, match="have no row"):
        assert model.transform(str(path)).shape == (30, 10)
    assert -1 <= model.score(path) <= 1


def test_a_file_of_numbers(folder: Path, table: DeepClustering) -> None:
    """Numbers from a file are clustered and scored as the same numbers in memory; with a shape they are images."""
    np.savetxt("iris.csv", IRIS, delimiter=",", fmt="%.17g")
    model = DeepClustering(**TABLE).fit("iris.csv")
    np.testing.assert_array_equal(model.labels_, table.labels_)
    np.testing.assert_array_equal(model.predict(IRIS), model.labels_)
    assert model.score("iris.csv") == pytest.approx(table.score(IRIS), abs=1e-6)
    np.save("rows.npy", DIGITS.reshape(120, 64))
    images = DeepClustering(image_shape=(8, 8), encoder="fc", augment="none", **SMALL).fit(Path("rows.npy"))
    assert images.run_.input_shape == (1, 8, 8)
    assert images.score("rows.npy") == pytest.approx(images.score(DIGITS), abs=1e-6)


def test_a_registered_data_set_by_its_name() -> None:
    """A text that is no path names a data set, with its settings."""
    short = {"pretrain_epochs": 1, "max_iter": 2, "encoder__hidden": (32,), "train__batch_size": 512}
    model = DeepClustering(10, encoder="fc", augment="none", dataset__size=8, **short).fit("digits")
    assert (model.labels_.shape, model.run_.input_shape) == ((1797,), (1, 8, 8))
    assert model.run_.metrics["acc"] > 0.1


def test_rows_are_drawn_the_same_every_time() -> None:
    """Of many rows, as many as the limit are drawn without repetition, in order, wherever the global generator is."""
    positions = drawn(5000, 2000)
    assert len(np.unique(positions)) == len(positions) == 2000
    assert (np.diff(positions) > 0).all()
    assert positions[-1] > 4900
    np.random.rand(3)
    np.testing.assert_array_equal(drawn(5000, 2000), positions)
    np.testing.assert_array_equal(drawn(7, 2000), np.arange(7))
