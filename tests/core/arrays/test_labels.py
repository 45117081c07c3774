"""Labels of any kind become classes numbered from 0."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from decda.core.arrays.labels import as_labels
from decda.core.errors import DataError


@pytest.mark.parametrize(
    "labels",
    [
        [5, 3, 5],
        (5, 3, 5),
        ["b", "a", "b"],
        [5.0, 3.0, 5.0],
        [True, False, True],
        np.array([5, 3, 5], np.int8),
        np.array([5, 3, 5], ">u2"),
        np.array([2, 1, 2], np.float16),
        np.array([2**63 + 1, 1, 2**63 + 1], np.uint64),
        np.array(["b", "a", "b"]),
        np.array([b"b", b"a", b"b"]),
        np.array(["b", "a", "b"], dtype=object),
        np.array([5, 3, 5], dtype=object),
        np.array([[5], [3], [5]]),
        np.ma.masked_array([5, 3, 5]),
        np.array(["2020-02-01", "2020-01-01", "2020-02-01"], "M8[D]"),
        [date(2020, 2, 1), date(2020, 1, 1), date(2020, 2, 1)],
        torch.tensor([5, 3, 5], dtype=torch.int32),
        torch.tensor([5.0, 3.0, 5.0], dtype=torch.bfloat16),
        torch.tensor([True, False, True]),
        [torch.tensor(5), torch.tensor(3), torch.tensor(5)],
        pd.Series(["b", "a", "b"], index=[7, 8, 9]),
        pd.Series([5, 3, 5], dtype="Int64"),
        pd.Categorical(["b", "a", "b"]),
        pd.DataFrame({"y": [5, 3, 5]}),
        [-1, -3, -1],
    ],
    ids=lambda labels: f"{type(labels).__name__}-{getattr(labels, 'dtype', '')}",
)
def test_labels_of_any_kind(labels: Any) -> None:
    """Numbers of any type, truth values, texts and dates are numbered from 0, in sorted order."""
    y = as_labels(labels, 3)
    assert (y.tolist(), y.dtype, y.is_contiguous()) == ([1, 0, 1], torch.int64, True)


def test_classes_that_are_numbered_from_0_stay_as_they_are() -> None:
    """Labels that are classes from 0 keep their numbers."""
    assert as_labels([2, 0, 1, 2], 4).tolist() == [2, 0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([1, 2], r"each of the 3 images; their shape is \(2,\)"),
        ("abc", r"shape is \(\)"),
        (None, r"shape is \(\)"),
        ({1, 2, 3}, r"shape is \(\)"),
        (np.ones((3, 2)), r"their shape is \(3, 2\)"),
        (np.eye(3), r"one-hot rows, of shape \(3, 3\). Give their classes: labels.argmax\(1\)"),
        (torch.eye(3, dtype=torch.int64)[:, :2].flip(0) + torch.tensor([[0, 0], [0, 0], [0, 0]]), "shape is"),
        ([[1, 0], [0, 1], [1, 0]], "one-hot"),
        (pd.get_dummies(pd.Series(["a", "b", "a"])), "one-hot"),
        ([[1], [2, 3], [4]], "one number or text for each image"),
        ([1, None, 2], "1 of 3 labels are missing"),
        ([None, float("nan"), 2], "2 of 3 labels are missing"),
        (["a", float("nan"), "b"], "1 of 3 labels are missing"),
        (["a", pd.NA, pd.NaT], "2 of 3 labels are missing"),
        (np.array([1, np.nan, np.nan]), "2 of 3 labels are missing"),
        (np.array(["2020-01-01", "NaT", "NaT"], "M8[D]"), "2 of 3 labels are missing"),
        (torch.tensor([1, torch.nan, 2]), "1 of 3 labels are missing"),
        (pd.Series([1, None, 3], dtype="Int64"), "1 of 3 labels are missing"),
        (pd.Categorical(["a", None, "a"]), "1 of 3 labels are missing"),
        ([0.5, 1, 2], "not numbers such as 0.5"),
        ([1, float("inf"), 2], "not numbers such as inf"),
        ([1, "a", 2], "all be numbers, or all texts; 1 of 3 are texts"),
        ([1, date(2020, 1, 1), 2], "all be numbers, or all texts: '<' not supported"),
        (np.array([1j, 2, 3]), "not complex"),
        (torch.zeros(3, dtype=torch.complex64), "dense tensor of numbers"),
        (torch.ones(3).to_sparse(), "dense tensor"),
        (torch.zeros(3, device="meta"), "dense tensor"),
        (sparse.csr_matrix(np.eye(3)), r"sparse .*toarray\(\).argmax\(1\)"),
        (np.ma.masked_array([1, 2, 3], [0, 1, 0]), "1 labels are masked"),
    ],
)
def test_what_is_no_label_for_each_image(labels: Any, says: str) -> None:
    """The error counts what is missing, and says what labels must be."""
    with pytest.raises(DataError, match=says):
        as_labels(labels, 3)


def test_labels_are_not_changed() -> None:
    """The labels of the caller stay as they were."""
    labels = np.array([5, 3, 5])
    as_labels(labels, 3)
    assert labels.tolist() == [5, 3, 5]
