"""The images of a run are checked and hashed without copying them."""

import hashlib
import tracemalloc
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
import pytest
import torch

from decda.core.config.composition import compose
from decda.core.config.run_config import PartConfig
from decda.core.contracts import ImageSet, ImageSource
from decda.core.errors import ContractViolation, DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs import images as images_module
from decda.core.runs.images import check_distinct, check_images, chunks, hash_images, load_images, open_images


def test_the_hash_covers_type_shape_and_bytes() -> None:
    """Equal bytes with another shape or dtype hash differently; a copy hashes the same."""
    x = torch.zeros(4, 1, 2, 2)
    digests = {hash_images(y) for y in (x, x.view(2, 2, 2, 2), torch.zeros(16, 1, 2, 2, dtype=torch.uint8), x + 1)}
    assert len(digests) == 4
    assert hash_images(x.clone()) == hash_images(x)
    assert hash_images(x) == hashlib.sha256(b"torch.float32 (4, 1, 2, 2)" + bytes(64)).hexdigest()


def test_the_chunk_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the digest nor the image named by an error depends on the size of the chunks."""
    x = torch.rand(50, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    whole = hash_images(x)
    monkeypatch.setattr(images_module, "CHUNK", 20)
    assert [len(chunk) for chunk in chunks(x)] == [2] * 25
    assert hash_images(x) == whole
    x[33, 0, 1, 1] = 1.5
    x[41, 0, 0, 0] = -0.5
    with pytest.raises(DataError, match=r"2 of 50 images have pixels that are not in \[0, 1\]; the first is image 33"):
        check_images(ImageSet(x), "data")
    x[7, 0, 2, 2] = torch.nan
    with pytest.raises(DataError, match="1 of 50 images have pixels that are not finite.*image 7"):
        check_images(ImageSet(x), "data")


def test_images_are_not_copied() -> None:
    """Checking and hashing 100 MB of images needs at most a tenth of that in extra memory."""
    x = torch.from_numpy(np.zeros((400, 1, 256, 256), np.float32))
    tracemalloc.start()
    try:
        check_images(ImageSet(x), "data")
        hash_images(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes / 10


class Counted(torch.Tensor):
    """Images that count how many of them are looked at."""

    looked = 0

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Each image."""
        for image in self.as_subclass(torch.Tensor):
            Counted.looked += 1
            yield image


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_there_must_be_as_many_different_images_as_clusters(dtype: torch.dtype) -> None:
    """Constant images, one image, and fewer different ones than clusters are refused, saying how many there are."""
    x = torch.zeros(40, 1, 2, 2, dtype=dtype)
    with pytest.raises(
        DataError, match="data set 'd' cannot be divided into 3 clusters: all its 40 images are equal"
    ) as e:
        check_distinct(ImageSet(x), 3, "data set 'd'")
    assert (e.value.exit_code, e.value.parameter) == (3, "n_clusters")
    with pytest.raises(DataError, match="all its 1 images are equal"):
        check_distinct(ImageSet(x[:1]), 2, "d")
    x[17, 0, 1, 1] = 1
    with pytest.raises(DataError, match="only 2 of its 40 images are distinct. Give other images, or fewer clusters"):
        check_distinct(ImageSet(x), 3, "d")
    check_distinct(ImageSet(x), 2, "d")
    x[39, 0, 0, 0] = 1
    check_distinct(ImageSet(x), 3, "d")


def test_negative_zero_is_zero() -> None:
    """Images that differ in the sign of zero alone are equal."""
    x = torch.zeros(2, 1, 1, 1)
    x[0] = -0.0
    with pytest.raises(DataError, match="all its 2 images are equal"):
        check_distinct(ImageSet(x), 2, "d")


def test_distinct_images_are_found_at_once() -> None:
    """On a set of different images, no more of them are looked at than there are clusters."""
    x = torch.arange(10_000, dtype=torch.float32).view(-1, 1, 1, 1).as_subclass(Counted)
    check_distinct(ImageSet(x), 10, "d")
    assert Counted.looked == 10


@pytest.mark.parametrize(("settings", "refused"), [({}, True), ({"channels": "first"}, False)])
def test_channels_that_seem_to_come_last(registry: Registry, settings: dict[str, str], refused: bool) -> None:
    """Images that seem to have their channels last are refused, unless the data set says that it has looked."""

    def mine(*, channels: Annotated[str, "where they are"] = "") -> ImageSet:
        return ImageSet(torch.rand(5, 28, 28, 3), settings=settings)

    own = registry.copy()
    own.add("dataset", "mine", mine)
    config = compose(own, parts={"dataset": "mine"})
    if refused:
        with pytest.raises(DataError, match=r"seem to come last.*permute\(0, 3, 1, 2\)"):
            load_images(config, own, Files(offline=True))
    else:
        assert load_images(config, own, Files(offline=True)).x.shape == (5, 28, 28, 3)


class Odd(ImageSource):
    """A source that describes itself as a test says."""

    def __init__(self, **attributes: Any):
        self.shape, self.dtype = (5, 1, 8, 8), torch.uint8
        for name, value in attributes.items():
            setattr(self, name, value)

    def read(self, start: int, stop: int) -> Any:
        return torch.zeros(stop - start, 1, 8, 8, dtype=torch.uint8), {}


@pytest.mark.parametrize(
    ("attributes", "error", "says"),
    [
        ({"shape": (5, 8, 8)}, ContractViolation, "must state the shape"),
        ({"shape": (0, 1, 8, 8)}, ContractViolation, "must state the shape"),
        ({"shape": [5, 1, 8, 8]}, ContractViolation, "must state the shape"),
        ({"dtype": torch.float64}, ContractViolation, "must state their dtype"),
        ({"settings": None}, ContractViolation, "settings as a mapping"),
        ({"settings": {"size": 3}}, ContractViolation, "no parameter 'size'"),
        ({"settings": {"contrast": [1]}}, ContractViolation, "'contrast' must be a finite number"),
        ({"names": ["a"]}, ContractViolation, "one name for each"),
        ({"y": [1, 2]}, DataError, "(?i)labels"),
    ],
)
def test_sources_that_describe_themselves_wrongly(
    registry: Registry, attributes: dict[str, Any], error: type[Exception], says: str
) -> None:
    """A source is checked when it is opened, before anything is read."""

    def mine(*, contrast: Annotated[float, "of the images"] = 1.0) -> ImageSource:
        return Odd(**attributes)

    own = registry.copy()
    own.add("dataset", "mine", mine)
    with pytest.raises(error, match=says):
        open_images(PartConfig("local:mine", {"contrast": 1.0}), own, Files(offline=True))


def test_labels_of_a_source_may_be_of_any_kind(registry: Registry) -> None:
    """Labels of a source become classes as those of an array do; settings get the declared type."""

    def mine(*, contrast: Annotated[float, "of the images"] = 1.0) -> ImageSource:
        return Odd(y=["a", "b", "a", "b", "c"], settings={"contrast": 2})

    own = registry.copy()
    own.add("dataset", "mine", mine)
    images = open_images(PartConfig("local:mine", {"contrast": 1.0}), own, Files(offline=True))
    assert images.y is not None
    assert images.y.tolist() == [0, 1, 0, 1, 2]
    assert images.settings == {"contrast": 2.0}
