"""The files in the folder of a run."""

import csv
from pathlib import Path

import numpy as np
import torch

from decda.core.events import Progress, Refreshed, Scored
from decda.core.runs.run_folder import RunFolder


def open_folder(tmp_path: Path) -> RunFolder:
    (tmp_path / "run").mkdir()
    return RunFolder(tmp_path / "run")


def test_the_log_has_a_row_per_epoch_and_refresh(tmp_path: Path) -> None:
    """Each row has the loss by term, the share of changed labels, the clusters in use, the scores of that refresh."""
    folder = open_folder(tmp_path)
    folder.start_log()
    labels = torch.zeros(2, dtype=torch.int64)
    folder(Progress("pretrain", 1, 2, {"reconstruction": torch.tensor(0.25)}))
    folder(Scored({"acc": 0.5, "nmi": None, "ari": None}))
    folder(Refreshed(0, 9, labels, 1.0, {}))
    folder(Progress("cluster", 1, 9, {}))
    folder(Scored({"acc": 0.75, "nmi": 0.1, "ari": 0.2}))
    folder(Refreshed(30, 9, labels, 0.5, {"kl": torch.tensor(1.0), "reconstruction": torch.tensor(2.0)}))
    with open(tmp_path / "run" / "log.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["phase", "step", "loss", "terms", "changed", "clusters", "acc", "nmi", "ari"],
        ["pretrain", "1", "0.25", "reconstruction=0.25", "", "", "", "", ""],
        ["cluster", "0", "", "", "1.000000", "1", "0.500000", "", ""],
        ["cluster", "30", "3", "kl=1 reconstruction=2", "0.500000", "1", "0.750000", "0.100000", "0.200000"],
    ]


def test_labels_name_their_images(tmp_path: Path) -> None:
    """labels.csv has index, name (possibly empty), label and confidence; names may contain commas and quotes."""
    folder = open_folder(tmp_path)
    folder.write_labels(np.array([1, 0]), np.array([0.5, 0.25], np.float32), ['a, "b".png', "ü.png"])
    text = (folder.path / "labels.csv").read_text(encoding="utf-8")
    assert text == 'index,name,label,confidence\n0,"a, ""b"".png",1,0.500000\n1,ü.png,0,0.250000\n'
    folder.write_labels(np.array([2]), np.array([1.0], np.float32), None)
    assert (folder.path / "labels.csv").read_text() == "index,name,label,confidence\n0,,2,1.000000\n"
