"""A trained model assigns images that are read part by part."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from decda.core.contracts import ImageSource
from decda.core.errors import ContractViolation, DataError
from decda.core.events import Event, ImagesRead, ImagesSkipped
from decda.core.parts.registry import Registry
from decda.core.runs import prediction
from decda.core.runs.inference import load_run
from decda.core.runs.prediction import Prediction, predict_all
from decda.core.runs.run import Run


class Given(ImageSource):
    """Images in memory, some of which cannot be read."""

    def __init__(self, x: Tensor, unreadable: Mapping[int, str] | None = None, names: Sequence[str] | None = None):
        self.x = x
        self.shape = tuple(x.shape)  # type: ignore[assignment]
        self.dtype = x.dtype
        self.unreadable = unreadable or {}
        self.names = names
        self.parts: list[tuple[int, int]] = []

    def read(self, start: int, stop: int) -> tuple[Tensor, Mapping[int, str]]:
        """Some images."""
        self.parts.append((start, stop))
        failed = {position: why for position, why in self.unreadable.items() if start <= position < stop}
        x = self.x[start:stop].clone()
        for position in failed:
            x[position - start] = torch.nan if x.is_floating_point() else 7  # what stands there means nothing
        return x, failed


@pytest.fixture
def run(finished_run: Path, registry: Registry, tmp_path: Path) -> Run:
    """A finished run on 8x8 images."""
    return load_run(Path(shutil.copytree(finished_run, tmp_path / "run")), registry)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of 16 images; 32 of bytes are read together, or 16 of floats."""
    monkeypatch.setattr(prediction, "CHUNK", 32 * 64)
    monkeypatch.setattr(prediction, "embedding_batch", lambda shape, device: 16)


def pixels(n: int, dtype: torch.dtype = torch.uint8) -> Tensor:
    """Random images."""
    x = torch.randint(0, 256, (n, 1, 8, 8), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    return x if dtype == torch.uint8 else x.float() / 255


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("n", [1, 5000])
def test_numbers_are_those_of_an_array(run: Run, n: int, dtype: torch.dtype) -> None:
    """Labels, soft assignments and embeddings are, to the bit, those that the run gives for the same array."""
    x = pixels(n, dtype)
    found = predict_all(run, Given(x))
    assert np.array_equal(found.labels, run.predict(x))
    assert np.array_equal(found.q, run.soft_assign(x))
    assert np.array_equal(found.confidence, run.soft_assign(x).max(1))
    assert np.array_equal(found.z, run.embed(x))
    assert (found.names, found.skipped) == (None, [])


def test_the_distance_is_that_to_the_own_center(run: Run) -> None:
    """The distance of an image is that of its embedding to the center of its cluster."""
    found = predict_all(run, Given(pixels(40)))
    centers = run.model.head.centers.detach().numpy()
    for z, label, distance in zip(found.z, found.labels, found.distance, strict=True):
        assert distance == pytest.approx(np.sqrt(((z.astype(float) - centers[label]) ** 2).sum()), rel=1e-5)


def test_no_part_holds_more_than_a_few_batches(run: Run, small_parts: None) -> None:
    """Images are read in parts of bounded size, in their order, each once."""
    source = Given(pixels(100))
    assert [(part.start, len(part.z)) for part in Prediction(run, source)] == [(0, 32), (32, 32), (64, 32), (96, 4)]
    assert source.parts == [(0, 32), (32, 64), (64, 96), (96, 100)]


def test_many_clusters_make_small_parts(run: Run, small_parts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soft assignments are bounded, too: of many clusters fewer images are read together, whole batches at least."""
    monkeypatch.setattr(prediction, "NUMBERS", 170)  # 17 images in 10 clusters
    assert [len(part.z) for part in Prediction(run, Given(pixels(40)))] == [16, 16, 8]


def test_images_that_cannot_be_read_are_left_out(run: Run, small_parts: None) -> None:
    """Unreadable images are left out and told; the others are batched as if those had never been there."""
    names = [f"{position}.png" for position in range(100)]
    why = {0: "it is empty", 40: "it is truncated", 99: "it is no image"}
    source = Given(pixels(100, torch.float32), why, names)
    source.skipped = (("before.png", "it is a folder"),)
    events: list[Event] = []
    prediction = Prediction(run, source, notify=events.append)
    parts = list(prediction)
    good = [position for position in range(100) if position not in why]
    assert [name for part in parts for name in part.names or ()] == [names[position] for position in good]
    assert [len(part.z) for part in parts] == [16, 16, 16, 16, 16, 17]
    assert np.array_equal(np.concatenate([part.labels for part in parts]), run.predict(source.x[good]))
    skipped = [("before.png", "it is a folder"), *((names[position], reason) for position, reason in why.items())]
    assert prediction.skipped == skipped
    assert events[-1] == ImagesSkipped(skipped, 101)
    assert [event for event in events if isinstance(event, ImagesRead)][-1] == ImagesRead(100, 100)
    assert (prediction.n_samples, sum(prediction.sizes)) == (97, 97)
    assert prediction.sizes == np.bincount(run.predict(source.x[good]), minlength=10).tolist()


def test_nothing_can_be_read(run: Run) -> None:
    """If no image can be read, the error states how many there are, and the first with its reason."""
    with pytest.raises(DataError, match=r"None of 3 images can be read; image 0: it is empty\."):
        predict_all(run, Given(pixels(3), dict.fromkeys(range(3), "it is empty")))


def test_images_of_another_shape(run: Run) -> None:
    """Images of another shape are refused before any is read."""
    source = Given(torch.zeros(3, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(DataError, match=r"shape \(3, 8, 8\) .*trained on images of shape \(1, 8, 8\)"):
        Prediction(run, source)
    assert source.parts == []


@pytest.mark.parametrize(("value", "says"), [(torch.nan, "not finite"), (2.0, r"not in \[0, 1\]")])
def test_pixels_that_are_none(run: Run, small_parts: None, value: float, says: str) -> None:
    """Pixels that are not finite or out of range are an error that names the image, as in training."""
    x = pixels(100, torch.float32)
    x[70, 0, 3, 3] = value
    with pytest.raises(DataError, match=f"{says}.*70 of the set, x70.png"):
        predict_all(run, Given(x, names=[f"x{position}.png" for position in range(100)]))


def test_a_source_that_breaks_its_promise(run: Run) -> None:
    """A source that returns other images than it was asked for is refused."""
    source = Given(pixels(10))
    source.read = lambda start, stop: (torch.zeros(2, 1, 8, 8), {})  # type: ignore[method-assign]
    with pytest.raises(ContractViolation, match=r"returned torch.float32 \(2, 1, 8, 8\)"):
        predict_all(run, source)


def test_rows_of_a_table(run: Run) -> None:
    """Where a source has no range of values, any finite numbers are embedded."""
    x = pixels(5, torch.float32) * 10 - 3
    source = Given(x)
    source.value_range = None
    assert np.array_equal(predict_all(run, source).z, run.model.embed(x).numpy())
