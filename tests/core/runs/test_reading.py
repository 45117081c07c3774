"""Reading the folder of a run."""

from pathlib import Path

import pytest

from decda.core.errors import DataError
from decda.core.runs.reading import read_labels, read_run


def test_a_folder_that_is_not_a_run_is_an_error(tmp_path: Path) -> None:
    """A folder without config.toml is not a run, and missing provenance is reported by file name."""
    with pytest.raises(DataError, match="not the folder of a run"):
        read_run(tmp_path)
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(DataError, match=r"provenance\.json"):
        read_run(tmp_path)


def test_labels_are_read_back(tmp_path: Path) -> None:
    """Labels, confidences and, if present, names are read back; names may contain commas and quotes."""
    (tmp_path / "labels.csv").write_text(
        'index,name,label,confidence\n0,"a, ""b"".png",3,0.250000\n1,c.png,1,1.000000\n'
    )
    labels, confidence, names = read_labels(tmp_path)
    assert (labels.tolist(), confidence.tolist(), names) == ([3, 1], [0.25, 1.0], ['a, "b".png', "c.png"])
    (tmp_path / "labels.csv").write_text("index,name,label,confidence\n0,,2,0.500000\n")
    assert read_labels(tmp_path)[2] is None


@pytest.mark.parametrize(
    "text", ["index,name,label,confidence\n0,,x,0.5\n", "a,b\n1,2\n", "index,name,label,confidence\n0,,\n"]
)
def test_damaged_labels_are_an_error(tmp_path: Path, text: str) -> None:
    """A missing or malformed labels.csv is reported by name."""
    with pytest.raises(DataError, match=r"labels\.csv cannot be read"):
        read_labels(tmp_path)
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=r"labels\.csv cannot be read"):
        read_labels(tmp_path)
