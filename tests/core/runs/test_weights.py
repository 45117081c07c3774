"""Runs that start from a pretrained autoencoder."""

import json
import os
import shutil
import struct
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from decda.core.config.composition import compose
from decda.core.errors import DataError, OutOfMemory
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run
from decda.core.runs.run import Run
from decda.core.runs.weights import find_pretrained, read_weights, write_weights
from tests.conftest import SHORT

FILES = Files(offline=True)


@pytest.fixture(scope="module")
def whole(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A complete run of the fully connected autoencoder."""
    config = compose(registry, parts={"encoder": "fc", "augment": "affine"}, settings=SHORT)
    return run(config, registry, FILES, out=tmp_path_factory.mktemp("runs") / "whole")


@pytest.mark.parametrize("name", ["", "autoencoder.safetensors"])
def test_a_run_from_pretrained_weights_equals_the_whole_run(
    registry: Registry, whole: Run, tmp_path: Path, name: str
) -> None:
    """A run that starts from another run's folder or weights file writes the same bytes as that run did."""
    words = {"encoder": "fc", "augment": "affine"}
    config = compose(registry, parts=words, settings=SHORT, autoencoder=str(whole.folder / name))
    started = run(config, registry, FILES, out=tmp_path / "started")
    for file in ("labels.csv", "model.safetensors", "autoencoder.safetensors"):
        assert (started.folder / file).read_bytes() == (whole.folder / file).read_bytes(), file
    assert started.baseline == whole.baseline
    assert "pretrain" not in started.seconds
    assert json.loads((started.folder / "metrics.json").read_text())["pretrain_epochs"] == 0
    assert "pretrain" not in (started.folder / "log.csv").read_text()
    provenance = json.loads((started.folder / "provenance.json").read_text())
    assert provenance["autoencoder"]["path"] == str(whole.folder / "autoencoder.safetensors")
    assert len(provenance["autoencoder"]["sha256"]) == 64
    # The path of the weights does not count as part of the experiment.
    assert provenance["config_sha256"] == json.loads((whole.folder / "provenance.json").read_text())["config_sha256"]


def test_the_configuration_names_the_weights(registry: Registry, whole: Run, tmp_path: Path) -> None:
    """`config.toml` holds the absolute path, so that the run can be repeated from any folder; `none` unsets it."""
    config = compose(registry, parts={"encoder": "fc"}, settings=SHORT, autoencoder=str(whole.folder))
    started = run(config, registry, FILES, out=tmp_path / "started")
    written = tomllib.loads((started.folder / "config.toml").read_text())
    assert written["autoencoder"] == str(whole.folder / "autoencoder.safetensors")
    assert compose(registry, config=started.folder / "config.toml") == started.config
    assert compose(registry, config=started.folder / "config.toml", autoencoder="none").autoencoder is None


def test_weights_of_another_model(registry: Registry, whole: Run, tmp_path: Path) -> None:
    """Weights of another architecture or image shape are refused before a folder is created, naming the weight."""
    for parts, settings, says in (
        (
            {"encoder": "conv"},
            SHORT,
            r"encoder 'conv'.*'convolutions\.0\.weight' is missing.*encoder 'fc'.*\(1, 8, 8\)",
        ),
        ({"encoder": "fc"}, ("dataset.size=12",), r"shape \(500, 64\) instead of \(500, 144\)"),
        (
            {"encoder": "fc"},
            ("encoder.hidden=500", *SHORT),
            r"'encoder\.3\.weight' .*\(500, 500\) instead of \(10, 500\)",
        ),
    ):
        config = compose(registry, parts=parts, settings=settings, autoencoder=str(whole.folder))
        with pytest.raises(DataError, match=says):
            run(config, registry, FILES, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_no_weights(registry: Registry, whole: Run, tmp_path: Path) -> None:
    """A missing path, a folder without weights and a file of another type each have their own error."""
    unfinished = tmp_path / "unfinished"
    shutil.copytree(whole.folder, unfinished)
    (unfinished / "autoencoder.safetensors").unlink()
    for path, says in (
        (tmp_path / "nowhere", "There is no pretrained autoencoder at"),
        (unfinished, "holds no pretrained autoencoder.*finished its pretraining"),
        (unfinished / "labels.csv", "cannot be read"),
    ):
        config = compose(registry, parts={"encoder": "fc"}, settings=SHORT, autoencoder=str(path))
        with pytest.raises(DataError, match=says):
            run(config, registry, FILES, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


class Tied(nn.Module):
    """Two layers that share a weight, a channels-last layer and an integer buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
        self.two.weight = self.one.weight
        self.conv = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
        self.register_buffer("count", torch.tensor(5))


def test_tied_and_channels_last_weights_come_back(tmp_path: Path) -> None:
    """Shared and channels-last weights, which safetensors alone refuses, are saved and read back equal."""
    saved, loaded = Tied(), Tied()
    saved.count.fill_(7)
    write_weights(tmp_path / "model.safetensors", {"part": saved})
    read_weights(tmp_path / "model.safetensors", {"part": loaded})
    assert all(
        torch.equal(a, b) for a, b in zip(saved.state_dict().values(), loaded.state_dict().values(), strict=True)
    )
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert len(file.metadata() or {}) <= 1


def test_equal_weights_are_equal_bytes(tmp_path: Path) -> None:
    """The bytes of a weights file depend on the weights alone."""
    module = Tied()
    files = []
    for name in "ab":
        write_weights(tmp_path / name, {"part": module})
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1]


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix file modes")
def test_weights_follow_the_umask(tmp_path: Path) -> None:
    """The weights file has the same permissions as the other files of a run."""
    former = os.umask(0o022)
    try:
        write_weights(tmp_path / "model.safetensors", {"part": nn.Linear(1, 1)})
    finally:
        os.umask(former)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o644


def with_header(header: object, size: int = 8) -> bytes:
    """A safetensors file with a header of one's own, and zeros for content."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


def claim(dtype: str, shape: list[int], size: int = 8) -> bytes:
    return with_header({"part.weight": {"dtype": dtype, "shape": shape, "data_offsets": [0, size]}}, size)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        bytes(4096),
        struct.pack("<Q", 2**62) + b"{}",
        with_header([]),
        claim("F32", [2]) + b"more",
        claim("F32", [2])[:-1],
        claim("F32", [2**40]),
        claim("F32", [2**62, 2**62]),
        claim("F32", [2**63, 0], size=0),
        claim("F31", [2]),
    ],
    ids=["empty", "short", "zeros", "long", "list", "trailing", "truncated", "4TB", "overflow", "absurd", "type"],
)
def test_damaged_weights_are_an_error(tmp_path: Path, content: bytes) -> None:
    """A damaged or missing weights file is reported by name, and takes no memory for what it only claims to hold."""
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(content)
    for _ in range(2):
        with pytest.raises(DataError, match=r"model\.safetensors cannot be read"):
            read_weights(weights, {"part": nn.Linear(1, 1)})
        weights.unlink(missing_ok=True)


def test_weights_of_another_type(tmp_path: Path) -> None:
    """Weights of another number type are refused, not converted."""
    write_weights(tmp_path / "double", {"part": nn.Linear(1, 1).double()})
    with pytest.raises(DataError, match=r"'weight' holds torch\.float64 instead of torch\.float32"):
        read_weights(tmp_path / "double", {"part": nn.Linear(1, 1)})


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_only_a_regular_file_holds_weights(tmp_path: Path) -> None:
    """A named pipe, alone or in the folder of a run, is refused at once, with the reason."""
    os.mkfifo(tmp_path / "autoencoder.safetensors")
    for path in (tmp_path, tmp_path / "autoencoder.safetensors"):
        with pytest.raises(DataError, match=r"autoencoder\.safetensors cannot be read: it is not a regular file"):
            find_pretrained(path)
    with pytest.raises(DataError, match=r"autoencoder\.safetensors cannot be read: it is not a regular file"):
        read_weights(tmp_path / "autoencoder.safetensors", {"part": nn.Linear(1, 1)})


def test_weights_that_do_not_fit_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory ends while weights are read, the file is not called damaged."""

    def full(path: Path) -> None:
        raise MemoryError("Cannot allocate memory (os error 12)")

    write_weights(tmp_path / "model.safetensors", {"part": nn.Linear(1, 1)})
    monkeypatch.setattr("decda.core.runs.weights.load_file", full)
    with pytest.raises(OutOfMemory, match=r"Out of memory: the weights .*model\.safetensors do not fit"):
        read_weights(tmp_path / "model.safetensors", {"part": nn.Linear(1, 1)})
