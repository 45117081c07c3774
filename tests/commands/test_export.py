"""`decda export` from its users' perspective."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import decda
from tests.conftest import Here

SHORT = ("--set", "train.pretrain_epochs=1", "--set", "train.max_iter=2", "--set", "encoder.hidden=8")


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> str:
    """The folder of a finished run on gray images of 8x8."""
    shutil.copytree(finished_run, tmp_path / "run")
    return "run"


@pytest.fixture
def of_files(here: Here) -> str:
    """The folder of a finished run on 30 files."""
    rng = np.random.default_rng(0)
    for number in range(30):
        path = Path("mine", "even" if number % 2 == 0 else "odd", f"{number:02}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)).save(path)
    words = ("--images", "mine", "--encoder", "fc", "--augment", "none", "--n-clusters", "3", "--out", "own")
    code, _, err = here("train", *words, *SHORT)
    assert code == 0, err
    return "own"


def test_onnx(here: Here, run: str) -> None:
    """The file computes what Python does; stdout is its path, stderr says what goes in and out."""
    code, out, err = here("export", run, "--format", "onnx", "--out", "deep/m.onnx")
    assert (code, out) == (0, "deep/m.onnx\n"), err
    for text in ("image: float32 (N, 1, 8, 8)", "soft_assignment: float32 (N, 10)", "label: int64 (N)", "differs from"):
        assert text in err
    x = np.random.default_rng(0).random((20, 1, 8, 8), dtype=np.float32)
    session = onnxruntime.InferenceSession("deep/m.onnx", providers=["CPUExecutionProvider"])
    z, q, labels = session.run(["embedding", "soft_assignment", "label"], {"image": x})
    loaded = decda.load(run)
    assert np.abs(z - loaded.embed(x)).max() < 1e-5  # type: ignore[union-attr]
    assert np.abs(q - loaded.soft_assign(x)).max() < 1e-5  # type: ignore[union-attr]
    assert np.array_equal(labels, q.argmax(1))
    again = json.loads(here("export", run, "--format", "onnx", "--out", "n.onnx", "--json")[1])
    assert (again["schema_version"], again["format"], again["run"], again["out"]) == (1, "onnx", "run", "n.onnx")
    assert again["metadata"]["input_shape"] == "1x8x8"
    assert again["bytes"] == Path("n.onnx").stat().st_size


def test_clusters_of_files(here: Here, of_files: str) -> None:
    """Each file is copied into the folder of the cluster that `labels.csv` says."""
    code, out, err = here("export", of_files, "--format", "clusters", "--out", "sorted")
    assert (code, out) == (0, "sorted\n"), err
    loaded = decda.load(of_files)
    for name, label in zip(loaded.names, loaded.labels, strict=True):  # type: ignore[union-attr, arg-type]
        assert Path(f"sorted/cluster-{label:02}", name).read_bytes() == Path("mine", name).read_bytes()
    assert sum(path.is_file() for path in Path("sorted").rglob("*")) == 30
    assert "30 images copied, 3 clusters" in err


def test_clusters_of_files_that_were_moved(here: Here, of_files: str) -> None:
    """Where the folder was moved, the error asks where it is; files that are gone are counted and told."""
    Path("mine").rename("moved")
    code, out, err = here("export", of_files, "--format", "clusters", "--out", "sorted")
    assert (code, out) == (3, ""), err
    assert "mine, which is no folder any more. Say where they are now. Option: --images" in err
    assert not Path("sorted").exists()
    Path("moved/odd/01.png").unlink()
    words = ("export", of_files, "--format", "clusters", "--out", "sorted", "--images", "moved", "--link", "--json")
    code, out, err = here(*words)
    assert code == 0, err
    result = json.loads(out)
    assert (result["how"], result["n_samples"]) == ("link", 29)
    assert result["missing"] == [["odd/01.png", "No such file or directory"]]
    assert "Warning: 1 of 30 images is missing from the folders:" in err
    links = [path for path in Path("sorted").rglob("*") if path.is_symlink()]
    assert {path.resolve() for path in links} == {path.resolve() for path in Path("moved").rglob("*.png")}


def test_clusters_of_a_data_set(here: Here, run: str) -> None:
    """Images that are no files are written as PNG, and cannot be linked."""
    code, _, err = here("export", run, "--format", "clusters", "--out", "sorted", "--offline")
    assert code == 0, err
    assert len(list(Path("sorted").rglob("*.png"))) == 1797
    assert "1797 images written" in err
    code, _, err = here("export", run, "--format", "clusters", "--out", "links", "--link")
    assert code == 2
    assert "nothing to link" in err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nowhere", "--format", "onnx", "--out", "m.onnx"), 3, "nowhere is not the folder of a run"),
        (("run", "--format", "onx", "--out", "m.onnx"), 2, "'onx' is not one of 'onnx', 'clusters'"),
        (("run", "--format", "onnx"), 2, "Missing option '--out'"),
        (("run", "--out", "m.onnx"), 2, "Missing option '--format'"),
        (("run", "--format", "onnx", "--out", "run/log.csv"), 2, "exists already. Name a file"),
        (
            ("run", "--format", "onnx", "--out", "run/log.csv/m"),
            2,
            "Name another file; nothing was changed. Option: --out",
        ),
        (("run", "--format", "clusters", "--out", "run"), 2, "exists already. Name a folder"),
        (("run", "--format", "onnx", "--out", "m.onnx", "--link"), 2, "--link goes with --format clusters"),
        (("run", "--format", "onnx", "--out", "m.onnx", "--images", "run"), 2, "--images goes with --format clusters"),
        (("run", "--format", "clusters", "--out", "x", "--images", "nowhere"), 3, "There is nothing at nowhere"),
        (("run", "--format", "clusters", "--out", "x", "--images", "run"), 3, "knows its images by no names"),
        (("run", "--format", "clusters", "--out", "x", "--images", "few.npy"), 3, "These are 5 images"),
    ],
)
def test_mistakes(here: Here, run: str, words: tuple[str, ...], code: int, says: str) -> None:
    """Each mistake is one message on stderr with the exit code of its kind; nothing is printed or written."""
    np.save("few.npy", np.zeros((5, 8, 8), dtype=np.uint8))
    before = sorted(Path().rglob("*"))
    found, out, err = here("export", *words)
    assert (found, out) == (code, ""), err
    assert says in err
    assert "Traceback" not in err
    assert sorted(Path().rglob("*")) == before


def test_without_the_extra(here: Here, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the packages for ONNX are not installed, the message says what to install, with exit code 2."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    code, _, err = here("export", run, "--format", "onnx", "--out", "m.onnx")
    assert code == 2
    assert "onnxruntime must be installed as well" in err
    assert "python -m pip install onnx onnxscript onnxruntime" in " ".join(err.split())


def test_labels_that_lead_elsewhere(here: Here, of_files: str) -> None:
    """A name in `labels.csv` that leads out of the folder is refused, and nothing is made."""
    labels = Path(of_files, "labels.csv")
    labels.write_text(labels.read_text().replace("even/00.png", "../../00.png"))
    code, _, err = here("export", of_files, "--format", "clusters", "--out", "sorted")
    assert code == 3
    assert "'../../00.png', which leads out of its folder" in err
    assert not list(Path().glob("*sorted*"))
