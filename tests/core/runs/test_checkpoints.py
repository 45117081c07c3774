"""Checkpoints: written whole or not at all, verified when they are read."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from decda.core import atomic_files
from decda.core.errors import OutputError, UnusableCheckpoint
from decda.core.runs import checkpoints as module
from decda.core.runs.checkpoints import Checkpoint, Checkpoints

TENSOR = torch.arange(6.0).view(2, 3)


def state(number: int = 0) -> dict[str, Any]:
    return {
        "number": number,
        "none": None,
        "text": "ü\n",
        "exact": 0.1 + 0.2,
        "weights": {"a.b": TENSOR + number, "a": {"b": TENSOR.t()}},  # a view that is not contiguous
        "same": TENSOR,
        "again": TENSOR,  # which shares its memory
        "counts": torch.tensor([2**40]),
        "slots": {0: {"m": torch.zeros(0, 3)}, 1: {}},
        "pairs": [[1, 2], (3, torch.tensor(True))],
    }


def write(run: Path, *numbers: int) -> Checkpoints:
    checkpoints = Checkpoints(run)
    for number in numbers:
        checkpoints.write(Checkpoint(state(number), f"log {number}\n".encode()))
    return checkpoints


def number_of(checkpoint: Checkpoint | None) -> Any:
    return None if checkpoint is None else checkpoint.state["number"]


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def test_a_state_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Tensors of any type, layout and sharing, numbers as keys, exact floats and the log come back equal."""
    write(tmp_path, 3)
    found = Checkpoints(tmp_path).read()
    assert found is not None
    assert same(found.state, state(3))
    assert found.log == b"log 3\n"


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    """Each checkpoint replaces the one before the last; `remove` leaves nothing."""
    checkpoints = write(tmp_path, 1, 2, 3, 4)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["00000003", "00000004"]
    assert number_of(Checkpoints(tmp_path).read()) == 4
    checkpoints.remove()
    assert not list(tmp_path.iterdir())


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    """A run that was never saved has none, and that is no error."""
    assert Checkpoints(tmp_path).read() is None
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / ".partial").mkdir()
    assert Checkpoints(tmp_path).read() is None


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def make_pipe(path: Path) -> None:
    path.unlink()
    import os

    os.mkfifo(path)


def put_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(state()))


DAMAGES = [truncate, empty, zero, flip, Path.unlink, make_pipe, put_pickle]


@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json", "log.csv", "manifest.json"])
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_checkpoint_is_told_and_the_one_before_it_taken(
    tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    """Whichever file is damaged in whichever way, it is noticed; the next checkpoint keeps the good one beside it."""
    write(tmp_path, 1, 2)
    damage(tmp_path / "checkpoints" / "00000002" / file)
    checkpoints = Checkpoints(tmp_path)
    assert number_of(checkpoints.read()) == 1
    assert list(checkpoints.rejected) == ["00000002"]
    assert checkpoints.rejected["00000002"]
    checkpoints.write(Checkpoint(state(5), b""))
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["00000001", "00000003"]


def test_if_all_are_damaged_it_is_an_error(tmp_path: Path) -> None:
    """The message names each checkpoint with its reason, and the exit code is 6; nothing is removed."""
    folder = write(tmp_path, 1, 2).folder
    for name in ("00000001", "00000002"):
        empty(folder / name / "state.json")
    with pytest.raises(UnusableCheckpoint, match=r"00000002: state\.json.*0 bytes.*00000001: state\.json") as caught:
        Checkpoints(tmp_path).read()
    assert caught.value.exit_code == 6
    assert len(list(folder.iterdir())) == 2


def test_another_version_of_the_format_is_not_read(tmp_path: Path) -> None:
    """A checkpoint of a later decda is refused, with both versions told."""
    folder = write(tmp_path, 1).folder
    manifest = folder / "00000001" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"version": 99}))
    with pytest.raises(UnusableCheckpoint, match="version 99, and this decda reads version 1"):
        Checkpoints(tmp_path).read()


@pytest.mark.parametrize("call", range(5))
def test_a_failed_write_leaves_the_former_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    """Whichever write fails, both former checkpoints stay whole, nothing partial is left, and the file is named."""
    checkpoints = write(tmp_path, 1, 2)
    calls: list[str] = []

    def fail(*words: Any) -> None:
        calls.append("")
        if len(calls) == call + 1:
            raise OSError(28, "No space left on device")
        genuine(*words)

    genuine = atomic_files.write_and_sync
    monkeypatch.setattr(module, "write_and_sync", fail)
    if call == 4:
        monkeypatch.setattr(module.os, "replace", fail)
    with pytest.raises(OutputError, match=r"checkpoints cannot be written: No space left on device"):
        checkpoints.write(Checkpoint(state(3), b""))
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["00000001", "00000002"]
    assert number_of(Checkpoints(tmp_path).read()) == 2


def test_what_a_crash_left_is_cleared(tmp_path: Path) -> None:
    """A half-written checkpoint of a killed process is never read, and the next write removes it."""
    checkpoints = write(tmp_path, 1)
    shutil.copytree(checkpoints.folder / "00000001", checkpoints.folder / ".partial")
    assert number_of(Checkpoints(tmp_path).read()) == 1
    checkpoints.write(Checkpoint(state(2), b""))
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["00000001", "00000002"]
