"""Files are written atomically, and JSON files are validated when they are read."""

from pathlib import Path

import pytest

from decda.core.atomic_files import read_json, write_json, write_text_atomically
from decda.core.errors import DataError


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
