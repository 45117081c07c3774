"""Files written whole, and read as what they should be."""

from pathlib import Path

import pytest

from decda.core.atomic_files import read_json, write_json, write_text_atomically
from decda.core.errors import DataError


def test_a_file_is_written_whole(tmp_path: Path) -> None:
    """What cannot be written leaves what was there, and nothing half written by that name."""
    path = tmp_path / "x.json"
    write_json(path, {"a": [1, None]})
    assert read_json(path) == {"a": [1, None]}
    with pytest.raises(UnicodeEncodeError):
        write_text_atomically(path, "half \ud800")
    assert read_json(path) == {"a": [1, None]}


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"{half", b"\xff", b"[" * 100_000])
def test_what_is_no_object(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing, is no JSON, or is some other JSON is told by its name."""
    path = tmp_path / "x.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"x\.json cannot be read"):
        read_json(path)
