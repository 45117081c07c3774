"""Names of run folders."""

import threading
from pathlib import Path

import pytest

from decda.core.errors import ConfigError
from decda.core.runs.naming import new_folder


def test_each_run_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    """Runs that start at the same time never share a folder, because creating it is atomic."""
    paths: list[Path] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        paths.append(new_folder(None, "quick", tmp_path / "runs"))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.name for path in paths} == {f"quick-{n}" for n in range(1, 9)}


def test_out_must_not_exist(tmp_path: Path) -> None:
    """An existing folder, file or dangling link at the path of a new folder is an error and is left untouched."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link", "."):
        with pytest.raises(ConfigError, match="exists already"):
            new_folder(tmp_path / name, "x")
    assert (tmp_path / "file").read_text() == "precious"
    assert new_folder(tmp_path / "a" / "b", "x").is_dir()


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    """If a folder cannot be created, as below a file, the message says what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made.*Name another folder"):
        new_folder(tmp_path / "file" / "run", "x")
