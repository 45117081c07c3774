"""Where the images of a run stay: on the device where they fit, else streamed."""

from pathlib import Path

import numpy as np
import pytest
import torch

from decda.core.arrays import read_array_file
from decda.core.arrays.values import as_view
from decda.core.runs import residence
from decda.core.runs.residence import resolve_images

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("free", "processes", "mode"), [(2500, 1, "resident"), (1500, 1, "streamed"), (1500, 2, "resident")]
)
def test_a_file_is_streamed_if_it_takes_more_than_half_of_the_free_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, processes: int, mode: str
) -> None:
    """Of several processes, each needs room for its share alone."""
    monkeypatch.setattr(residence, "read_memory", lambda: (10**9, free))
    np.save(tmp_path / "x.npy", np.zeros((10, 1, 10, 10), np.uint8))
    x = as_view(read_array_file(tmp_path / "x.npy")[0])
    assert resolve_images("auto", x, CPU, processes) == mode
    assert resolve_images("resident", x, CPU) == "resident"


def test_images_in_memory_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a CPU there is nowhere else to take them, however little memory is left; what was asked for is done."""
    monkeypatch.setattr(residence, "read_memory", lambda: (10**9, 10))
    x = torch.zeros(100, 1, 2, 2)
    assert resolve_images("auto", x, CPU) == "resident"
    assert resolve_images("streamed", x, CPU) == "streamed"


def test_memory_that_nobody_knows_of_is_taken_to_suffice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system does not tell what is free, images are resident, as they were before there was a choice."""
    monkeypatch.setattr(residence, "read_memory", lambda: (None, None))
    np.save(tmp_path / "x.npy", np.zeros((10, 1, 10, 10), np.uint8))
    assert resolve_images("auto", as_view(read_array_file(tmp_path / "x.npy")[0]), CPU) == "resident"
