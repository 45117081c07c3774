"""A finished run and its predictions for new images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from decda.core.config.composition import compose
from decda.core.errors import BrokenComponent, DataError, OutOfMemory
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run
from decda.core.runs.inference import load_run
from decda.core.runs.run import Run
from decda.plugins.heads.idec import IDEC
from tests.conftest import SHORT


@pytest.fixture(scope="module")
def trained(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run on digits."""
    return run(
        compose(registry, parts={"encoder": "fc"}, settings=SHORT), registry, Files(offline=True),
        out=tmp_path_factory.mktemp("runs") / "run",
    )  # fmt: skip


@pytest.fixture
def digits(registry: Registry) -> np.ndarray:
    x: np.ndarray = registry.load(registry.find("dataset", "digits")).factory(size=8).x.numpy()
    return x


def test_predictions_on_the_training_images_are_its_labels(trained: Run, digits: np.ndarray) -> None:
    """Predictions on the training images equal the labels of the run in every layout, and nothing is written."""
    before = {path.name: path.read_bytes() for path in trained.folder.iterdir()}
    for images in (
        digits,
        digits[:, 0],
        digits.transpose(0, 2, 3, 1),
        torch.from_numpy(digits),
        digits.reshape(1797, 64),
    ):
        assert np.array_equal(trained.predict(images), trained.labels)
    q = trained.soft_assign(digits)
    assert np.array_equal(q.max(1), trained.confidence)
    assert (q.shape, q.dtype, trained.predict(digits[:3]).dtype) == ((1797, 10), np.float32, np.int64)
    assert trained.embed(digits[:7]).shape == (7, 10)
    assert {path.name: path.read_bytes() for path in trained.folder.iterdir()} == before


def test_repr_of_a_run(trained: Run) -> None:
    """The repr of a run states its folder, its size and its accuracy."""
    assert repr(trained).startswith(f"<Run {trained.folder}: 1797 images in 10 clusters, ACC 0.")
    assert sum(trained.sizes) == 1797


def test_images_that_do_not_fit_are_refused(trained: Run) -> None:
    """Images of another shape are refused, and the error states both shapes."""
    with pytest.raises(DataError, match=r"\(1, 9, 9\).*trained on images of shape \(1, 8, 8\)"):
        trained.predict(np.zeros((2, 9, 9)))


@pytest.mark.parametrize(
    ("failure", "error", "says"),
    [
        (RuntimeError("no such device"), BrokenComponent, "head 'idec' of decda .* failed in use: RuntimeError"),
        (torch.OutOfMemoryError("CUDA out of memory"), OutOfMemory, "Out of memory in use: 2 images of 1x8x8"),
    ],
)
def test_failures_in_use_are_explained(
    trained: Run, monkeypatch: pytest.MonkeyPatch, failure: Exception, error: type[Exception], says: str
) -> None:
    """A failing part is named; running out of memory is reported as such, with the sizes involved."""

    def fail(self: object, z: torch.Tensor) -> torch.Tensor:
        raise failure

    monkeypatch.setattr(IDEC, "soft_assign", fail)
    with pytest.raises(error, match=says):
        trained.predict(np.zeros((2, 8, 8)))


def test_a_run_loads_without_its_data_set(trained: Run, registry: Registry, digits: np.ndarray) -> None:
    """If the data set is no longer registered, the model still predicts."""
    without = Registry(entry for entry in registry if entry.kind != "dataset")
    loaded = load_run(trained.folder, without)
    assert np.array_equal(loaded.predict(digits), trained.labels)
    assert loaded.config.dataset == trained.config.dataset
    assert loaded.warnings == trained.warnings


def test_images_by_their_path(finished_run: Path, registry: Registry, tmp_path: Path) -> None:
    """A run predicts and embeds what lies at a path as it does the same pixels in an array."""
    run = load_run(finished_run, registry)
    x = np.random.default_rng(0).integers(0, 256, (7, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    for path in (tmp_path / "x.npy", str(tmp_path / "x.npy")):
        assert np.array_equal(run.predict(path), run.predict(x))
        assert np.allclose(run.embed(path), run.embed(x), atol=1e-6)
    with pytest.raises(DataError, match="There is nothing at"):
        run.predict(tmp_path / "nothing")


def test_images_that_cannot_be_read_are_told(finished_run: Path, registry: Registry, tmp_path: Path) -> None:
    """A folder with a broken image gives a row for each of the others, and a warning."""
    run = load_run(finished_run, registry)
    Image.new("L", (8, 8), 90).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"1 images cannot be read and have no row \(the first is b\.png: it is empty"):
        assert run.predict(tmp_path).shape == (1,)
