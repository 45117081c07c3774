"""Errors, and which exceptions mean that memory ran out."""

import errno
from collections.abc import Callable

import numpy as np
import pytest
import torch

from decda.core.errors import in_a_line, is_out_of_memory


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.ones(2**40),
        lambda: torch.empty(2**42, dtype=torch.uint8),
        lambda: torch.ones(2**62),
        lambda: torch.ones(2**40, 2**40),
        lambda: torch.empty(0).resize_(2**62),
        lambda: torch.nn.Linear(2**21, 2**21),
        lambda: torch.zeros(1).expand(2**40).clone(),
        lambda: np.ones(2**40),
        lambda: np.empty(2**62),
        lambda: np.empty((2**40, 2**40)),
        lambda: np.empty(2**63),
        lambda: bytearray(2**42),
        lambda: bytearray(2**63),
        lambda: [0] * 2**42,
    ],
)
def test_allocations_that_no_machine_can_make(allocate: Callable[[], object]) -> None:
    """4 TB, or more than an address can name, is out of memory, whether PyTorch, NumPy or Python is asked for it."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of several kinds
        allocate()
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("MPS backend: Invalid buffer size: 4096.00 GiB"),
        RuntimeError("unable to mmap 4096 bytes from file <x>: Cannot allocate memory (12)"),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_what_devices_and_systems_say(error: Exception) -> None:
    """Messages of CUDA, MPS and the operating system are recognised, also as the cause of another exception."""
    outer = ValueError("it failed")
    outer.__cause__ = error
    assert is_out_of_memory(error)
    assert is_out_of_memory(outer)


class Mute(RuntimeError):
    def __str__(self) -> str:
        raise KeyError


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        ValueError("gamma must be above 0"),
        OverflowError("int too large to convert to float"),
        OSError(errno.ENOSPC, "No space left on device"),
        TypeError("array is too big"),
        Mute(),
    ],
)
def test_other_errors(error: Exception) -> None:
    """Other errors are none, among them one whose message cannot be read."""
    assert not is_out_of_memory(error)
    assert in_a_line(error).startswith(type(error).__name__)
