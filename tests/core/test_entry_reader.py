"""Entries of an array are the same, wherever it lies and however they are read."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from decda.core.arrays import read_array_file
from decda.core.arrays.values import as_view
from decda.core.entry_reader import EntryReader
from decda.core.errors import DataError

VIEWS = {
    "as stored": lambda x: x,
    "channels last": lambda x: x.permute(0, 3, 1, 2),
    "every third": lambda x: x[1::3],
    "a part of each": lambda x: x[:, 1:],
    "another axis": lambda x: x[:, None],
}


@pytest.mark.parametrize("place", ["file", "memory", "mapped by the caller"])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", ["u1", "f4"])
def test_entries_are_those_of_the_array(tmp_path: Path, place: str, view: str, dtype: str) -> None:
    """By numbers in any order, repeated ones, too, or a slice: from a file, its view, or memory."""
    values = np.random.default_rng(0).integers(0, 9, (20, 4, 5, 3)).astype(dtype)
    np.save(tmp_path / "x.npy", values)
    stored = as_view(read_array_file(tmp_path / "x.npy")[0])
    if place != "file":
        stored = torch.from_numpy(values) if place == "memory" else as_view(np.load(tmp_path / "x.npy", mmap_mode="r"))
    x: Tensor = VIEWS[view](stored)
    reader = EntryReader(x)
    for rows in (np.array([5, 0, 5, 3]), np.array([], np.int64)):
        read = reader.read(rows)
        assert torch.equal(read, x[torch.from_numpy(rows)])
        assert read.is_contiguous()
    for part in (slice(2, 5), slice(0, 100), slice(6, 6)):
        assert torch.equal(reader.read(part), x[part])
    for wrong in ([len(x)], [-1] if place == "file" else [len(x)]):
        with pytest.raises(IndexError):
            reader.read(np.array(wrong))


def test_what_was_read_is_independent(tmp_path: Path) -> None:
    """Changing it changes neither the array nor what is read next."""
    x = torch.arange(6.0).view(3, 2)
    reader = EntryReader(x)
    reader.read(slice(0, 3)).zero_()
    assert reader.read(np.array([2])).tolist() == [[4.0, 5.0]]


def test_a_file_that_has_become_shorter_is_an_error(tmp_path: Path) -> None:
    """Instead of the signal that would end the program at a look at the mapped page."""
    np.save(tmp_path / "x.npy", np.zeros((100, 100), np.uint8))
    reader = EntryReader(as_view(read_array_file(tmp_path / "x.npy")[0]))
    os.truncate(tmp_path / "x.npy", 5000)
    assert reader.read(np.array([3])).tolist() == [[0] * 100]
    with pytest.raises(DataError, match="has become shorter while it was read"):
        reader.read(np.array([90]))
