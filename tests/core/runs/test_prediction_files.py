"""Predictions are written as they come, and appear only when they are complete."""

import csv
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch

from decda.core.errors import ConfigError, DataError, OutputError
from decda.core.parts.registry import Registry
from decda.core.runs import prediction, prediction_files
from decda.core.runs.inference import load_run
from decda.core.runs.prediction import Predicted, predict_all
from decda.core.runs.prediction_files import check_new_file, check_outputs, predict_to_files, published
from decda.core.runs.run import Run
from tests.core.runs.test_prediction import Given, pixels


@pytest.fixture
def run(finished_run: Path, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished run on 8x8 images, which reads 32 of them at a time."""
    monkeypatch.setattr(prediction, "CHUNK", 32 * 64)
    monkeypatch.setattr(prediction, "embedding_batch", lambda shape, device: 16)
    return load_run(Path(shutil.copytree(finished_run, tmp_path / "run")), registry)


def test_labels_and_embeddings(run: Run, tmp_path: Path) -> None:
    """The CSV file has a row for each image, and row i of the matrix is the embedding of the image of index i."""
    source = Given(pixels(100), names=[f"{position},é\n.png" for position in range(100)])
    out, embeddings = tmp_path / "new" / "labels.csv", tmp_path / "z.npy"
    parts: list[Predicted] = []
    result = predict_to_files(run, Path("new"), source, out=out, embeddings=embeddings, listen=parts.append)
    expected = predict_all(run, source)
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["index"] for row in rows] == [str(index) for index in range(100)]
    assert [row["name"] for row in rows] == source.names
    assert [int(row["label"]) for row in rows] == expected.labels.tolist()
    assert [row["confidence"] for row in rows] == [f"{share:.6f}" for share in expected.confidence]
    assert [float(row["distance"]) for row in rows] == pytest.approx(expected.distance.tolist(), rel=1e-5)
    z = np.load(embeddings, allow_pickle=False)
    assert z.dtype == np.float32
    assert np.array_equal(z, expected.z)
    assert len(parts) == 4
    assert result.as_mapping() == {
        "schema_version": 1, "run": str(run.folder), "path": "new", "n_samples": 100, "n_clusters": 10,
        "sizes": np.bincount(expected.labels, minlength=10).tolist(), "skipped": [], "out": str(out),
        "embeddings": str(embeddings),
    }  # fmt: skip
    assert not list(tmp_path.rglob("*.partial"))


def test_rows_stay_aligned_where_images_are_left_out(run: Run, tmp_path: Path) -> None:
    """Without unreadable images, indices go on, the matrix has fewer rows, and a file beside tells the reasons."""
    source = Given(pixels(100), {3: "it is truncated", 50: "it is\nempty"}, [f"{n}.png" for n in range(100)])
    out, embeddings = tmp_path / "labels.csv", tmp_path / "z.npy"
    result = predict_to_files(run, Path("new"), source, out=out, embeddings=embeddings)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [rows[n]["index"] + " " + rows[n]["name"] for n in (2, 3, 97)] == ["2 2.png", "3 4.png", "97 99.png"]
    z = np.load(embeddings)
    assert z.shape == (98, run.model.autoencoder.embedding_dim)
    assert np.array_equal(z, predict_all(run, source).z)
    with (tmp_path / "labels-skipped.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["name", "reason"], ["3.png", "it is truncated"], ["50.png", "it is\nempty"]]
    assert result.skipped_list == tmp_path / "labels-skipped.csv"
    assert result.as_mapping()["skipped"] == [["3.png", "it is truncated"], ["50.png", "it is\nempty"]]


def test_names_that_are_no_text(run: Run, tmp_path: Path) -> None:
    """A file name that is not UTF-8 is written with escapes, and costs no prediction."""
    predict_to_files(run, Path("new"), Given(pixels(1), names=["a\udcff.png"]), out=tmp_path / "labels.csv")
    assert "0,a\\udcff.png," in (tmp_path / "labels.csv").read_text()


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DataError("the folder is gone"), ValueError("a defect")])
def test_what_is_interrupted_leaves_no_file(run: Run, tmp_path: Path, error: BaseException) -> None:
    """An interrupt or an error in the middle leaves neither a file of the final name nor a partial one."""

    def fail(part: Predicted) -> None:
        if part.start:
            assert len(list(tmp_path.glob(".*.partial"))) == 2
            raise error

    with pytest.raises(type(error)):
        predict_to_files(
            run,
            Path("new"),
            Given(pixels(100)),
            out=tmp_path / "labels.csv",
            embeddings=tmp_path / "z.npy",
            listen=fail,
        )
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_existing_files_stay(run: Run, tmp_path: Path) -> None:
    """A file that exists is refused before an image is read, also the list of skipped images."""
    for name in ("labels.csv", "labels-skipped.csv", "z.npy"):
        (tmp_path / name).write_text("mine")
        source = Given(pixels(10))
        with pytest.raises(ConfigError, match=f"{name} exists already. Name a file") as raised:
            predict_to_files(run, Path("n"), source, out=tmp_path / "labels.csv", embeddings=tmp_path / "z.npy")
        assert raised.value.parameter == ("embeddings" if name == "z.npy" else "out")
        assert source.parts == []
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()
    with pytest.raises(ConfigError, match="Name a file that ends in .npy"):
        check_outputs(None, tmp_path / "z.csv")
    with pytest.raises(ConfigError, match="cannot both be written"):
        check_outputs(tmp_path / "z.npy", tmp_path / "z.npy")


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_made_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool) -> None:
    """A file that another program makes meanwhile is not overwritten, also where there are no hard links."""
    path = tmp_path / "labels.csv"

    def refuse(*paths: object) -> None:
        raise PermissionError

    if not hard_links:
        monkeypatch.setattr(os, "link", refuse)
    files = ExitStack()
    files.enter_context(published(path, "out")).write(b"ours")
    path.write_text("theirs")
    with pytest.raises(ConfigError, match="exists now"):
        files.close()
    assert path.read_text() == "theirs"
    path.unlink()
    with published(path, "out") as file:
        file.write(b"ours")
    assert path.read_bytes() == b"ours"
    assert [found.name for found in tmp_path.iterdir()] == ["labels.csv"]


def test_a_full_disk(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is full, the error names the file, and nothing is left."""

    def full(number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prediction_files.os, "fsync", full)
    with pytest.raises(OutputError, match=r"labels\.csv cannot be written: No space left on device"):
        predict_to_files(run, Path("new"), Given(pixels(10)), out=tmp_path / "labels.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_places_that_do_not_serve(tmp_path: Path) -> None:
    """A place that cannot hold the file is refused, in words about a file."""
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file" / "labels.csv", tmp_path / "a\nb.csv", tmp_path / ("x" * 300)):
        with pytest.raises(ConfigError, match="cannot be used: .* Name another file; nothing was changed"):
            check_new_file(path, "out")
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_a_matrix_of_one_row_less_reads_back(run: Run, tmp_path: Path) -> None:
    """The header keeps its length when the number of rows has fewer digits in the end."""
    source = Given(pixels(100), {0: "it is empty"})
    predict_to_files(run, Path("new"), source, embeddings=tmp_path / "z.npy")
    z = np.load(tmp_path / "z.npy")
    assert z.shape[0] == 99
    assert np.array_equal(z, run.model.embed(torch.as_tensor(source.x[1:])).numpy())
