"""The start `labels`."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from decda.core.runs.run_folder import RunFolder
from decda.plugins.starts.labels import labels

HEADER = "index,name,label,confidence\n"


def start(path: Path | None, n: int = 4, n_clusters: int = 3) -> list[int]:
    found = labels(torch.zeros(n, 2), n_clusters, 0, path=path)
    assert found.dtype == torch.int64
    return found.tolist()


def test_the_labels_of_a_folder(tmp_path: Path) -> None:
    """The folder of a run or of a consensus stands for its `labels.csv`; the order is that of the file."""
    (tmp_path / "labels.csv").write_text(HEADER + "0,,2,0.5\n1,,0,1.0\n2,,1,1.0\n3,,2,0.25\n")
    assert start(tmp_path) == start(tmp_path / "labels.csv") == [2, 0, 1, 2]


def test_names_may_hold_commas(tmp_path: Path) -> None:
    """The column of labels is found by its name, whatever the names of images hold."""
    (tmp_path / "labels.csv").write_text(HEADER + '0,"a, ""b"".png",1,0.5\n1,7,0,1.0\n')
    assert start(tmp_path, 2) == [1, 0]


def test_names_may_hold_line_breaks(tmp_path: Path) -> None:
    """The file that a run writes is read back, whatever its images are called."""
    names = ["a\nb", "c\r\n", '", "', "d"]
    RunFolder(tmp_path).write_labels(np.array([2, 0, 2, 1]), np.ones(4, np.float32), names)
    assert start(tmp_path) == [2, 0, 2, 1]


def test_other_files_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One label per line, texts, and `.npy` serve, too; `~` is the user's home."""
    (tmp_path / "classes.txt").write_text("cat\ndog\ncat\nant\n")
    assert start(tmp_path / "classes.txt") == [1, 2, 1, 0]
    np.save(tmp_path / "labels.npy", np.array([1, 1, 0, 2], dtype=np.uint8))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert start(Path("~/labels.npy")) == [1, 1, 0, 2]


def test_gaps_are_closed(tmp_path: Path) -> None:
    """A run that has lost clusters gives those that it has, so that they fit a smaller number of clusters."""
    (tmp_path / "labels.csv").write_text(HEADER + "0,,9,1\n1,,0,1\n2,,4,1\n3,,9,1\n")
    assert start(tmp_path) == [2, 0, 1, 2]
    assert start(tmp_path, n_clusters=10) == [2, 0, 1, 2]


def test_neither_embeddings_nor_seed_matter(tmp_path: Path) -> None:
    """The same file gives the same labels."""
    (tmp_path / "labels.csv").write_text(HEADER + "0,,1,1\n1,,0,1\n")
    one = labels(torch.randn(2, 3), 2, 7, path=tmp_path)
    assert one.tolist() == labels(torch.randn(2, 5), 2, 8, path=tmp_path).tolist() == [1, 0]


def test_it_belongs_to_one_set() -> None:
    """It says that it cannot be tried on other images than those of its file."""
    assert labels.whole_set is True  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (HEADER + "0,,0,1\n1,,1,1\n", "holds 2 labels, and there are 4 images"),
        (HEADER + "0,,0,1\n1,,1,1\n2,,2,1\n3,,3,1\n", "holds 4 clusters, and n_clusters is 3.*set n_clusters to 4"),
        (HEADER + "0,,0,1\n1,,,1\n2,,2,1\n3,,3,1\n", "line 3 holds no class"),
        (HEADER + "0,,0,1\n1,,1.5,1\n2,,2,1\n3,,2,1\n", "not numbers such as 1.5"),
        (HEADER + "1,,0,1\n0,,1,1\n2,,2,1\n3,,2,1\n", "line 2 has the index '1', not 0"),
        ("a,b\n0,0\n1,1\n2,2\n", "none of them is called"),
        ("", "it is empty"),
    ],
)
def test_files_that_do_not_serve(tmp_path: Path, content: str, says: str) -> None:
    """Each is refused by a ValueError with the file and what is wrong with it."""
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(ValueError, match=says) as raised:
        start(tmp_path)
    assert str(raised.value).startswith("path: ")
    assert str(raised.value).count("labels.csv") == 1


def test_files_that_are_not_there(tmp_path: Path) -> None:
    """Without a path, without a file, and with a file of another kind, the message says so."""
    with pytest.raises(ValueError, match="path must name the file of the labels.*it is not set"):
        start(None)
    with pytest.raises(ValueError, match=r"path: There is no file .*labels\.csv"):
        start(tmp_path)
    with pytest.raises(ValueError, match=r"path: There is no file or folder .*nowhere\.$"):
        start(tmp_path / "nowhere")
    (tmp_path / "labels.zip").touch()
    with pytest.raises(ValueError, match=r"ends in '\.zip'"):
        start(tmp_path / "labels.zip")
    np.save(tmp_path / "pair.npy", np.zeros((4, 2), dtype=int))
    with pytest.raises(ValueError, match=r"pair\.npy.*their shape is \(4, 2\)"):
        start(tmp_path / "pair.npy")


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A named pipe, which would be waited for, is refused."""
    os.mkfifo(tmp_path / "labels.csv")
    with pytest.raises(ValueError, match="not a regular file"):
        start(tmp_path)
