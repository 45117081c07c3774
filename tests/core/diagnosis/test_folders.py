"""The folder in which runs are made."""

import os
import shutil
from pathlib import Path

import pytest

from decda.core.diagnosis.folders import check_run_folder
from tests.unprivileged import run_unprivileged


@pytest.mark.parametrize("exists", [True, False])
def test_runs_can_be_made(tmp_path: Path, exists: bool) -> None:
    """A folder that can be written to, or made, is in place; nothing is made."""
    (tmp_path / "runs").mkdir() if exists else None
    check = check_run_folder(tmp_path / "runs")
    assert (check.status, check.found, check.remedy) == ("ok", str(tmp_path / "runs"), "")
    assert "GB are free" in check.means
    assert (tmp_path / "runs").exists() is exists


def test_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little room on the disk is a warning; a file system that does not tell is none."""
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10**8))
    check = check_run_folder(tmp_path)
    assert check.status == "warning"
    assert "0.1 GB are free" in check.means
    assert "Make room" in check.remedy

    def refuse(path: object) -> None:
        raise OSError

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    assert check_run_folder(tmp_path).status == "ok"


def test_a_file_is_in_the_way(tmp_path: Path) -> None:
    """What stands in the way is told, and another place can be named."""
    (tmp_path / "runs").touch()
    check = check_run_folder(tmp_path / "runs")
    assert check.status == "warning"
    assert "that is not possible" in check.means
    assert "--out" in check.remedy


def test_a_folder_that_is_closed(tmp_path: Path) -> None:
    """Where nothing can be written, runs cannot be made; decda is not broken by that."""
    (tmp_path / "closed").mkdir(mode=0o500)
    code = "from decda.core.diagnosis.folders import check_run_folder as c; print(c().status, c().means)"
    try:
        done = run_unprivileged(["-c", code], tmp_path / "closed")
    finally:
        os.chmod(tmp_path / "closed", 0o700)
    assert done.stdout.startswith("warning "), done.stderr
    assert "is not writable" in done.stdout
