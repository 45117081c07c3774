"""The `results.csv` of a study."""

import csv
from pathlib import Path
from typing import Any

import pytest

from decda.core.errors import DataError
from decda.core.studies.results import COLUMNS, Results


def row(run: str, **values: Any) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS, "x") | {"run": run, "acc": 0.5, "nmi": 0.25, "ari": 0.125} | values


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_kept_without_duplicates(tmp_path: Path) -> None:
    """Rows of an earlier start are kept; a new row of the same run replaces the old one; rows are sorted."""
    path = tmp_path / "results.csv"
    first = Results(path)
    first.add(row("b", acc=1 / 3))
    first.add(row("c"))
    again = Results(path)
    again.add(row("a", settings='paper "odd", text'))
    again.add(row("b", acc=0.25))
    assert [(line["run"], line["acc"]) for line in read(path)] == [("a", "0.5"), ("b", "0.25"), ("c", "0.5")]
    assert read(path)[0]["settings"] == 'paper "odd", text'
    assert [entry.name for entry in tmp_path.iterdir()] == ["results.csv"]


def test_figures_are_read_back_exactly(tmp_path: Path) -> None:
    """A figure from this start or an earlier one is read back bit for bit; a run without a row is skipped."""
    for results in (Results(tmp_path / "results.csv"), Results(tmp_path / "results.csv")):
        results.add(row("a", acc=1 / 3))
        assert results.figures(["a", "not there"], "acc") == [1 / 3]


def test_an_equal_row_is_not_written_again(tmp_path: Path) -> None:
    """Adding a row that is already there leaves the file untouched."""
    Results(tmp_path / "results.csv").add(row("a"))
    before = (tmp_path / "results.csv").stat().st_mtime_ns
    Results(tmp_path / "results.csv").add(row("a"))
    assert (tmp_path / "results.csv").stat().st_mtime_ns == before


@pytest.mark.parametrize("text", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00"])
def test_another_file_is_left_alone(tmp_path: Path, text: bytes) -> None:
    """A file that was not written by a study is refused and left untouched."""
    path = tmp_path / "results.csv"
    path.write_bytes(text)
    with pytest.raises(DataError, match=r"results\.csv"):
        Results(path)
    assert path.read_bytes() == text


@pytest.mark.parametrize("line", ["a", "a" + ",x" * 30, ",".join(["a"] + ["x"] * (len(COLUMNS) - 1))])
def test_a_damaged_row_is_an_error(tmp_path: Path, line: str) -> None:
    """A row with too few or too many fields, or a score that is not a number, is reported by its line number."""
    path = tmp_path / "results.csv"
    Results(path).add(row("b"))
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"results\.csv is damaged in line 3"):
        Results(path)


def test_rows_can_be_dropped(tmp_path: Path) -> None:
    """A dropped row also leaves the file; dropping a missing row does nothing; changes are counted."""
    results = Results(tmp_path / "results.csv")
    results.add(row("a"))
    results.add(row("b"))
    results.drop("a")
    results.drop("a")
    assert [line["run"] for line in read(results.path)] == ["b"]
    assert results.changes == 3
