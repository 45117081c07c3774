"""What `decda predict` and `decda export` show."""

import io

import pytest
from rich.console import Console

from decda.console import ImagesDisplay, print_clusters, print_onnx, print_predictions
from decda.console.predictions import left_out
from decda.core.events import Downloading, ImagesRead, PhaseEnded

PREDICTED = {"n_samples": 4, "n_clusters": 2, "sizes": [3, 1], "skipped": [], "out": None, "embeddings": None}


def test_a_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    """Sizes of clusters, where the files are, and what was left out, verbatim."""
    print_predictions(PREDICTED)
    out, err = capsys.readouterr()
    assert out == ""
    assert "4 images, 2 clusters" in err
    assert "images in each cluster: 3, 1" in err
    assert " in " not in err.replace("images in each", "")
    assert "Warning" not in err
    files = {"out": "a.csv", "embeddings": "z.npy", "skipped": [["[b]x[/c]\n.png", "it is empty"]]}
    print_predictions({**PREDICTED, **files}, "a-skipped.csv")
    err = capsys.readouterr().err
    assert "labels in a.csv; embeddings in z.npy" in err
    assert "Warning: 1 of 5 images cannot be read and is left out; see a-skipped.csv:" in err
    assert "  [b]x[/c]\\n.png: it is empty" in err


def test_only_the_first_are_named() -> None:
    """Of many images, five are named, and the others counted; long names and reasons are cut."""
    lines = [line.plain for line in left_out([[f"{n}.png" * 40, "r" * 300] for n in range(7)], 20, "{are} gone")]
    assert lines[0] == "Warning: 7 of 20 images are gone:"
    assert len(lines) == 7
    assert max(map(len, lines)) < 210
    assert lines[-1] == "  and 2 more"


def test_exports(capsys: pytest.CaptureFixture[str]) -> None:
    """An ONNX file is told by what goes in and out, folders by how the images came there."""
    print_clusters({**PREDICTED, "n_samples": 1, "how": "link", "out": "sorted", "missing": [["a.png", "it is gone"]]})
    err = capsys.readouterr().err
    assert "1 image linked, 2 clusters" in err
    assert "Warning: 1 of 2 images is missing from the folders:" in err
    side = {"type": "float32", "shape": ["N", 1, 8, 8]}
    print_onnx({
        "inputs": {"image": side}, "outputs": {"label": {"type": "int64", "shape": ["N"]}}, "difference": 3e-7,
        "n_verified": 42, "bytes": 1500000, "out": "m.onnx", "opset": 18, "notes": ["it computes in float32."],
    })  # fmt: skip
    err = capsys.readouterr().err
    for text in (
        "image: float32 (N, 1, 8, 8)", "label: int64 (N)", "at most 3.0e-07, on 42 random images", "1.5 MB in m.onnx",
        "Note: it computes in float32.",
    ):  # fmt: skip
        assert text in err


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe, the title and a line every few seconds; on a terminal, a bar. Other events are not shown."""
    with ImagesDisplay("new, by the model of run") as display:
        for done in (10, 20, 100):
            display(ImagesRead(done, 100))
        display(PhaseEnded("pretrain", 3, "completed"))
    assert capsys.readouterr().err.splitlines() == [
        "new, by the model of run", "images 10/100 read", "images 100/100 read",
    ]  # fmt: skip
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    with ImagesDisplay("new", console) as display:
        display(Downloading("mnist", 10, 20))
        display(ImagesRead(50, 100))
    assert "50/100" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "download" in console.file.getvalue()  # type: ignore[attr-defined]
