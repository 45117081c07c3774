"""The count of clusters beside the number of classes."""

import json
import shutil
from pathlib import Path

import pytest

from tests.test_benchmarks import run


def test_a_table_of_a_tiny_run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`--quick` prints a row with the set, its classes, the number that was found, and the curve over the range."""
    run("cluster_count", "--quick", "--most=6", monkeypatch=monkeypatch)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| digits")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:6] == ["digits", "fc", "1", "0", "1797", "10"]
    assert int(cells[6]) in range(2, 7)
    assert [point.partition(":")[0] for point in cells[9].split()] == ["2", "3", "4", "5", "6"]


def test_runs_are_found_below_a_folder(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs are found at any depth, and each is counted on its pretrained weights, not on those after clustering."""
    shutil.copytree(finished_run, tmp_path / "some" / "run")
    run("cluster_count", str(tmp_path), "--json", monkeypatch=monkeypatch)
    (first,) = json.loads(capsys.readouterr().out)
    assert (first["dataset"], first["n_classes"]) == ("digits", 10)
    shutil.copy(tmp_path / "some" / "run" / "autoencoder.safetensors", tmp_path / "kept")
    (tmp_path / "some" / "run" / "autoencoder.safetensors").unlink()
    with pytest.raises(Exception, match="autoencoder"):
        run("cluster_count", str(tmp_path), "--json", monkeypatch=monkeypatch)


def test_without_runs_nothing_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a finished run ends the script with a sentence."""
    with pytest.raises(SystemExit, match="There is no finished run"):
        run("cluster_count", str(tmp_path), monkeypatch=monkeypatch)
