"""The provenance of a run: what it was made from and how it ended."""

from pathlib import Path

import pytest

from decda.core.errors import DataError, TrainingDiverged
from decda.core.runs.provenance import describe_failure, hash_file


def test_hash_of_a_file(tmp_path: Path) -> None:
    """Files are hashed as `sha256sum` does."""
    (tmp_path / "x").write_bytes(b"abc")
    assert hash_file(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (TrainingDiverged("at epoch 3"), "diverged", "TrainingDiverged: at epoch 3"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (GeneratorExit(), "interrupted", "GeneratorExit"),
        (DataError("gone"), "failed", "DataError: gone"),
        (OSError(28, "No space left on device"), "failed", "OSError: [Errno 28] No space left on device"),
    ],
)
def test_how_a_run_ended(error: BaseException, status: str, reason: str) -> None:
    """An unfinished run records whether it failed, diverged or was interrupted, and why."""
    described = describe_failure(error)
    assert (described["status"], described["reason"]) == (status, reason)
