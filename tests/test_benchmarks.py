"""The benchmarks run on tiny sizes, where their figures mean nothing."""

import importlib.util
import json
import math
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from decda.core.training import step as step_module
from decda.core.training import trainer as trainer_module
from tests.core.training.tape import TapeCapture
from tests.core.training.test_step import FailingCapture

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "benchmarks"
TABLES = ("Parity", "One step", "Augment", "k-means", "End to end", "Seeds")


def run(name: str, *words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a script in this process, and restore the number of threads."""
    monkeypatch.setattr(sys, "argv", [f"benchmarks/{name}.py", *words])
    monkeypatch.syspath_prepend(str(SCRIPTS))
    threads = torch.get_num_threads()
    try:
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
def test_gpu_script_on_a_cpu(tmp_path: Path) -> None:
    """`benchmarks/gpu.sh` runs all benchmarks without a GPU, prints each table, and succeeds."""
    done = subprocess.run(
        [SCRIPTS / "gpu.sh"],
        cwd=tmp_path,
        env={**os.environ, "DEVICE": "cpu", "QUICK": "1", "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"### {title}" in done.stdout for title in TABLES), done.stdout


def test_parity_of_graphs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The parity script compares captured steps, replayed from a tape, in both phases; the losses are equal."""
    monkeypatch.setattr(trainer_module, "resolve_mode", lambda wish, device: wish)
    monkeypatch.setattr(step_module, "GraphCapture", TapeCapture)
    TapeCapture.replayed = 0
    run("parity", "--quick", "--modes=graph", monkeypatch=monkeypatch)
    rows = [row for row in capsys.readouterr().out.splitlines() if "| graph " in row]
    assert len(rows) == 4
    assert all(row.endswith("| 0.0e+00                              |") for row in rows)
    assert TapeCapture.replayed > 0


def test_parity_fails_if_a_capture_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a step cannot be captured, the parity script exits with the reason."""
    monkeypatch.setattr(trainer_module, "resolve_mode", lambda wish, device: wish)
    monkeypatch.setattr(step_module, "GraphCapture", FailingCapture)
    with pytest.raises(SystemExit, match="graph failed in the step: RuntimeError: operation not permitted"):
        run("parity", "--quick", "--modes=graph", monkeypatch=monkeypatch)


@pytest.mark.slow
def test_checkpoints() -> None:
    """What checkpoints cost is measured on runs that end in equal bytes, with and without them."""
    done = subprocess.run(
        [sys.executable, SCRIPTS / "checkpoints.py", "--quick", "--recipes=convidec-da"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "### Checkpoints" in done.stdout
    assert "| convidec-da " in done.stdout


def test_peers() -> None:
    """The comparison with ClustPy runs, and prints decda's rows even if ClustPy is not installed."""
    done = subprocess.run(
        [sys.executable, SCRIPTS / "peers.py", "--quick", "--threads=1"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "| decda " in done.stdout
    if importlib.util.find_spec("clustpy") is None:
        assert "ClustPy is not installed: python -m pip install" in done.stdout + done.stderr


def test_report() -> None:
    """A report is timed and weighed after its run."""
    done = subprocess.run(
        [sys.executable, SCRIPTS / "report.py", "--quick"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("| digits "))
    *_, seconds, processor, size = (float(cell) for cell in row.split("|")[4:-1])
    assert min(seconds, processor, size) > 0


def test_scale(tmp_path: Path) -> None:
    """Each N and K is measured in a process of its own; tables, slopes, figures and picture are written."""
    done = subprocess.run(
        [sys.executable, SCRIPTS / "scale.py", "--quick", "--out", tmp_path / "it.json", "--plot", tmp_path / "it.svg"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all(f"### {title}" in done.stdout for title in ("Seconds by the number of images", "Limits"))
    assert len([line for line in done.stdout.splitlines() if line.startswith("| slope ")]) == 2
    assert (tmp_path / "it.svg").read_text().count("slope") > 2
    found = json.loads((tmp_path / "it.json").read_text())
    assert [point["n_samples"] for point in found["n_samples"]] == [600, 1200]
    assert [point["n_clusters"] for point in found["n_clusters"]] == [2, 10]
    for point in found["n_samples"]:
        assert 0 < point["target"] < point["refresh"]
        assert 0 < point["importing_mib"] <= point["pretrain_mib"] <= point["peak_mib"]


def test_slopes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slope of a cost in proportion is 1, of a square 2, of what does not grow 0; of nothing there is none."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    slope = runpy.run_path(str(SCRIPTS / "scale.py"))["slope"]
    x = [10.0, 100.0, 1000.0]
    assert [slope(x, y) for y in (x, [n * n for n in x], [7.0] * 3)] == pytest.approx([1, 2, 0], abs=1e-9)
    assert math.isnan(slope(x, [0.0, 1.0, 2.0]))


def race(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `time_to_accuracy.py` on one thread, with the contestants that need no further package."""
    return subprocess.run(
        [sys.executable, SCRIPTS / "time_to_accuracy.py", "--quick", "--threads=1", *words],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def test_time_to_accuracy() -> None:
    """Every contestant is timed and scored in a process of its own; those without their packages are left out."""
    done = race("--json", "--contestants", "tsne", "convdec-da", *(["clustpy"] if not has_clustpy() else []))
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)
    assert (first["contestant"], second["contestant"]) == ("tsne", "convdec-da")
    assert has_clustpy() or "clustpy is left out: clustpy, torchvision is not installed." in done.stderr
    for outcome in (first, second):
        assert outcome["state"] == "finished"
        assert 0 < outcome["to_target"] <= outcome["total"]
        assert 0.1 < outcome["acc"] <= outcome["best_acc"] <= 1
        assert outcome["importing"] > 0


def test_time_to_accuracy_ends_at_the_limit() -> None:
    """Who has not reached the target at the limit is stopped, and its row says so."""
    done = race("--limit=0", "--contestants", "tsne")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if "| tsne " in line)
    assert "| not reached " in row
    assert "| stopped at 0 " in row


def has_clustpy() -> bool:
    """Whether ClustPy is installed."""
    return importlib.util.find_spec("clustpy") is not None
