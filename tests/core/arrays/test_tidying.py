"""What a data set returned is brought to the types of the contract."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from decda.core.arrays import tidy
from decda.core.contracts import ImageSet
from decda.core.errors import DataError

RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "x",
    [
        RANDOM.random((3, 1, 4, 4)),
        RANDOM.random((3, 1, 4, 4)).astype(">f4"),
        RANDOM.random((3, 1, 4, 4)).astype(np.float16),
        RANDOM.random((3, 1, 4, 4)) > 0.5,
        RANDOM.random((3, 1, 4, 4))[::-1],
        torch.rand(3, 1, 4, 4, dtype=torch.float64, requires_grad=True),
        torch.rand(3, 1, 4, 4).to(torch.bfloat16),
        torch.rand(3, 4, 4, 1).permute(0, 3, 1, 2),
        torch.rand(3, 1, 4, 4) > 0.5,
        torch.nn.Parameter(torch.rand(3, 1, 4, 4)),
    ],
    ids=lambda x: f"{type(x).__name__}-{x.dtype}",
)
def test_a_data_set_may_return_pixels_of_other_types(x: Any) -> None:
    """NumPy arrays, floats of other widths, booleans and views become contiguous float32, in a set of their own."""
    images = ImageSet(x)
    tidied = tidy(images, "data set 'mine'")
    values = x.detach().double().numpy() if isinstance(x, torch.Tensor) else x
    expected = torch.from_numpy(np.array(values, dtype=np.float32))
    assert torch.equal(tidied.x, expected)
    assert (tidied.x.dtype, tidied.x.is_contiguous(), tidied.x.requires_grad) == (torch.float32, True, False)
    assert type(tidied.x) is torch.Tensor
    assert images.x is x


def test_bytes_stay_bytes(recwarn: pytest.WarningsRecorder) -> None:
    """uint8 arrays, also read-only ones, become uint8 tensors without a warning; what is in order is not copied."""
    array = BYTES.transpose(0, 3, 1, 2).copy()
    array.flags.writeable = False
    x = tidy(ImageSet(array), "d").x
    assert (x.dtype, tuple(x.shape)) == (torch.uint8, (5, 3, 6, 7))
    assert np.shares_memory(x.numpy(), array)
    assert tidy(ImageSet(x), "d").x.data_ptr() == x.data_ptr()
    assert not recwarn.list


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (["b", "a", "b"], [1, 0, 1]),
        (np.array([1, 2, 1], np.int32), [0, 1, 0]),
        (torch.tensor([1, 2, 1]), [0, 1, 0]),
        (torch.tensor([0, 5, 0]), [0, 5, 0]),
        (torch.tensor([0.0, 5.0, 0.0]), [0, 1, 0]),
        (pd.Series([7, 8, 7]), [0, 1, 0]),
        (None, None),
    ],
)
def test_a_data_set_may_return_labels_of_any_kind(y: Any, expected: Any) -> None:
    """Labels become classes from 0; int64 classes that start at 0 stay as they are."""
    tidied = tidy(ImageSet(torch.rand(3, 1, 4, 4), y), "d").y
    assert (None if tidied is None else tidied.tolist()) == expected
    if tidied is not None:
        assert tidied.dtype == torch.int64


@pytest.mark.parametrize(
    "names", [["a", "b"], ("a", "b"), [Path("a"), Path("b")], np.array(["a", "b"]), pd.Series(["a", "b"])]
)
def test_a_data_set_may_return_names_of_any_kind(names: Any) -> None:
    """Paths and texts of any sequence become a list of plain texts."""
    tidied = tidy(ImageSet(torch.rand(2, 1, 4, 4), None, names), "d").names
    assert tidied == ["a", "b"]
    assert all(type(name) is str for name in tidied)


def test_what_cannot_be_converted_is_left_for_the_check() -> None:
    """Nothing is guessed: integers, lists, sparse tensors, wrong numbers of labels and odd names stay as they are."""
    assert tidy(ImageSet(torch.zeros(2, 1, 4, 4, dtype=torch.int64)), "d").x.dtype == torch.int64
    for x in ([[1.0]], None, torch.eye(2).to_sparse(), np.zeros(2, int)):
        assert tidy(ImageSet(x), "d").x is x  # type: ignore[arg-type]
    pixels = torch.rand(2, 1, 4, 4)
    for y in (torch.zeros(3, dtype=torch.int64), [1, 2, 3], 7, "ab"):
        assert tidy(ImageSet(pixels, y), "d").y is y  # type: ignore[arg-type]
    for names in ("ab", [1, 2], 7):
        assert tidy(ImageSet(pixels, None, names), "d").names is names  # type: ignore[arg-type]


def test_labels_that_are_no_classes_are_told_with_their_data_set() -> None:
    """Missing and one-hot labels of a data set are refused with its name and the remedy."""
    pixels = torch.rand(2, 1, 4, 4)
    with pytest.raises(DataError, match=r"data set 'mine': .*argmax\(1\)"):
        tidy(ImageSet(pixels, torch.eye(2)), "data set 'mine'")
    with pytest.raises(DataError, match="data set 'mine': 1 of 2 labels are missing"):
        tidy(ImageSet(pixels, ["a", None]), "data set 'mine'")  # type: ignore[arg-type]


def test_the_rest_of_a_set_is_kept() -> None:
    """Settings, range and what was skipped pass through."""
    images = ImageSet(np.zeros((2, 1, 1, 3)), settings={"a": 1}, value_range=None, skipped=[("x", "damaged")])  # type: ignore[arg-type]
    tidied = tidy(images, "d")
    assert (tidied.settings, tidied.value_range, tidied.skipped) == ({"a": 1}, None, [("x", "damaged")])
