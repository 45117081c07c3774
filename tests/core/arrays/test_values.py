"""Whatever holds numbers becomes one array of numbers."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from decda.core.arrays.values import as_numbers
from decda.core.errors import DataError

GRID = np.arange(12, dtype=np.float64).reshape(3, 4)


@pytest.mark.parametrize("kind", ["u1", "i1", "<i8", ">i4", "u8", "f2", "<f4", ">f4", "f8", "?", "g"])
def test_numbers_of_every_type_are_taken_without_a_copy(kind: str) -> None:
    """Integers, floats and truth values of any width and byte order stay where they are."""
    array = GRID.astype(kind)
    assert as_numbers(array) is array


def test_no_copy_is_made_of_views_and_tensors() -> None:
    """Fortran order, reversed rows, read-only arrays and tensors share their memory with the result."""
    frozen = GRID.copy()
    frozen.flags.writeable = False
    for array in (np.asfortranarray(GRID), GRID[::-1], frozen):
        assert np.shares_memory(as_numbers(array), array)
    x = torch.ones(2, 3, requires_grad=True)
    assert np.shares_memory(as_numbers(x), x.detach().numpy())


@pytest.mark.parametrize(
    "array",
    [
        GRID.tolist(),
        tuple(map(tuple, GRID.tolist())),
        list(GRID),
        list(torch.from_numpy(GRID)),
        torch.from_numpy(GRID).to(torch.bfloat16),
        pd.DataFrame(GRID),
        GRID.astype(object),
        np.ma.masked_array(GRID),
    ],
    ids=["lists", "tuples", "rows", "tensors", "bfloat16", "frame", "objects", "nothing masked"],
)
def test_other_holders_of_numbers(array: Any) -> None:
    """Lists, rows, tensors of types that NumPy lacks, frames and objects that are numbers hold the same numbers."""
    np.testing.assert_array_equal(np.asarray(as_numbers(array), np.float64), GRID)


def test_objects_that_are_arrays_of_one_size_are_stacked() -> None:
    """A column of equal-sized images, as pandas holds them, is an array of images."""
    column = pd.Series([GRID, GRID + 1, GRID + 2])
    assert as_numbers(column).shape == (3, 3, 4)


def test_frames_of_several_types() -> None:
    """Integers, floats, booleans and pandas' nullable types come together; what is missing is NaN."""
    frame = pd.DataFrame(
        {
            "a": [1, 2],
            "b": [0.5, 1.5],
            "c": [True, False],
            "d": pd.array([7, None], dtype="Int64"),
            "e": pd.array([None, True], dtype="boolean"),
        }
    )
    before = frame.copy()
    expected = [[1, 0.5, 1, 7, np.nan], [2, 1.5, 0, np.nan, 1]]
    np.testing.assert_array_equal(as_numbers(frame), expected)
    pd.testing.assert_frame_equal(frame, before)


def test_missing_objects_are_nan() -> None:
    """None and pandas' NA among numbers are missing values, not errors of their own."""
    np.testing.assert_array_equal(as_numbers([[1, None], [pd.NA, 4]]), [[1, np.nan], [np.nan, 4]])


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (
            pd.DataFrame({"a": [1], "name": ["x"], "k": pd.Categorical(["b"])}),
            r"2 columns .* 'name', 'k'\. Leave",
        ),
        (pd.DataFrame({"a": [1], "day": pd.to_datetime(["2020-01-01"])}), "One column of the table does not .* 'day'"),
        (pd.DataFrame([[1, "x"]], columns=["a", "a"]), "Several columns of the table have the same name"),
        (np.ma.masked_array(GRID, GRID > 9), r"2 values of the array are masked.*filled\(0\)"),
        (sparse.csr_matrix(GRID), r"is sparse \(csr_matrix\).*toarray\(\)"),
        (torch.eye(3).to_sparse(), r"to_dense\(\)"),
        (torch.zeros(2, 2, dtype=torch.complex64), "tensor of real numbers"),
        (torch.zeros(2, 2, device="meta"), "'meta'"),
        (GRID.astype(complex), "complex numbers"),
        (np.array(["2020-01-01"], "M8[D]"), "dates"),
        (np.array([3], "m8[D]"), "spans of time"),
        (np.array([["a", "b"]]), "texts; give numbers. Images in files are read from their folder"),
        (["1.png", "2.png"], "texts"),
        ([b"a"], "texts"),
        (np.zeros(2, dtype=[("a", "f4"), ("b", "f4")]), "records with fields"),
        ([[1, 2], [3]], "all of one size: ValueError"),
        ([np.zeros((2, 2)), np.zeros((3, 2))], "all of one size|differ in size"),
        (np.array([np.zeros((2, 2)), np.zeros((3, 2)), None], dtype=object)[:2], r"differ in size: \(2, 2\), \(3, 2\)"),
        (np.array([[1, "a"], [2, "b"]], dtype=object), "2 of the 4 objects .* first of type str"),
        ([[10**400, 1]], "too large"),
        (object(), "an object of type object"),
        ((i for i in range(3)), "an object of type generator"),
        ({"a": 1}, "an object of type dict"),
        (None, "an object of type NoneType"),
    ],
)
def test_what_is_no_array_of_numbers(array: Any, says: str) -> None:
    """The error says what was found, and what to do."""
    with pytest.raises(DataError, match=says) as error:
        as_numbers(array)
    assert error.value.exit_code == 3


def test_an_object_that_fails_to_give_its_values() -> None:
    """An exception of somebody's own array class becomes the reason of the error."""

    class Broken:
        def __array__(self, *_: Any, **__: Any) -> Any:
            raise KeyError("gone")

    with pytest.raises(DataError, match="KeyError: 'gone'"):
        as_numbers(Broken())
