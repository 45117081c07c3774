"""`results.csv` of a study."""

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


def test_rows_are_kept_and_none_stands_twice(tmp_path: Path) -> None:
    """What an earlier start wrote stays; a row of the same run takes the place of the former one; rows are sorted."""
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


def test_figures_are_read_back_whole(tmp_path: Path) -> None:
    """A figure comes back to the last bit, from this start and from an earlier one; a run without a row gives none."""
    for results in (Results(tmp_path / "results.csv"), Results(tmp_path / "results.csv")):
        results.add(row("a", acc=1 / 3))
        assert results.figures(["a", "not there"], "acc") == [1 / 3]


def test_an_equal_row_is_not_written_again(tmp_path: Path) -> None:
    """A start that finds all done leaves the file untouched."""
    Results(tmp_path / "results.csv").add(row("a"))
    before = (tmp_path / "results.csv").stat().st_mtime_ns
    Results(tmp_path / "results.csv").add(row("a"))
    assert (tmp_path / "results.csv").stat().st_mtime_ns == before


@pytest.mark.parametrize("text", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00"])
def test_another_file_is_left_alone(tmp_path: Path, text: bytes) -> None:
    """A file that no study wrote is refused, and stays as it is."""
    path = tmp_path / "results.csv"
    path.write_bytes(text)
    with pytest.raises(DataError, match=r"results\.csv"):
        Results(path)
    assert path.read_bytes() == text


@pytest.mark.parametrize("line", ["a", "a" + ",x" * 30, ",".join(["a"] + ["x"] * (len(COLUMNS) - 1))])
def test_a_damaged_row_is_told(tmp_path: Path, line: str) -> None:
    """A row with too few fields, too many, or a score that is no number is named by its line."""
    path = tmp_path / "results.csv"
    Results(path).add(row("b"))
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(DataError, match=r"results\.csv is damaged in line 3"):
        Results(path)


def test_rows_can_be_dropped(tmp_path: Path) -> None:
    """A row leaves the file, too; one that is not there is no matter; changes are counted."""
    results = Results(tmp_path / "results.csv")
    results.add(row("a"))
    results.add(row("b"))
    results.drop("a")
    results.drop("a")
    assert [line["run"] for line in read(results.path)] == ["b"]
    assert results.changes == 3
