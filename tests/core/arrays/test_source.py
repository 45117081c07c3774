"""Arrays and tables of users are images, by one way for all doors."""

import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from decda.core.arrays import ArraySource
from decda.core.contracts import ImageSource, as_float
from decda.core.errors import DataError, InvalidParameter

RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)


def read(source: ImageSource) -> torch.Tensor:
    """All images, in parts of two."""
    parts = [source.read(start, min(start + 2, source.shape[0])) for start in range(0, source.shape[0], 2)]
    assert all(not unread for _, unread in parts)
    x = torch.cat([part for part, _ in parts])
    assert (tuple(x.shape), x.dtype) == (source.shape, source.dtype)
    return x


@pytest.mark.parametrize(
    ("array", "words", "dtype", "whole"),
    [
        (BYTES, {}, torch.uint8, True),
        (BYTES.transpose(0, 3, 1, 2), {}, torch.uint8, True),
        (BYTES.reshape(5, -1), {"shape": (6, 7, 3)}, torch.uint8, True),
        (torch.from_numpy(BYTES), {}, torch.uint8, True),
        (np.asfortranarray(BYTES), {}, torch.uint8, True),
        (BYTES[::-1][::-1], {}, torch.uint8, True),
        (BYTES.tolist(), {"scale": "255"}, torch.float32, False),
        (BYTES.astype(">i4"), {"scale": 255}, torch.float32, False),
        (BYTES.astype(np.float64), {"scale": "255"}, torch.float32, False),
        (BYTES, {"scale": "255"}, torch.uint8, True),
        (BYTES / 255, {}, torch.float32, False),
        (BYTES.astype(np.float32) / np.float32(255), {}, torch.float32, True),
        ((BYTES / 255).astype(">f4"), {}, torch.float32, False),
        (pd.DataFrame(BYTES.reshape(5, -1)), {"shape": (6, 7, 3)}, torch.uint8, True),
    ],
)
def test_one_image_in_many_forms(array: Any, words: Any, dtype: torch.dtype, whole: bool) -> None:
    """Layouts, types, byte orders and memory orders of the same images give the very same pixels."""
    source = ArraySource(array, **words)
    x = read(source)
    assert (source.shape, source.dtype, source.value_range) == ((5, 3, 6, 7), dtype, (0.0, 1.0))
    assert torch.equal(as_float(x), as_float(torch.from_numpy(BYTES).permute(0, 3, 1, 2)))
    assert x.is_contiguous()
    view = source.whole()
    assert (view is not None) == whole
    if view is not None:
        assert torch.equal(view, x)


def test_a_view_shares_memory_and_a_part_does_not(recwarn: pytest.WarningsRecorder) -> None:
    """What needs no conversion is a view, also of a read-only array and without a warning; a part is not."""
    frozen = BYTES.copy()
    frozen.flags.writeable = False
    source = ArraySource(frozen)
    view = source.whole()
    assert view is not None
    assert np.shares_memory(view.numpy(), frozen)
    assert not np.shares_memory(source.read(0, 5)[0].numpy(), frozen)
    assert ArraySource(BYTES[::-1]).whole() is None
    assert not recwarn.list


def test_memory_that_torch_cannot_view() -> None:
    """Floats between the bytes of a buffer, or of records, are read all the same."""
    shifted = np.ndarray((3, 4, 4), np.float32, np.zeros(200, np.uint8).data, offset=1)
    assert ArraySource(shifted).whole() is None
    assert read(ArraySource(shifted)).unique().tolist() == [0]
    records = np.zeros((3, 4, 4), dtype=[("gray", "f4"), ("mask", "u1")])
    records["gray"] = 0.5
    source = ArraySource(records["gray"])
    assert source.whole() is None
    assert read(source).unique().tolist() == [0.5]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (RANDOM.random((9, 4)) * 50, {}),
        (RANDOM.random((9, 4)) * 50, {"scale": "standard"}),
        (RANDOM.random((9, 4)).astype(np.float32), {"scale": "minmax"}),
        (RANDOM.integers(0, 99, (9, 4)), {"scale": "none"}),
        (RANDOM.integers(0, 99, (9, 4)), {"scale": "10"}),
        (RANDOM.integers(0, 256, (9, 20), dtype=np.uint8), {"shape": (4, 5)}),
        (RANDOM.random((9, 60)), {"shape": (5, 4, 3)}),
        (RANDOM.random((9, 60)), {"shape": (3, 5, 4), "channels": "first"}),
        (RANDOM.random((9, 6, 7)) * 9, {"scale": "minmax"}),
        (RANDOM.integers(0, 16, (9, 6, 7, 2)), {"scale": "16", "channels": "last"}),
    ],
)
def test_settings_prepare_new_images_as_the_first_were(rows: Any, words: Any) -> None:
    """What a source found out, given back with some of its images, gives the very pixels that they had among all."""
    source = ArraySource(rows, **words)
    settings = pickle.loads(pickle.dumps(dict(source.settings)))
    x = read(source)
    for input_shape in (None, source.shape[1:]):
        again = ArraySource(rows[3:5], input_shape=input_shape, **settings)
        assert torch.equal(read(again), x[3:5])
        assert dict(again.settings) == settings
        assert again.value_range == source.value_range


