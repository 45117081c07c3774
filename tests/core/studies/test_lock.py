"""The folder of a study, which one study at a time may use."""

import os
from pathlib import Path

import pytest

from decda.core.errors import ConfigError
from decda.core.runs.lock import LOCK_NAME, FolderLock
from decda.core.studies.lock import StudyLock, check_folder
from tests.unprivileged import run_unprivileged


@pytest.mark.parametrize("content", ["file", "folder", "link"])
def test_an_unrelated_folder_is_refused(tmp_path: Path, content: str) -> None:
    """A file, an unrelated folder or a dangling link is refused; an empty or new folder and a study's are accepted."""
    strange = tmp_path / "strange"
    if content == "file":
        strange.write_text("mine")
    elif content == "link":
        strange.symlink_to("nowhere")
    else:
        strange.mkdir()
        (strange / "table.md").write_text("mine")
    with pytest.raises(ConfigError, match="not the folder of a study|is not a folder") as caught:
        check_folder(strange)
    assert caught.value.parameter == "out"
    (tmp_path / "empty").mkdir()
    (tmp_path / "study" / "trials").mkdir(parents=True)
    for name in ("new/er", "empty", "study"):
        check_folder(tmp_path / name)
    assert not (tmp_path / "new").exists()


def test_a_study_at_work_is_named(tmp_path: Path) -> None:
    """A second study is refused before it loads anything, with the process of the first one named."""
    refused = pytest.raises(ConfigError, match=f"study is in use by process {os.getpid()}\\. Wait")
    with StudyLock(tmp_path / "study"):
        with refused as first:
            check_folder(tmp_path / "study")
        with refused as second, StudyLock(tmp_path / "study"):
            pass
        assert [caught.value.parameter for caught in (first, second)] == ["out", "out"]
    check_folder(tmp_path / "study")
    assert {path.name for path in (tmp_path / "study").iterdir()} == {"trials", "autoencoders"}


def test_a_study_that_was_killed_blocks_nobody(tmp_path: Path) -> None:
    """The lock file that a killed study leaves behind is no obstacle for the next one."""
    (tmp_path / "trials").mkdir()
    (tmp_path / LOCK_NAME).write_text("1\nhere\n")
    check_folder(tmp_path)
    with StudyLock(tmp_path), pytest.raises(ConfigError, match="in use"), FolderLock(tmp_path):
        pass


@pytest.mark.parametrize(
    ("mode", "piece"), [(0o555, "is not writable. Name another"), (0o333, "cannot be used: it is not readable. Name")]
)
def test_a_folder_without_permission(tmp_path: Path, mode: int, piece: str) -> None:
    """A study whose folder is read-only, or cannot be listed, is refused before anything is loaded."""
    (tmp_path / "study" / "trials").mkdir(parents=True)
    (tmp_path / "study").chmod(mode)
    code = (
        "import sys, pathlib; from decda.core.studies.lock import check_folder; check_folder(pathlib.Path(sys.argv[1]))"
    )
    done = run_unprivileged(["-c", code, str(tmp_path / "study")], tmp_path)
    (tmp_path / "study").chmod(0o755)
    assert "ConfigError" in done.stderr
    assert piece in done.stderr


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """Whatever keeps the folder from being made when the study starts is an error that says why."""
    (tmp_path / "trials").write_text("")
    with pytest.raises(ConfigError, match="cannot be used: .*exists. Name another folder"), StudyLock(tmp_path):
        pass
