"""Which data set reads what is at a path."""

from pathlib import Path

import pytest

from decda.core.config.own_images import own_images
from decda.core.errors import DataError


def test_a_folder_and_files_of_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is read by `folder`, a file of numbers by `arrays`, each by its absolute path."""
    monkeypatch.chdir(tmp_path)
    Path("a b").mkdir()
    Path("x.NPY").touch()
    assert own_images(Path("a b")) == {"name": "folder", "path": tmp_path / "a b"}
    assert own_images(Path("x.NPY")) == {"name": "arrays", "path": tmp_path / "x.NPY"}


@pytest.mark.parametrize("name", ["missing", "missing.npy", "nul\0l", "x" * 5000])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    """Where nothing is, the error says what could be there."""
    with pytest.raises(DataError, match=r"(?s)nothing at .*Name a folder of images, or a file: \.npy, \.npz"):
        own_images(tmp_path / name)


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    """A single picture, or any other file, is refused with the way out."""
    (tmp_path / "cat.jpg").touch()
    with pytest.raises(DataError, match="Put images into a folder, and name the folder"):
        own_images(tmp_path / "cat.jpg")
