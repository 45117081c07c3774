"""`decda report`: a page about a run, from its folder."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from decda.core.parts.registry import Registry
from decda.core.runs.inference import load_run
from tests.conftest import SHORT, Here

WORDS = [word for setting in SHORT for word in ("--set", setting)]


@pytest.fixture(autouse=True)
def small_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    """t-SNE of two thousand images would take most of the time."""
    monkeypatch.setattr("decda.core.runs.exhibits.SHOWN", 100)


def test_a_page_beside_the_run(finished_run: Path, here: Here) -> None:
    """The page is written into the folder, whose other files stay as they were, and its path is printed."""
    shutil.copytree(finished_run, "run")
    before = {path: path.read_bytes() for path in Path("run").iterdir() if path.is_file()}
    code, out, err = here("report", "run")
    assert (code, out) == (0, "run/report.html\n"), err
    assert "<h1>digits · fc · idec · affine</h1>" in Path("run/report.html").read_text()
    assert {path: path.read_bytes() for path in before} == before
    code, out, _ = here("report", "run", "--out", "page.html", "--json")
    assert (code, json.loads(out)) == (0, {"schema_version": 1, "run": "run", "report": "page.html"})
    assert Path("page.html").read_bytes() == Path("run/report.html").read_bytes()


def test_images_elsewhere(finished_run: Path, registry: Registry, here: Here) -> None:
    """`--images` names where the images are now; others than those of the run are refused, and nothing is written."""
    shutil.copytree(finished_run, "run")
    x = registry.load(registry.find("dataset", "digits")).factory(size=8).x.numpy()
    np.save("x.npy", x)
    np.save("other.npy", x[::-1])
    assert here("report", "run", "--images", "x.npy")[:2] == (0, "run/report.html\n")
    kept = Path("run/report.html").read_bytes()
    code, out, err = here("report", "run", "--images", "other.npy")
    assert (code, out) == (3, "")
    assert "not the images" in err
    assert "--images" in err
    assert Path("run/report.html").read_bytes() == kept


def test_what_is_no_run(here: Here, begun_run: Path) -> None:
    """A folder without a run, an unfinished run and a place that cannot be written are clear errors."""
    Path("empty").mkdir()
    assert here("report", "empty")[0] == 3
    assert "has not finished" in here("report", str(begun_run))[2]
    code, _, err = here("report", "missing")
    assert code != 0
    assert "Traceback" not in err


def test_train_ends_with_a_report(here: Here, monkeypatch: pytest.MonkeyPatch, registry: Registry) -> None:
    """A run ends with its report, whose path comes last; the files of the run are those of one without."""
    monkeypatch.setenv("DECDA_NO_REPORT", "0")
    code, out, err = here("train", *WORDS, "--encoder", "fc", "--out", "with")
    assert (code, out) == (0, "with\n")
    assert err.splitlines()[-1] == "Look at it in a browser: with/report.html"
    code, out, err = here("train", *WORDS, "--encoder", "fc", "--out", "without", "--no-report")
    assert "browser" not in err
    names = {path.name for path in Path("with").iterdir()}
    assert names - {path.name for path in Path("without").iterdir()} == {"report.html"}
    for name in names - {"report.html", "provenance.json", "config.toml"}:
        assert Path("with", name).read_bytes() == Path("without", name).read_bytes(), name
    made = Path("with/report.html").read_bytes()
    assert here("report", "with")[0] == 0
    assert Path("with/report.html").read_bytes() == made
    assert load_run(Path("with"), registry).report().html.encode() == made


def test_seeds_are_compared(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several seeds end with a page that compares them, and each with a report of its own."""
    monkeypatch.setenv("DECDA_NO_REPORT", "0")
    np.save("x.npy", np.random.default_rng(0).random((40, 8, 8)))
    how = ["--images", "x.npy", "--n-clusters", "3", "--encoder", "fc", "--start", "kmeans", "--jobs", "1"]
    short = [word for setting in SHORT[1:] for word in ("--set", setting)]
    code, out, err = here("train", *how, *short, "--seeds", "0-1", "--out", "study")
    assert (code, out) == (0, "study\n"), err
    assert err.splitlines()[-1] == "Look at it in a browser: study/report.html"
    page = Path("study/report.html").read_text()
    assert "seed 0" in page
    assert "seed 1" in page
    assert [path.parent.name for path in sorted(Path("study").glob("seed-*/report.html"))] == ["seed-0", "seed-1"]
    Path("study/report.html").unlink()
    assert here("report", "study")[:2] == (0, "study/report.html\n")
    assert Path("study/report.html").read_text() == page
