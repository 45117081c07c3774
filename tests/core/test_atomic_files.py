"""Files are written atomically, and JSON files are validated when they are read."""

import errno
import io
import os
from pathlib import Path

import pytest

from decda.core import atomic_files
from decda.core.atomic_files import read_json, rewrite_json, write_json, write_text_atomically
from decda.core.errors import DataError, OutputError


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    """A failed write leaves the former file as it was."""
    path = tmp_path / "x.json"
    write_json(path, {"a": [1, None]})
    assert read_json(path) == {"a": [1, None]}
    with pytest.raises(UnicodeEncodeError):
        write_text_atomically(path, "half \ud800")
    assert read_json(path) == {"a": [1, None]}


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"{half", b"\xff", b"[" * 100_000])
def test_a_file_that_is_not_a_json_object(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing, is not JSON, or holds another JSON value is reported by name."""
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.json cannot be read"):
        read_json(path)


def refuse(path: Path, content: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("values", [{"status": "failed", "reason": "x" * 99}, {}])
def test_a_file_is_rewritten_where_no_other_can_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, str]
) -> None:
    """On a full disk a file is written in place, whether it becomes longer or shorter; a missing one is not made."""
    path = tmp_path / "x.json"
    write_json(path, {"status": "started"})
    monkeypatch.setattr(atomic_files, "write_and_sync", refuse)
    rewrite_json(path, values)
    assert read_json(path) == values
    with pytest.raises(OutputError, match=r"y\.json cannot be written: No such file or directory"):
        rewrite_json(tmp_path / "y.json", values)
    assert [each.name for each in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize("room", [0, 10])
def test_a_file_that_cannot_be_rewritten_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """If there is no room for all of it in place either, what was there is put back."""
    path = tmp_path / "x.json"
    write_json(path, {"status": "started"})

    class Full(io.FileIO):
        def write(self, content: bytes) -> int:  # type: ignore[override]
            if b"reason" in content and room:
                return super().write(content[:room])
            if b"started" not in content:
                refuse(path, content)
            return super().write(content)

    monkeypatch.setattr(atomic_files, "write_and_sync", refuse)
    monkeypatch.setattr(atomic_files, "open", lambda name, mode, buffering: Full(name, mode), raising=False)
    with pytest.raises(OutputError, match=r"x\.json cannot be written: No space left on device"):
        rewrite_json(path, {"reason": "x" * 99})
    assert read_json(path) == {"status": "started"}


def test_a_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    """The error does not claim that something is unchanged in a folder that is no longer there."""
    with pytest.raises(OutputError) as caught:
        write_json(tmp_path / "gone" / "x.json", {})
    assert str(caught.value).endswith(
        f": No such file or directory. The folder {tmp_path}/gone was removed or renamed."
    )


def test_json_that_cannot_be_read(tmp_path: Path) -> None:
    """The reason is in words, be the file missing, too large, damaged or something else than a mapping."""
    for name, content in {"large": '{"a": "long"}', "damaged": "{", "list": "[]"}.items():
        (tmp_path / name).write_text(content)
    for name, told in (
        ("missing", "missing cannot be read: No such file or directory."),
        ("large", "large cannot be read: it holds 13 bytes, more than the 5 allowed."),
        ("damaged", "damaged cannot be read: Expecting property name"),
        ("list", "list cannot be read: it is not a JSON object."),
    ):
        with pytest.raises(DataError) as caught:
            read_json(tmp_path / name, max_bytes=5)
        assert f"{tmp_path}/{told}" in str(caught.value)
    assert read_json(tmp_path / "large", max_bytes=13) == {"a": "long"}
