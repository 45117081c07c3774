"""`decda predict` from its users' perspective."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import decda
from tests.conftest import Here


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> str:
    """The folder of a finished run on gray images of 8x8."""
    shutil.copytree(finished_run, tmp_path / "run")
    return "run"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A folder of seven images of several sizes, and of two files that are none."""
    rng = np.random.default_rng(0)
    for number in range(7):
        pixels = rng.integers(0, 256, (8 + number, 8, 3), dtype=np.uint8)
        path = tmp_path / "new" / ("cats" if number % 2 else "dogs") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    (tmp_path / "new/cats/empty.png").touch()
    (tmp_path / "new/text.png").write_text("hello")
    return tmp_path / "new"


def table(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(text.splitlines()))


def test_the_table_goes_to_stdout(here: Here, run: str, new: Path) -> None:
    """Without `--out`, stdout is the table, and stderr says how large the clusters are and what was left out."""
    code, out, err = here("predict", run, "new")
    assert code == 0, err
    rows = table(out)
    cats, dogs = ([f"{kind}/{n}.png" for n in range(first, 7, 2)] for kind, first in (("cats", 1), ("dogs", 0)))
    assert [row["name"] for row in rows] == cats + dogs
    assert [row["index"] for row in rows] == [str(index) for index in range(7)]
    assert all(0 <= int(row["label"]) < 10 and 0.1 <= float(row["confidence"]) <= 1 for row in rows)
    assert all(float(row["distance"]) >= 0 for row in rows)
    assert "7 images, 10 clusters" in err
    assert "Warning: 2 of 9 images cannot be read and are left out:" in err
    assert "cats/empty.png: it is empty" in err
    sizes = [sum(row["label"] == str(cluster) for row in rows) for cluster in range(10)]
    assert f"images in each cluster: {', '.join(map(str, sizes))}" in err
    assert {path.name for path in Path().iterdir()} == {"run", "new"}


def test_files(here: Here, run: str, new: Path) -> None:
    """With `--out` and `--embeddings` there are files, and what cannot be read is listed beside; stdout is the path."""
    printed = here("predict", run, "new")[1]
    code, out, err = here("predict", run, "new", "--out", "deep/labels.csv", "--embeddings", "z.npy")
    assert (code, out) == (0, "deep/labels.csv\n"), err
    assert Path("deep/labels.csv").read_text() == printed
    assert np.load("z.npy").shape == (7, 10)
    assert [row["name"] for row in table(Path("deep/labels-skipped.csv").read_text())] == ["cats/empty.png", "text.png"]
    assert "see deep/labels-skipped.csv" in err


def test_json(here: Here, run: str, new: Path) -> None:
    """With `--json`, one object tells everything: without a file the labels, too."""
    code, out, err = here("predict", run, "new", "--json")
    assert code == 0, err
    whole = json.loads(out)
    assert (whole["schema_version"], whole["run"], whole["path"]) == (1, "run", "new")
    assert (whole["n_samples"], whole["n_clusters"], sum(whole["sizes"])) == (7, 10, 7)
    assert [name for name, _ in whole["skipped"]] == ["cats/empty.png", "text.png"]
    assert (whole["out"], whole["embeddings"]) == (None, None)
    rows = table(here("predict", run, "new")[1])
    assert whole["labels"] == [int(row["label"]) for row in rows]
    assert whole["names"] == [row["name"] for row in rows]
    assert [f"{share:.6f}" for share in whole["confidence"]] == [row["confidence"] for row in rows]
    assert [f"{distance:.6g}" for distance in whole["distance"]] == [row["distance"] for row in rows]
    short = json.loads(here("predict", run, "new", "--json", "--out", "labels.csv")[1])
    assert short == {**{name: whole[name] for name in short}, "out": "labels.csv"}
    assert "labels" not in short


def test_an_array(here: Here, run: str) -> None:
    """The labels of an array in a file are those that Python gives for the array."""
    x = np.random.default_rng(0).integers(0, 256, (50, 8, 8), dtype=np.uint8)
    np.save("x.npy", x)
    code, out, err = here("predict", run, "x.npy")
    assert code == 0, err
    assert [int(row["label"]) for row in table(out)] == decda.load(run).predict(x).tolist()  # type: ignore[union-attr]
    assert [row["name"] for row in table(out)] == [""] * 50


