"""Files and folders that may not be read are told as that, never as missing."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.places import MNIST
from tests.unprivileged import run_unprivileged

DATA_FILE = "data/mnist/t10k-images-idx3-ubyte.gz"
WEIGHTS = "run/autoencoder.safetensors"
AUTOENCODER = ("train", "--encoder", "fc", "--autoencoder")


@pytest.mark.parametrize(
    ("closed", "words", "exit_code", "named"),
    [
        (DATA_FILE, MNIST, 3, DATA_FILE),
        pytest.param("data/mnist", MNIST, 3, DATA_FILE, marks=pytest.mark.slow),
        ("data", MNIST, 3, "data"),
        ("mine/mine.toml", ("train", "--config", "mine/mine.toml"), 2, "mine/mine.toml"),
        pytest.param("mine", ("train", "--config", "mine/mine.toml"), 2, "mine/mine.toml", marks=pytest.mark.slow),
        pytest.param("mine", ("train", "--load", "mine/mine.py"), 2, "mine/mine.py", marks=pytest.mark.slow),
        (WEIGHTS, (*AUTOENCODER, "run"), 3, WEIGHTS),
        pytest.param("run", (*AUTOENCODER, "run"), 3, WEIGHTS, marks=pytest.mark.slow),
        pytest.param(
            "run",
            (*AUTOENCODER, "run/autoencoder.safetensors"),
            3,
            "run/autoencoder.safetensors",
            marks=pytest.mark.slow,
        ),
        ("run", ("evaluate", "run"), 3, "run"),
        pytest.param("run/config.toml", ("evaluate", "run"), 3, "run/config.toml", marks=pytest.mark.slow),
        pytest.param("run/model.safetensors", ("evaluate", "run"), 3, "run/model.safetensors", marks=pytest.mark.slow),
        ("run/labels.csv", ("evaluate", "run"), 3, "run/labels.csv"),
    ],
)
def test_permission_is_denied(
    finished_run: Path, tmp_path: Path, closed: str, words: Sequence[str], exit_code: int, named: str
) -> None:
    """A file that may not be read, or whose folder may not be entered, is named with that reason."""
    shutil.copytree(finished_run, tmp_path / "run")
    for name in (DATA_FILE, "mine/mine.toml", "mine/mine.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    path = tmp_path / closed
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        done = run_unprivileged(["-m", "decda", *words], tmp_path)
    finally:
        path.chmod(mode)
    assert (done.returncode, done.stdout) == (exit_code, ""), done.stderr
    message = " ".join(done.stderr.split())
    assert named in message.replace(" ", "")
    assert "Permission denied" in message or "is not readable" in message  # the latter of an argument itself
    for wrong in ("Traceback", "no such", "missing", "There is no", "not the folder"):
        assert wrong not in message
