"""`decda reproduce` from its users' perspective."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Cli, Here

FEW = ("--trials", "1", "--set", "train.pretrain_epochs=1", "--set", "train.max_iter=4")
ALGORITHMS = ("fcdec-da", "fcidec-da", "fcdcn-da")
SHORTEST = ("--set", "train.pretrain_epochs=1", "--set", "train.max_iter=4", "--set", "dataset.size=8")
WORDS = (
    *("reproduce", "table3", "--datasets", "digits", "--algorithms", ",".join(ALGORITHMS)),
    *("--trials", "1", *SHORTEST, "--out", "study"),
)


def rows(folder: Path) -> list[dict[str, str]]:
    try:
        with open(folder / "results.csv", newline="") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


def times(folder: Path) -> dict[str, int]:
    """The time at which each finished run ended."""
    files = [path for part in ("trials", "autoencoders") for path in (folder / part).glob("*/provenance.json")]
    return {
        path.parent.name: path.stat().st_mtime_ns
        for path in files
        if json.loads(path.read_text())["status"] == "finished"
    }


def test_an_interrupted_study_is_resumed(decda: Cli, tmp_path: Path) -> None:
    """When an interrupted study is started again, finished trials are not repeated and rows not duplicated."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = subprocess.Popen(
        [sys.executable, "-m", "decda", *WORDS], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 300
    while len(rows(tmp_path / "study")) < 1 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130, said
    assert "The study in study was interrupted by SIGINT; finished trials are kept, and the others go on from " in said
    assert "last checkpoints. To go on: run the same command again.\n" in said
    half, finished = rows(tmp_path / "study"), times(tmp_path / "study")
    assert 1 <= len(half) < 3

    again = subprocess.run(
        [sys.executable, "-m", "decda", *WORDS, "--resume", "--json"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert again.returncode == 0, again.stderr
    whole = rows(tmp_path / "study")
    assert len(whole) == len({row["run"] for row in whole}) == 3
    assert all(row in whole for row in half)
    assert again.stderr.count(": kept ") >= len(half)
    after = times(tmp_path / "study")
    assert {name: after[name] for name in finished} == finished
    assert len(after) == 4  # three trials and the autoencoder they share
    assert {row["cell"] for row in whole} == {"FcDEC-DA", "FcIDEC-DA", "FcDCN-DA"}
    assert {row["epochs"] for row in whole} == {"1"}
    cells = json.loads(again.stdout)["cells"]
    assert [(cell["planned"], cell["finished"]) for cell in cells] == [(1, 1)] * 3
    assert "Pretrained once (digits fc augmented): FcDEC-DA, FcIDEC-DA, FcDCN-DA." in again.stderr


def test_a_short_reproduction(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one trial and few iterations, Table 2 has four rows per algorithm; the paper's names are accepted.

    Nothing follows the runs, and no report is written of them.
    """
    monkeypatch.delenv("DECDA_NO_REPORT")
    code, out, err = here("reproduce", "table2", "--datasets", "digits", "--algorithms", "FcDEC fcdec-da", *FEW)
    assert code == 0, err
    assert out == "runs/reproduce-table2\n"
    assert {row["cell"] for row in rows(tmp_path / "runs" / "reproduce-table2")} == {
        "FcDEC",
        "FcDEC, augmented in clustering",
        "FcDEC, augmented in pretraining",
        "FcDEC-DA",
    }
    table = (tmp_path / "runs" / "reproduce-table2" / "table.md").read_text()
    assert "- digits fc plain: FcDEC, FcDEC, augmented in clustering" in table
    code, _, err = here("reproduce", "table2", "--datasets", "digits", "--algorithms", "fcdec", *FEW, "--resume")
    assert code == 0
    assert err.count(": kept ") == 4
    assert len(list(tmp_path.rglob("labels.csv"))) == 6  # two autoencoders, four trials
    assert not list(tmp_path.rglob("report.html"))


@pytest.mark.parametrize(
    ("words", "code", "pieces"),
    [
        (("table4",), 2, ["'table4' is not one of"]),
        (("--algorithms", "fcdecda"), 2, ["Unknown recipe 'fcdecda'", "Did you mean 'fcdec-da'"]),
        (("--datasets", "usp"), 2, ["Unknown dataset 'usp'", "Did you mean 'usps'"]),
        (("--datasets", ", "), 2, ["Names are expected, separated by commas"]),
        (("--datasets", "digits", "--set", "head.centers=frozen"), 2, ["head 'dec' has no parameter 'centers'"]),
        (("table2", "--set", "train.augment_in=both"), 2, ["rows of table2 differ in train.augment_in"]),
        (("--trials", "0"), 2, ["--trials"]),
        (("--budget", "long"), 2, ["'long' is not one of 'paper', 'short'"]),
        (("--resume",), 2, ["no study to continue in runs/reproduce-table3"]),
        (("--datasets", "usps", "--offline", "--data-root", "."), 3, ["usps/zip.train.gz", "offline"]),
    ],
)
def test_mistakes(decda: Cli, tmp_path: Path, words: tuple[str, ...], code: int, pieces: list[str]) -> None:
    """Each mistake prints one message, exits with a code for its kind, and leaves no folder behind."""
    done = decda("reproduce", *words)
    assert done.returncode == code, done.stderr
    assert all(piece in done.stderr for piece in pieces), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_third_party_recipe_of_the_same_name(decda: Cli, tmp_path: Path) -> None:
    """A bare name refers to the recipe of the paper; another package's recipe is listed with the package name."""
    info = tmp_path / "site" / "twin-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: twin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[decda.recipes]\nfcdec-da = decda_test_twin:RECIPE\n")
    recipe = {"dataset": "digits", "encoder": "fc", "head": "dcn", "augment": "none"}
    (tmp_path / "site" / "decda_test_twin.py").write_text(f"RECIPE = {recipe}\n")
    words = ("--datasets", "digits", "--algorithms", "FcDEC-DA", "--algorithms", "twin:fcdec-da", *FEW)
    done = decda("reproduce", *words, "--out", "study", PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 0, done.stderr
    assert {row["cell"]: row["run"].split("-")[2] for row in rows(tmp_path / "study")} == {
        "FcDEC-DA": "dec",
        "twin:fcdec-da": "dcn",
    }
