"""Paths become the runs that they mean."""

import json
import shutil
from pathlib import Path

import pytest

from decda.core.errors import DataError
from decda.core.studies.folders import find_runs


@pytest.fixture
def many(finished_run: Path, begun_run: Path, tmp_path: Path) -> Path:
    """A folder of three seeds: one has finished, one was interrupted, one was never started."""
    folder = tmp_path / "many"
    folder.mkdir()
    shutil.copy(finished_run / "config.toml", folder)
    (folder / "seeds.json").write_text(json.dumps({"seeds": [0, 1, 2], "recipe": None, "threads": None}))
    shutil.copytree(finished_run, folder / "seed-0")
    shutil.copytree(begun_run, folder / "seed-1")
    return folder


def test_single_runs(finished_run: Path, tmp_path: Path) -> None:
    """The folder of a run is that run, once, in the order given and under the name first given."""
    other = shutil.copytree(finished_run, tmp_path / "other")
    found = find_runs([other, finished_run, other / ".." / "other"])
    assert (found.folders, found.unfinished) == ([other, finished_run], [])


def test_several_seeds(many: Path) -> None:
    """A folder of seeds means the runs that have finished; the others are told."""
    found = find_runs([many, many / "seed-0"])
    assert found.folders == [many / "seed-0"]
    assert found.unfinished == [many / "seed-1", many / "seed-2"]


def test_no_seed_has_finished(many: Path) -> None:
    """If no seed has finished, the message says how to go on with them."""
    shutil.rmtree(many / "seed-0")
    with pytest.raises(DataError, match=r"None of the runs in .*many has finished.*--resume .*many") as caught:
        find_runs([many])
    assert caught.value.exit_code == 3


def test_what_is_no_run(tmp_path: Path) -> None:
    """A folder of something else is refused."""
    with pytest.raises(DataError, match="is not the folder of a run"):
        find_runs([tmp_path])
