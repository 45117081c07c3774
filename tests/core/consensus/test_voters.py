"""Finished runs as voters."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from decda.core.consensus.voters import read_voter, read_voters
from decda.core.errors import ConfigError, DataError
from tests.core.consensus.conftest import Make


def test_a_run_is_read_without_its_model(make: Make) -> None:
    """Labels and provenance suffice: weights may be gone."""
    folder = make("a", lambda labels: (labels + 1) % 10)
    (folder / "model.safetensors").unlink()
    voter = read_voter(folder)
    assert (voter.folder, len(voter.labels), voter.names) == (folder, 1797, None)
    assert voter.labels[0] == (read_voter(make("b")).labels[0] + 1) % 10
    assert voter.provenance["status"] == "finished"
    assert "head" in voter.configuration


@pytest.mark.parametrize(
    ("provenance", "says"),
    [
        (
            {"status": "interrupted", "reason": "by SIGINT"},
            "has not finished (interrupted: by SIGINT): it has no",
        ),
        ({"status": "started"}, "has not finished: it has no labels yet. Resume it, or leave it out"),
        ({"data_sha256": None}, "it does not identify the images"),
        ({"n_samples": 5}, "labels.csv is damaged: it does not hold a cluster for each image"),
    ],
)
def test_runs_that_cannot_vote(make: Make, provenance: dict[str, Any], says: str) -> None:
    """A run that has not finished, or whose files do not fit together, is named with the reason."""
    with pytest.raises(DataError) as raised:
        read_voter(make("a", **provenance))
    assert says in str(raised.value)


def test_folders_that_are_no_runs(make: Make, tmp_path: Path) -> None:
    """A folder without a run, one of several seeds, and labels below 0 are refused."""
    with pytest.raises(DataError, match="nowhere is not the folder of a run"):
        read_voter(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"labels\.csv is damaged"):
        read_voter(make("below", lambda labels: labels - 20))
    empty = make("empty", n_samples=0)
    (empty / "labels.csv").write_text("index,name,label,confidence\n")
    with pytest.raises(DataError, match=r"labels\.csv is damaged"):
        read_voter(empty)


def test_runs_of_the_same_images(make: Make) -> None:
    """Runs of the same images are read in their order; a single one is too few."""
    a, b = make("a"), make("b")
    assert [voter.folder for voter in read_voters([b, a])] == [b, a]
    with pytest.raises(ConfigError, match="at least two runs of the same images; there is only .*a. Name more"):
        read_voters([a])
    with pytest.raises(ConfigError, match="there is none"):
        read_voters([])
    with pytest.raises(ConfigError, match="there is only .*a. b has not finished. Resume it, or name other runs."):
        read_voters([a], [Path("b")])


def test_runs_of_other_images(make: Make) -> None:
    """Other images, and another number of them, are told apart, and both runs are named."""
    a, other = make("a"), make("other", data_sha256="0" * 64)
    with pytest.raises(DataError, match=r"a and .*other were not trained on the same images \(other pixels, or "):
        read_voters([a, other])
    fewer = Path(shutil.copytree(make("fewer", n_samples=2), a.parent / "copy"))
    (fewer / "labels.csv").write_text("index,name,label,confidence\n0,,1,1.0\n1,,0,1.0\n")
    with pytest.raises(DataError, match=r"\(1797 and 2\)"):
        read_voters([a, fewer])
