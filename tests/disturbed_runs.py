"""Real runs, seeds and studies that are disturbed while they train, and what is expected of each of them."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PART = """
from torch import Tensor, nn
from decda.core.contracts import Autoencoder

class Linear(Autoencoder):
    def __init__(self, input_shape: tuple[int, int, int]):
        super().__init__()
        self.input_shape, self.embedding_dim = input_shape, 10
        size = input_shape[0] * input_shape[1] * input_shape[2]
        self.encoder, self.decoder = nn.Linear(size, 10), nn.Linear(10, size)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x.flatten(1))

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z).view(-1, *self.input_shape)

def register(registry):
    registry.add("encoder", "linear", Linear)
"""
"""An encoder whose weights take less room than labels and a long log, so that each file can be the first too large."""
ALL_THE_TIME, NEVER = "--checkpoint-every=0.001", "--checkpoint-every=0"
LOAD = "--load=linear.py"
TRAIN = (
    *("train", LOAD, "--encoder=linear", "--head=idec", "--augment=shift", "--start=kmeans", "--set=dataset.size=8"),
    *("--set=train.pretrain_epochs=90", "--set=train.batch_size=1800", "--set=train.max_iter=9"),
    *("--set=train.update_interval=3", "--set=train.tol=0"),
)
SEEDS = (*TRAIN, "--seeds=0-1", "--jobs=1")
STUDY = (
    *("reproduce", "--datasets=digits", "--algorithms=convdec-da", "--trials=1", "--set=dataset.size=8"),
    *("--set=train.pretrain_epochs=3", "--set=train.max_iter=2", "--set=train.batch_size=300", "--set=train.tol=0"),
)
RESUME = ("train", "--resume=out", LOAD)
COMMANDS = {"train": TRAIN, "seeds": SEEDS, "study": STUDY}
AGAIN = {"train": RESUME, "seeds": RESUME, "study": (*STUDY, "--out=out")}
"""How each goes on."""
LOGS = {"train": "log.csv", "seeds": "seed-0/log.csv", "study": "autoencoders/*/log.csv"}
"""The log of the first run of each, below `out`."""
EQUAL = ("model.safetensors", "autoencoder.safetensors", "labels.csv", "log.csv", "metrics.json")
"""The files that equal runs write byte for byte."""
LIMIT = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""
Done = subprocess.CompletedProcess[str]


def decda(*words: str, folder: Path, limit: int | None = None) -> Done:
    """Run the program in a folder, perhaps with a limit on the size of files in bytes."""
    command = [sys.executable, "-m", "decda", *words]
    if limit is not None:
        command = [sys.executable, "-c", LIMIT, str(limit), *command]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1", "DECDA_OFFLINE": "1", "COLUMNS": "200"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def prepare(folder: Path) -> Path:
    (folder / "linear.py").write_text(PART)
    return folder


def finish(*words: str, folder: Path) -> None:
    done = decda(*words, folder=folder)
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def while_training(log: str, act: Callable[[], None], place: Path) -> Iterator[None]:
    """Do something in another thread as soon as a run has logged some epochs."""
    acted, ended = threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.is_set():
            for path in (place / "out").glob(log):
                with contextlib.suppress(FileNotFoundError):
                    if path.read_bytes().count(b"\n") > 1:
                        act()
                        acted.set()
                        return
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
    assert acted.is_set(), "it ended before it trained"


def assert_told(done: Done, file: str, reason: str) -> None:
    """Exit code 1, an error that names file and reason, and no traceback."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert any(f"{file} cannot be written: {reason}" in line for line in lines), done.stderr


def assert_failed(run: Path, file: str) -> None:
    """The provenance of a run tells that it failed, and why."""
    provenance = json.loads((run / "provenance.json").read_text())
    assert provenance["status"] == "failed"
    assert f"{file} cannot be written" in provenance["reason"]


def assert_intact(run: Path, whole: Path) -> None:
    """The files of a failed run are those of a whole run, as far as they go."""
    for name in EQUAL:
        if (run / name).exists():
            assert (whole / name).read_bytes().startswith((run / name).read_bytes()), name
            assert name == "log.csv" or (run / name).stat().st_size == (whole / name).stat().st_size, name


def assert_no_leftovers(out: Path) -> None:
    assert not [path for path in out.rglob("*") if path.name.startswith(".")]


def assert_equal(command: str, out: Path, undisturbed: Path) -> None:
    """It has come to what it would have come to undisturbed."""
    run, whole = out, undisturbed
    if command == "seeds":
        run = out / "seed-0"
        assert [each["seed"] for each in json.loads((out / "summary.json").read_text())["runs"]] == [0, 1]
    elif command == "study":
        (whole,) = (undisturbed / "trials").iterdir()
        run = out / "trials" / whole.name
        assert len((out / "results.csv").read_text().splitlines()) == 2
    for name in EQUAL:
        assert (run / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(out.rglob("checkpoints"))
    assert_no_leftovers(out)
