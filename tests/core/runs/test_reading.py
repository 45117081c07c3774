"""Reading the folder of a run."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from decda.core.errors import DataError
from decda.core.runs.reading import read_labels, read_run
from decda.core.runs.run_folder import RunFolder


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


HEADER = b"index,name,label,confidence\n"


@pytest.mark.parametrize(
    "content",
    [
        HEADER + b"0,,x,0.5\n",
        HEADER + b"0,,\n",
        HEADER + b"0,,1.5,0.5\n",
        HEADER + b"0,,99999999999999999999,0.5\n",
        HEADER + b"0,,\0,0.5\n",
        HEADER + b"0,\xff,1,0.5\n",
        HEADER + b"0,," + b"1" * 200_000 + b",0.5\n",
        b"a,b\n1,2\n",
        HEADER + b"1,,3,0.5\n0,,2,0.5\n",
        HEADER + b"0,,3,0.5\n2,,2,0.5\n",
    ],
    ids=["word", "short", "fraction", "huge", "null", "not-utf-8", "long", "other-columns", "unordered", "gap"],
)
def test_damaged_labels_are_an_error(tmp_path: Path, content: bytes) -> None:
    """A missing or malformed labels.csv is reported by name."""
    with pytest.raises(DataError, match=r"labels\.csv cannot be read: No such file or directory"):
        read_labels(tmp_path)
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.csv cannot be read: it is damaged"):
        read_labels(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """Named pipes in the folder of a run are refused at once, by name."""
    for name in ("config.toml", "labels.csv"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=r"config\.toml cannot be read: it is not a regular file"):
        read_run(tmp_path)
    with pytest.raises(DataError, match=r"labels\.csv cannot be read: it is not a regular file"):
        read_labels(tmp_path)


def test_hostile_names_stay_in_their_cell(tmp_path: Path) -> None:
    """Quotes, commas, line breaks, ANSI, reversed text, markup and 10 kB in a name come back as they were written."""
    names = [
        'a"b,c',
        "a\r\nb\n1,x,2,0.5",
        "\x1b[31mred",
        "\u202egnp",
        "<script>alert(1)</script>",
        "=1+1",
        "y" * 10_000,
    ]
    labels, sure = np.arange(len(names)), np.full(len(names), 0.5, np.float32)
    RunFolder(tmp_path).write_labels(labels, sure, names)
    found, confidence, again = read_labels(tmp_path)
    assert again == names
    assert found.tolist() == labels.tolist()
    assert confidence.tolist() == sure.tolist()
