"""The folder of a run."""

import csv
import threading
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from decda.core.errors import ConfigError, DataError
from decda.core.events import Progress, Refreshed, Scored
from decda.core.runs.run_folder import RunFolder
from decda.core.runs.reading import read_run
from decda.core.runs.weights import read_weights


def test_each_run_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    """Runs that start at once never share a folder: making it is atomic."""
    paths: list[Path] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        paths.append(RunFolder.create(None, "quick", tmp_path / "runs").path)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.name for path in paths} == {f"quick-{n}" for n in range(1, 9)}


def test_out_must_not_exist(tmp_path: Path) -> None:
    """A folder, a file or a dangling link at --out is an error, and stays as it was."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link", "."):
        with pytest.raises(ConfigError, match="exists already"):
            RunFolder.create(tmp_path / name, "x")
    assert (tmp_path / "file").read_text() == "precious"
    assert RunFolder.create(tmp_path / "a" / "b", "x").path.is_dir()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    """Below a file no folder can be made; the message says what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made.*--out"):
        RunFolder.create(tmp_path / "file" / "run", "x")


def test_the_log_has_a_row_an_epoch_and_a_refresh(tmp_path: Path) -> None:
    """Losses by term, share of changed labels, and scores of the labels of that very refresh."""
    folder = RunFolder.create(tmp_path / "run", "x")
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
        ["phase", "step", "loss", "terms", "changed", "acc", "nmi", "ari"],
        ["pretrain", "1", "0.25", "reconstruction=0.25", "", "", "", ""],
        ["cluster", "0", "", "", "1.000000", "0.500000", "", ""],
        ["cluster", "30", "3", "kl=1 reconstruction=2", "0.500000", "0.750000", "0.100000", "0.200000"],
    ]


class Tied(nn.Module):
    """Two layers that share a weight, one that is channels-last, and a buffer that is no float."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
        self.two.weight = self.one.weight
        self.conv = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        self.register_buffer("count", torch.tensor(5))


def test_tied_and_channels_last_weights_come_back(tmp_path: Path) -> None:
    """What safetensors refuses by itself is saved all the same, and read back equal."""
    folder = RunFolder.create(tmp_path / "run", "x")
    saved, loaded = Tied(), Tied()
    saved.count.fill_(7)
    folder.write_weights("model.safetensors", {"part": saved})
    read_weights(folder.path / "model.safetensors", {"part": loaded})
    assert all(
        torch.equal(a, b) for a, b in zip(saved.state_dict().values(), loaded.state_dict().values(), strict=True)
    )
    with safe_open(folder.path / "model.safetensors", "pt") as file:
        assert len(file.metadata() or {}) <= 1


def test_equal_weights_are_equal_bytes(tmp_path: Path) -> None:
    """A file of weights depends on the weights alone."""
    module = Tied()
    files = []
    for name in "ab":
        folder = RunFolder.create(tmp_path / name, "x")
        folder.write_weights("model.safetensors", {"part": module})
        files.append((folder.path / "model.safetensors").read_bytes())
    assert files[0] == files[1]


def test_labels_name_their_images(tmp_path: Path) -> None:
    """index, name where there is one, label, confidence; names may hold commas and quotes."""
    folder = RunFolder.create(tmp_path / "run", "x")
    folder.write_labels(torch.tensor([1, 0]), torch.tensor([0.5, 0.25]), ['a, "b".png', "ü.png"])
    text = (folder.path / "labels.csv").read_text(encoding="utf-8")
    assert text == 'index,name,label,confidence\n0,"a, ""b"".png",1,0.500000\n1,ü.png,0,0.250000\n'
    folder.write_labels(torch.tensor([2]), torch.tensor([1.0]), None)
    assert (folder.path / "labels.csv").read_text() == "index,name,label,confidence\n0,,2,1.000000\n"


def test_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    """A folder without config.toml, damaged provenance and damaged weights are told by name."""
    with pytest.raises(DataError, match="not the folder of a run"):
        read_run(tmp_path)
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(DataError, match=r"provenance\.json"):
        read_run(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"nonsense")
    for _ in range(2):
        with pytest.raises(DataError, match=r"model\.safetensors cannot be read"):
            read_weights(weights, {"part": nn.Linear(1, 1)})
        weights.unlink(missing_ok=True)
