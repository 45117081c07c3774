"""Messages about runs that execute together."""

import pytest
import torch

from decda.core.errors import TrainingDiverged
from decda.core.execution.messages import Failed


def test_failures_as_messages(capsys: pytest.CaptureFixture[str]) -> None:
    """User errors keep message and exit code, a full disk names the file, and a bug prints its traceback to stderr."""
    assert Failed.from_error(1, TrainingDiverged("It diverged.")) == Failed(1, "It diverged.", 4)
    assert Failed.from_error(1, OSError(28, "No space left on device", "x.csv")) == Failed(
        1, "x.csv: No space left on device"
    )
    assert capsys.readouterr().err == ""
    assert Failed.from_error(2, ZeroDivisionError("by zero\nmore")) == Failed(2, "ZeroDivisionError: by zero", 1)
    assert "ZeroDivisionError: by zero" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4.00 TiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried 4 TB"),
    ],
)
def test_out_of_memory_is_not_a_bug(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    """Out of memory is reported as such, with advice and without a traceback."""
    failed = Failed.from_error(0, error)
    assert failed.error.startswith("Out of memory: ")
    assert "fewer jobs" in failed.error
    assert capsys.readouterr().err == ""