def test_tables() -> None:
    """Rows without a shape are standardised columns of any value, of one pixel's height."""
    source = ArraySource(pd.DataFrame({"a": [1, 2, 3], "b": [0.0, 0.0, 6.0], "c": [True, True, True]}))
    x = read(source)
    assert (source.shape, source.dtype, source.value_range) == ((3, 1, 1, 3), torch.float32, None)
    root = 1.5**0.5
    torch.testing.assert_close(
        x[:, 0, 0], torch.tensor([[-root, -0.5 * 2**0.5, 0], [0, -0.5 * 2**0.5, 0], [root, 2**0.5, 0]])
    )
    assert dict(source.settings)["scale"] == "standard"


def test_rows_of_a_table_in_the_shape_of_images() -> None:
    """New rows may come as (N, 1, 1, D), too, and are scaled by column."""
    table = RANDOM.random((6, 4)) * 9
    settings = dict(ArraySource(table).settings)
    expected = read(ArraySource(table, input_shape=(1, 1, 4), **settings))
    assert torch.equal(read(ArraySource(table[:, None, None], input_shape=(1, 1, 4), **settings)), expected)


def test_flattened_images_for_a_model() -> None:
    """Rows of C * H * W numbers are new images for a model, in the order of channels that it knows or is told."""
    expected = read(ArraySource(BYTES))
    settings = dict(ArraySource(BYTES).settings)
    assert torch.equal(read(ArraySource(BYTES.reshape(5, -1), input_shape=(3, 6, 7), **settings)), expected)
    first = BYTES.transpose(0, 3, 1, 2).reshape(5, -1)
    assert torch.equal(read(ArraySource(first, input_shape=(3, 6, 7), channels="first")), expected)
    with pytest.raises(DataError, match="channels first or last") as error:
        ArraySource(first, input_shape=(3, 6, 7))
    assert error.value.parameter == "channels"


def test_labels_names_and_settings() -> None:
    """Labels of any kind become classes, names texts; what else is to be remembered is recorded as given."""
    source = ArraySource(
        BYTES, y=list("cbacb"), names=[Path("a"), Path("b"), "c", "d", "e"], key="k", settings={"path": "x.npy"}
    )
    assert source.y is not None
    assert (source.y.tolist(), source.names, source.key) == ([2, 1, 0, 2, 1], list("abcde"), "k")
    assert dict(source.settings) == {
        **{"path": "x.npy", "shape": (), "channels": "last", "scale": "none", "center": (), "spread": ()}
    }
    with pytest.raises(DataError, match="each of the 5 images"):
        ArraySource(BYTES, y=[1, 2])
    with pytest.raises(DataError, match="one name for each of the 5 images; there are 1"):
        ArraySource(BYTES, names=["a"])


@pytest.mark.parametrize(
    ("array", "words", "error", "parameter"),
    [
        (BYTES.astype(int), {}, DataError, "scale"),
        (BYTES, {"scale": "standard"}, DataError, "scale"),
        (BYTES, {"scale": "bright"}, InvalidParameter, "scale"),
        (BYTES[..., :2], {}, DataError, "channels"),
        (BYTES, {"channels": "middle"}, InvalidParameter, "channels"),
        (BYTES, {"input_shape": (3, 9, 9)}, DataError, None),
        (BYTES.reshape(5, -1), {"shape": (6, 7)}, DataError, "shape"),
        (BYTES, {"center": (1.0,), "spread": (1.0,)}, InvalidParameter, "spread"),
    ],
)
def test_what_has_to_be_declared_is_named(
    array: Any, words: Any, error: type[DataError], parameter: str | None
) -> None:
    """Each error names the parameter that changes the outcome."""
    with pytest.raises(error) as raised:
        ArraySource(array, **words)
    assert raised.value.parameter == parameter


def test_a_large_array_is_neither_copied_nor_converted_at_once() -> None:
    """Checking, measuring and reading 40 MB of float64 takes far less memory than a copy."""
    array = np.zeros((500, 100, 100))
    array[:, 0, 0] = 1
    tracemalloc.start()
    try:
        for words in ({}, {"scale": "minmax"}):
            source = ArraySource(array, **words)
            source.read(0, 20)
        table = ArraySource(array.reshape(500, -1))
        table.read(0, 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < array.nbytes * 0.75


def test_a_mapped_file_stays_on_the_disk(tmp_path: Path) -> None:
    """The images of a mapped file are a view of it."""
    np.save(tmp_path / "x.npy", BYTES)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    view = ArraySource(mapped).whole()
    assert view is not None
    assert np.shares_memory(view.numpy(), mapped)
