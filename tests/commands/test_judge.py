"""`decda judge` from its users' perspective."""

import json
import shutil
from pathlib import Path

import pytest

from decda.core.judging import judgement
from tests.conftest import Here
from tests.core.judging import clusters_of_pixels, random_clusters, relabelled


@pytest.fixture
def several(finished_run: Path, tmp_path: Path) -> Path:
    """A folder of two finished seeds and one without a result; the clusters of seed 1 are random."""
    folder = tmp_path / "several"
    folder.mkdir()
    shutil.copy(finished_run / "config.toml", folder)
    (folder / "seeds.json").write_text(json.dumps({"seeds": [0, 1, 2], "recipe": "quick", "threads": None}))
    relabelled(finished_run, folder / "seed-0", clusters_of_pixels())
    relabelled(finished_run, folder / "seed-1", random_clusters())
    return folder


def test_the_run_to_use_is_named(here: Here, several: Path) -> None:
    """A table with the best run marked is printed to stderr, with the reason; its folder alone goes to stdout."""
    before = {path: path.read_bytes() for path in several.rglob("*") if path.is_file()}
    code, out, err = here("judge", "several", "--threads", "1", "--offline")
    assert (code, out) == (0, "several/seed-0\n"), err
    text = " ".join(err.replace("│", " ").split())
    assert "* seed-0" in text
    assert "Use several/seed-0: its clusters" in text
    assert "ACC is known because this data set has classes; it plays no part in the choice." in text
    assert "Left out, because not finished: several/seed-2" in text
    assert before == {path: path.read_bytes() for path in several.rglob("*") if path.is_file()}


def test_json(here: Here, several: Path) -> None:
    """With `--json` one object goes to stdout, with every criterion of each run."""
    code, out, err = here("judge", "several/seed-1", "several/seed-0", "--threads", "1", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert result["best"] == "several/seed-0"
    assert [run["run"] for run in result["runs"]] == ["several/seed-1", "several/seed-0"]
    assert result["unfinished"] == []
    assert json.loads(here("judge", "several", "--threads", "1", "--json")[1])["unfinished"] == ["several/seed-2"]
    assert {"davies_bouldin", "calinski_harabasz", "entropy"} < result["runs"][0].keys()


def test_nothing_to_use(here: Here, several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no run can be preferred, nothing goes to stdout."""
    monkeypatch.setattr(judgement, "highest", lambda values: None)
    code, out, err = here("judge", "several", "--threads", "1")
    assert (code, out) == (0, ""), err


def test_mistakes(here: Here, several: Path) -> None:
    """Each mistake prints one message, and the exit code depends on its kind."""
    other = relabelled(several / "seed-0", Path("other"), None)
    provenance = json.loads((other / "provenance.json").read_text())
    (other / "provenance.json").write_text(json.dumps({**provenance, "data_sha256": "0"}))
    for words, code, says in (
        ((), 2, "RUN"),
        (("nowhere",), 3, "nowhere is not the folder of a run"),
        (("several", "other"), 3, "Only runs on the same images can be compared"),
        (("several/seed-2",), 3, "is not the folder of a run"),
    ):
        found, out, err = here("judge", *words)
        assert (found, out) == (code, ""), err
        assert says in " ".join(err.split())
