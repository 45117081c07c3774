"""`decda runs` from its users' perspective."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Here


@pytest.fixture
def several(finished_run: Path, begun_run: Path, tmp_path: Path) -> Path:
    """The folder `runs`, with a finished run, an interrupted one, two seeds of which one has finished, and no run."""
    folder = tmp_path / "runs"
    shutil.copytree(finished_run, folder / "one")
    shutil.copytree(begun_run, folder / "two")
    (folder / "three").mkdir()
    shutil.copy(finished_run / "config.toml", folder / "three")
    (folder / "three" / "seeds.json").write_text(json.dumps({"seeds": [0, 1], "recipe": "quick", "threads": None}))
    shutil.copytree(finished_run, folder / "three" / "seed-0")
    shutil.copytree(begun_run, folder / "three" / "seed-1")
    (folder / "notes").mkdir()
    return folder


def test_the_table(here: Here, several: Path) -> None:
    """Each run is a row of stdout, several seeds are one; what is no run, and how to go on, is told on stderr."""
    before = {path: path.read_bytes() for path in several.rglob("*") if path.is_file()}
    code, out, err = here("runs")
    assert code == 0, err
    acc = json.loads((several / "one" / "metrics.json").read_text())["acc"]
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert set(rows) == {"run", "one", "two", "three"}
    assert "quick   digits    fc · idec · affine" in rows["one"]
    assert f"finished     {acc:.3f}" in rows["one"]
    assert "interrupted" in rows["two"]
    assert "1 of 2  interrupted" in rows["three"]
    assert "4 runs in runs, " in err
    assert "1 other folder holds no run: notes." in err
    assert "decda train --resume runs/t" in err
    assert before == {path: path.read_bytes() for path in several.rglob("*") if path.is_file()}


def test_every_seed_and_reasons(here: Here, several: Path) -> None:
    """`--all` lists each seed below its folder, `--verbose` says why runs have not finished."""
    code, out, err = here("runs", "runs", "--all", "--verbose")
    assert code == 0, err
    lines = [line.split()[0] for line in out.splitlines()]
    assert lines[lines.index("three") + 1 :][:3] == ["seed-1:", "seed-0", "seed-1"]
    assert out.count("SIGTERM") == 3
    assert "--verbose" not in err
    assert "--verbose" in here("runs")[2]
    out = here("runs", "runs/three")[1]
    assert {line.split()[0] for line in out.splitlines()} == {"run", "seed-0", "seed-1"}


def test_json(here: Here, several: Path) -> None:
    """With `--json`, one object with all runs goes to stdout and nothing to stderr; `--all` adds the seeds."""
    code, out, err = here("runs", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["schema_version"] == 1
    assert sorted(run["run"] for run in found["runs"]) == ["runs/one", "runs/three", "runs/two"]
    assert {run["run"]: run["seeds"] for run in found["runs"]} == {
        "runs/one": None,
        "runs/two": None,
        "runs/three": [0, 1],
    }
    assert all(run["age_seconds"] > 0 for run in found["runs"])
    every = json.loads(here("runs", "--json", "--all")[1])["runs"]
    assert {run["run"] for run in every} - {run["run"] for run in found["runs"]} == {
        "runs/three/seed-0",
        "runs/three/seed-1",
    }


def test_no_runs(here: Here, tmp_path: Path) -> None:
    """An empty folder is no error, and says how to make a run; a missing one is, with exit code 3."""
    code, out, err = here("runs")
    assert (code, out) == (3, "")
    assert "The folder runs cannot be listed: there is no such folder here." in err
    assert "decda train" in err
    (tmp_path / "runs").mkdir()
    assert here("runs") == (0, "", "runs holds no runs yet. Make a first one: decda train\n")
    code, out, _ = here("runs", "--json")
    assert (code, json.loads(out)) == (0, {"schema_version": 1, "runs": []})


def test_nothing_heavy_is_imported(several: Path) -> None:
    """Listing runs imports neither PyTorch nor NumPy, nor any plugin, so that it answers at once."""
    code = (
        "import sys\nfrom decda import cli\n"
        "try:\n    cli.main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "heavy = {'torch', 'numpy', 'joblib', 'sklearn', 'kornia'}\n"
        "print('LOADED', sorted({name.partition('.')[0] for name in sys.modules} & heavy),"
        " [name for name in sys.modules if name.startswith('decda.plugins')])"
    )
    words = [sys.executable, "-c", code, "runs", "--all"]
    done = subprocess.run(words, cwd=several.parent, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED [] []"
