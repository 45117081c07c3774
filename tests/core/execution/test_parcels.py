"""Folders travel as bytes."""

import os
from pathlib import Path

import pytest

from decda.core.errors import EngineError, OutputError
from decda.core.execution import parcels
from decda.core.execution.parcels import pack, unpack


def test_a_folder_arrives_as_it_was(tmp_path: Path) -> None:
    """Files of any depth arrive with their bytes; the lock of the folder, links and pipes stay where they are."""
    sent = tmp_path / "sent"
    (sent / "checkpoints" / "1").mkdir(parents=True)
    (sent / "labels.csv").write_bytes(b"\x00\xff")
    (sent / "checkpoints" / "1" / "state.json").write_bytes(b"{}")
    (sent / ".lock").write_bytes(b"1\nhost\n")
    (sent / "link").symlink_to("labels.csv")
    (sent / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(sent / "pipe")
    parcel = pack(sent)
    assert parcel == {"labels.csv": b"\x00\xff", "checkpoints/1/state.json": b"{}"}
    unpack(parcel, tmp_path / "arrived")
    assert pack(tmp_path / "arrived") == parcel
    assert pack(tmp_path / "nowhere") == {}


def test_a_folder_takes_the_place_of_a_former_one(tmp_path: Path) -> None:
    """Nothing of what was there is left, nor of what a process that was killed has left."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.csv").write_bytes(b"old")
    (tmp_path / ".run.arriving").mkdir()
    (tmp_path / ".run.arriving" / "half.csv").write_bytes(b"half")
    unpack({"new.csv": b"new"}, tmp_path / "run")
    assert pack(tmp_path) == {"run/new.csv": b"new"}


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/../../b", "", ".", "c:\\x", "a//b", "a/./b", "nul\0"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    """Names that are not plain paths below the folder are refused before anything is written."""
    with pytest.raises(EngineError, match="does not belong"):
        unpack({"fine": b"", name: b""}, tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the former folder stays, whole, and nothing else."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.csv").write_bytes(b"old")

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(parcels, "write_and_sync", full)
    with pytest.raises(OutputError, match="No space left"):
        unpack({"new.csv": b"new"}, tmp_path / "run")
    assert pack(tmp_path) == {"run/old.csv": b"old"}
