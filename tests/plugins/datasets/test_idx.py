"""MNIST, Fashion-MNIST and the IDX format."""

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from decda.core.contracts import ImageSet
from decda.core.errors import DataError
from decda.core.files import Files
from decda.plugins.datasets.idx import SHA256, fashion_mnist, mnist, mnist_test, parse_idx

DATA = Path(os.environ.get("DECDA_DATA") or Path(__file__).parents[3].parent / "shared" / "data")


def idx(*shape: int, kind: int = 8, content: bytes | None = None) -> bytes:
    """The bytes of an IDX file, with values counting up."""
    count = int(np.prod(shape))
    values = bytes(value % 251 for value in range(count)) if content is None else content
    return struct.pack(">HBB", 0, kind, len(shape)) + struct.pack(f">{len(shape)}I", *shape) + values


class StandIn(Files):
    """Serves files from a dictionary, and records the requests."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        super().__init__(offline=True)
        self.contents = contents
        self.asked: dict[str, dict[str, object]] = {}

    def get(self, name: str, **how: object) -> bytes:  # type: ignore[override]
        """Return the content without verifying it."""
        self.asked[name] = how
        return self.contents[name]


def test_parse() -> None:
    """Values are read in the order of the dimensions, the last one fastest."""
    images = parse_idx(idx(2, 3, 5), n_dims=3, source="a")
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, np.arange(30).reshape(2, 3, 5))
    np.testing.assert_array_equal(parse_idx(idx(300), n_dims=1, source="a"), np.arange(300) % 251)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"", "begins with nothing"),
        (b"\x1f\x8b\x08\x00rest", "begins with 1f 8b 08 00"),
        (b"\0\0\x08", "begins with 00 00 08"),
        (idx(2, kind=13), "0x0d .float32., expected 0x08"),
        (idx(2, kind=7), "0x07 .unknown."),
        (idx(2, 1, 1), "3 dimensions, expected 1"),
        (idx(2)[:6], "truncated: it has 6 bytes, its header alone needs 8"),
        (idx(2)[:-1], "truncated: it has 1 values, its header says 2 = 2"),
        (idx(2) + b"x", "trailing bytes: it has 3 values, its header says 2 = 2"),
        (idx(2**32 - 1, content=b"xy"), "truncated: it has 2 values, its header says 4294967295"),
        (idx(0), "holds nothing: its header says 0"),
        (idx(0) + b"x", "holds nothing: its header says 0"),
    ],
)
def test_other_formats(content: bytes, seen: str) -> None:
    """A file that is not the expected IDX file is refused; the error states its name and what was found."""
    with pytest.raises(DataError, match=rf"^train-labels .*{seen}"):
        parse_idx(content, n_dims=1, source="train-labels")


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ((2**32 - 1,) * 3, "truncated: it has 4 values, its header says 4294967295 x 4294967295 x 4294967295 = 7922"),
        ((2**32 - 1, 28, 28), "truncated: it has 4 values, its header says 4294967295 x 28 x 28 = 3367254359280"),
        ((0, 28, 28), "holds nothing: its header says 0 x 28 x 28"),
        ((2**32 - 1, 0, 2**32 - 1), "holds nothing: its header says 4294967295 x 0 x 4294967295"),
    ],
)
def test_absurd_dimensions(shape: tuple[int, ...], seen: str) -> None:
    """Dimensions of 0, and ones that no memory could hold, are refused by comparing them with the size of the file."""
    content = struct.pack(">HBB3I", 0, 8, 3, *shape) + b"four"
    with pytest.raises(DataError, match=f"^train-images .*{seen}"):
        parse_idx(content, n_dims=3, source="train-images")


def parsed(content: bytes) -> NDArray[np.uint8] | None:
    """The array in some bytes; None for a DataError, the only exception there may be."""
    try:
        return parse_idx(content, n_dims=3, source="a")
    except DataError:
        return None


@given(st.binary(max_size=40))
def test_any_bytes(content: bytes) -> None:
    """Arbitrary bytes, and such that begin like an IDX file, are parsed or refused by a DataError."""
    for start in (b"", b"\0\0", b"\0\0\x08\x03"):
        array = parsed(start + content)
        assert array is None or 16 + array.size == len(start + content)


@given(st.tuples(*[st.integers(1, 5)] * 3), st.integers(0, 15), st.integers(0, 255), st.integers(-3, 3))
def test_damaged_bytes(shape: tuple[int, ...], at: int, value: int, more: int) -> None:
    """A valid file with a byte of its header replaced, cut off or extended is parsed only if its size fits still."""
    content = bytearray(idx(*shape))
    content[at] = value
    spoiled = bytes(content[:more] if more < 0 else content + bytes(more))
    array = parsed(spoiled)
    if array is None:
        assert spoiled != idx(*shape)
    else:
        assert array.tobytes() == spoiled[16:]


@pytest.mark.parametrize(("images", "labels"), [(3, 2), (1, 2)])
def test_more_images_than_labels(images: int, labels: int) -> None:
    """Files of images and labels that do not belong together are refused, naming both and their counts."""
    files = StandIn(
        {
            "mnist/t10k-images-idx3-ubyte.gz": idx(images, 2, 2),
            "mnist/t10k-labels-idx1-ubyte.gz": idx(labels),
        }
    )
    with pytest.raises(DataError, match=f"t10k-images.* holds {images} images, but .*t10k-labels.* {labels} labels"):
        mnist_test(files)


@pytest.mark.parametrize(
    ("load", "folder", "splits"),
    [
        (mnist, "mnist", ["train", "t10k"]),
        (mnist_test, "mnist", ["t10k"]),
        (fashion_mnist, "fashion-mnist", ["train", "t10k"]),
    ],
)
def test_splits_in_order(load: Callable[[Files], ImageSet], folder: str, splits: list[str]) -> None:
    """Training images and labels come before test ones, and each file is requested with its own hash and URLs."""
    files = StandIn({})
    for number, split in enumerate(("train", "t10k")):
        n = 3 - number
        files.contents[f"{folder}/{split}-images-idx3-ubyte.gz"] = idx(n, 28, 28, content=bytes([7 + number]) * n * 784)
        files.contents[f"{folder}/{split}-labels-idx1-ubyte.gz"] = idx(n, content=bytes([number]) * n)
    images = load(files)
    labels = [0, 0, 0, 1, 1] if len(splits) == 2 else [1, 1]
    assert images.y is not None
    assert images.y.tolist() == labels
    assert images.y.dtype == torch.int64
    assert images.x.dtype == torch.uint8
    assert images.x.shape == (len(labels), 1, 28, 28)
    assert images.x[:, 0, 27, 27].tolist() == [7 + label for label in labels]
    parts = ("images-idx3", "labels-idx1")
    assert set(files.asked) == {f"{folder}/{split}-{part}-ubyte.gz" for split in splits for part in parts}
    for name, how in files.asked.items():
        assert how["sha256"] == SHA256[name]
        assert how["max_bytes"] == 16 + 60_000 * 28 * 28
        urls = how["urls"]
        assert isinstance(urls, list)
        assert len(urls) == 2
        assert all(url.endswith("/" + name.split("/")[1]) for url in urls)


def test_other_content(tmp_path: Path) -> None:
    """A well-formed file that is not the published one, such as another split, is refused by its hash."""
    path = tmp_path / "mnist" / "t10k-images-idx3-ubyte.gz"
    path.parent.mkdir()
    path.write_bytes(gzip.compress(idx(2, 28, 28)))
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz is not the published file"):
        mnist_test(Files(tmp_path, offline=True))


MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


@pytest.mark.parametrize(
    ("load", "folder", "counts"),
    [
        (mnist, "mnist", [MNIST_TRAIN, MNIST_TEST]),
        (mnist_test, "mnist", [MNIST_TEST]),
        (fashion_mnist, "fashion-mnist", [[6000] * 10, [1000] * 10]),
    ],
)
def test_published(load: Callable[[Files], ImageSet], folder: str, counts: list[list[int]]) -> None:
    """The splits of the published files have the known number of images per class."""
    if not (DATA / folder).is_dir():
        pytest.skip(f"no {folder} in {DATA}")
    images = load(Files(DATA, offline=True))
    n = sum(map(sum, counts))
    assert images.x.shape == (n, 1, 28, 28)
    assert images.x.dtype == torch.uint8
    assert images.x.max() == 255
    assert images.y is not None
    splits = images.y.split([sum(split) for split in counts])
    assert [split.bincount().tolist() for split in splits] == counts
