"""Real runs that are killed by SIGKILL, in every phase and while they are being saved, and resumed."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EQUAL = ("model.safetensors", "labels.csv", "log.csv", "metrics.json", "autoencoder.safetensors", "config.toml")
"""The files that equal runs write byte for byte."""
SETTINGS = (
    "--set=dataset.size=8", "--set=train.pretrain_epochs=4", "--set=train.max_iter=30", "--set=train.tol=0",
    "--set=train.update_interval=9", "--set=train.batch_size=200",
)  # fmt: skip
TRAIN = ("train", "--encoder=conv", "--head=idec", "--augment=shift", "--start=kmeans", *SETTINGS)
STUDY = ("reproduce", "--datasets=digits", "--algorithms=convdec-da,convidec-da", "--trials=1", *SETTINGS)
POINTS = ("begun", "tensors.safetensors", "state.json", "log.csv", "manifest.json", "renamed", "removed")
"""Moments in the writing of a checkpoint."""
FAST, SLOW = 2, 30
"""Kills of single runs in the fast and in the slow suite."""


def start(*words: str, fault: str = "") -> subprocess.Popen[bytes]:
    """A command in a process of its own, one thread, checkpoints all the time."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "DECDA_OFFLINE": "1", "DECDA_FAULT": fault}
    return subprocess.Popen(
        [sys.executable, "-m", "decda", *words, "--checkpoint-every=0.001"],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def finish(*words: str) -> None:
    """Let a command end by itself."""
    assert start(*words).wait(timeout=300) == 0


def kill(process: subprocess.Popen[bytes]) -> bool:
    """Kill a command and all that it started; False if it had ended before."""
    alive = process.poll() is None
    with contextlib.suppress(ProcessLookupError):  # all of them have ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return alive


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a file is there, or the process has ended."""
    while not path.exists() and process.poll() is None:
        time.sleep(0.01)


def assert_equal(folder: Path, whole: Path) -> None:
    for name in EQUAL:
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), f"{folder.name}/{name}"
    assert not (folder / "checkpoints").exists()
    assert not list(folder.glob(".*"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("kills") / "whole"
    finish(*TRAIN, f"--out={folder}")
    return folder


@pytest.fixture(scope="module")
def seconds(whole: Path) -> float:
    """How long a run computes."""
    total: float = json.loads((whole / "provenance.json").read_text())["seconds"]["total"]
    return total


def moments(n: int) -> list[object]:
    return [pytest.param(number, marks=[pytest.mark.slow] if number >= FAST else []) for number in range(n)]


@pytest.mark.parametrize("number", moments(SLOW))
def test_a_killed_run_ends_in_the_same_bytes(tmp_path: Path, whole: Path, seconds: float, number: int) -> None:
    """Killed at random moments, or while a checkpoint is being written, a run is resumed as if nothing had happened."""
    draw = random.Random(number)
    out = tmp_path / "run"
    in_writing = number % 2 == 1
    fault = f"checkpoint.{POINTS[number // 2 % len(POINTS)]}:{draw.randrange(30)}" if in_writing else ""
    process = start(*TRAIN, f"--out={out}", fault=fault)
    wait_for(out / "config.toml", process)
    if in_writing:
        process.wait(timeout=120)
        assert process.returncode == -signal.SIGKILL
    else:
        time.sleep(draw.uniform(0, seconds))
    kill(process)
    process = start("train", f"--resume={out}")
    time.sleep(draw.uniform(0, 6))  # on the way to its first step, or later
    kill(process)
    finish("train", f"--resume={out}")
    assert_equal(out, whole)


def kill_and_repeat(first: tuple[str, ...], again: tuple[str, ...], sign: Path, seed: int) -> None:
    """Kill a command some seconds after a file has appeared, then start it again until it ends by itself."""
    draw = random.Random(seed)
    process = start(*first)
    wait_for(sign, process)
    time.sleep(draw.uniform(0, 3))
    assert kill(process)
    process = start(*again)
    time.sleep(draw.uniform(3, 8))
    kill(process)
    finish(*again)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_killed_seeds_end_in_the_same_bytes(tmp_path: Path, whole: Path, number: int) -> None:
    """Several seeds that were killed with all their processes go on, and leave what each leaves alone."""
    out = tmp_path / "seeds"
    words = (*TRAIN, "--seeds=0-1", f"--out={out}")
    kill_and_repeat(words, ("train", f"--resume={out}"), out / "seed-0" / "config.toml", number)
    assert_equal(out / "seed-0", whole)
    assert (out / "seed-1" / "model.safetensors").read_bytes() != (whole / "model.safetensors").read_bytes()
    assert (out / "summary.json").is_file()


@pytest.fixture(scope="module")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted study."""
    folder = tmp_path_factory.mktemp("kills") / "study"
    finish(*STUDY, f"--out={folder}")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_a_killed_study_ends_in_the_same_bytes(tmp_path: Path, whole_study: Path, number: int) -> None:
    """A study that was killed goes on by the same command, with the shared autoencoder and all trials."""
    out = tmp_path / "study"
    words = (*STUDY, f"--out={out}")
    kill_and_repeat(words, words, out / "autoencoders", number)
    trials = sorted(path.name for path in (whole_study / "trials").iterdir())
    assert len(trials) == 2
    assert sorted(path.name for path in (out / "trials").iterdir()) == trials
    for name in trials:
        for file in EQUAL[:-1]:  # the configuration holds the path of the autoencoder
            assert (out / "trials" / name / file).read_bytes() == (whole_study / "trials" / name / file).read_bytes()