def test_the_images_of_the_run_itself(here: Here) -> None:
    """Predicting the folder that a run was made of gives the labels and confidences of the run."""
    rng = np.random.default_rng(0)
    Path("mine").mkdir()
    for number in range(40):
        shape = (8 + number % 5, 9 + number % 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(f"mine/{number:02}.png")
    short = ("--set", "train.pretrain_epochs=1", "--set", "train.max_iter=2", "--set", "encoder.hidden=8")
    code, _, err = here("train", "--images", "mine", "--encoder", "fc", "--n-clusters", "3", "--out", "own", *short)
    assert code == 0, err
    rows = table(here("predict", "own", "mine")[1])
    trained = table(Path("own/labels.csv").read_text())
    assert [{name: row[name] for name in trained[0]} for row in rows] == trained


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nowhere", "new"), 3, "nowhere is not the folder of a run"),
        (("run", "nowhere"), 3, "There is nothing at nowhere"),
        (("run", "run/config.toml"), 3, "neither a folder of images nor a file of numbers"),
        (("run", "run"), 3, "holds no images"),
        (("run",), 2, "PATH"),
        (("run", "new", "--set", "train.tol=1"), 2, "a trained model stays as it is"),
        (("run", "new", "--set", "dataset.fitt=crop"), 2, "Did you mean 'fit'"),
        (("run", "new", "--set", "dataset.strict=true"), 3, "2 images cannot be read"),
        (("run", "new", "--out", "run/labels.csv"), 2, "exists already. Name a file"),
        (("run", "new", "--embeddings", "z.csv"), 2, "ends in .npy. Option: --embeddings"),
        (("run", "new", "--out", "new/text.png/labels.csv"), 2, "Name another file; nothing was changed"),
        (("run", "wide.npy"), 3, "8"),
    ],
)
def test_mistakes(here: Here, run: str, new: Path, words: tuple[str, ...], code: int, says: str) -> None:
    """Each mistake is one message on stderr with the exit code of its kind; nothing is printed or written."""
    np.save("wide.npy", np.zeros((5, 8, 9), dtype=np.uint8))
    before = sorted(Path().rglob("*"))
    found, out, err = here("predict", *words)
    assert (found, out) == (code, ""), err
    assert says in err
    assert "Traceback" not in err
    assert sorted(Path().rglob("*")) == before


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_signal_leaves_no_file(run: str, tmp_path: Path) -> None:
    """SIGTERM in the middle ends the program with 143, and leaves neither a whole nor a partial file."""
    np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (3_000_000, 8, 8)).flush()  # a sparse file
    process = subprocess.Popen(
        [sys.executable, "-m", "decda", "predict", run, "x.npy", "--out", "labels.csv", "--embeddings", "z.npy"],
        cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not any(path.stat().st_size for path in tmp_path.glob(".labels.csv.*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"run", "x.npy"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_200000_images_in_little_memory(here: Here, tmp_path: Path) -> None:
    """200,000 colour images of 64x64 in a mapped file of 2.3 GiB are assigned in less than 1.5 GiB."""
    np.save("few.npy", np.random.default_rng(0).integers(0, 256, (60, 64, 64, 3), dtype=np.uint8))
    short = ("--set", "train.pretrain_epochs=1", "--set", "train.max_iter=2", "--set", "encoder.hidden=64")
    words = ("--images", "few.npy", "--encoder", "fc", "--augment", "none", "--n-clusters", "3", "--out", "colour")
    assert here("train", *words, *short)[0] == 0
    np.lib.format.open_memmap("many.npy", "w+", np.uint8, (200_000, 64, 64, 3)).flush()  # a sparse file
    code = (
        "import runpy, sys; sys.argv = ['decda', *sys.argv[1:]]\n"
        "try: runpy.run_module('decda', run_name='__main__')\n"
        "finally: print(open('/proc/self/status').read(), file=open('status', 'w'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", "colour", "many.npy", "--out", "labels.csv", "--embeddings", "z.npy"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert np.load("z.npy", mmap_mode="r").shape == (200_000, 10)
    assert Path("labels.csv").read_text().count("\n") == 200_001
    peak = next(int(line.split()[1]) for line in Path("status").read_text().splitlines() if line.startswith("VmHWM"))
    assert peak < 1.5 * 2**20, f"{peak} KiB"
