"""The images of a run are found again: files by their names, others by their data set."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from decda.core.config.run_config import PartConfig
from decda.core.contracts import ImageSet
from decda.core.errors import DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.cluster_images import Missing, find_files, find_pixels, image_folder, inner_path, pictures
from decda.core.runs.inference import load_run
from decda.core.runs.new_images import Loaded
from decda.core.runs.run import Run

FILES = Files(offline=True)


@pytest.fixture
def run(finished_run: Path, registry: Registry) -> Run:
    """A finished run on digits, which have no names."""
    return load_run(finished_run, registry)


def of_files(run: Run, path: object, *names: str) -> Run:
    """The run as if it had been made of files."""
    dataset = PartConfig("decda:folder", {"path": path})
    return replace(run, names=list(names), labels=run.labels[: len(names)], config=replace(run.config, dataset=dataset))


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.png", "a/../../b.png", "", ".", "a\0b"])
def test_names_that_lead_elsewhere(run: Run, tmp_path: Path, name: str) -> None:
    """A name in `labels.csv` that leads out of the folder is an error, before any file is looked at."""
    with pytest.raises(DataError, match="leads out of its folder"):
        inner_path(name)
    with pytest.raises(DataError, match="leads out of its folder"):
        next(find_files(of_files(run, tmp_path, "good.png", name), tmp_path, False))


def test_names_that_only_look_odd() -> None:
    """Subfolders, two dots within a name, blanks and line feeds are names like any other."""
    for name in ("a/b c/d.png", "a..b.png", "..a.png", "a\nb.png", "é/🙂.png"):
        assert str(inner_path(name)) == name


def test_the_folder_of_a_run(run: Run, tmp_path: Path) -> None:
    """Images are files where a run has a path and names, and its folder may have been moved."""
    moved = tmp_path / "moved"
    moved.mkdir()
    (tmp_path / "x.npy").touch()
    assert image_folder(run) is None
    assert image_folder(of_files(run, str(moved), "a.png")) == moved
    assert image_folder(of_files(run, tmp_path / "x.npy", "a.png")) is None
    assert image_folder(of_files(run, 3, "a.png")) is None
    gone = of_files(run, tmp_path / "gone", "a.png")
    assert image_folder(gone, moved) == moved
    assert image_folder(gone, tmp_path / "x.npy") is None
    for told, images, says in (
        (gone, None, "no folder any more. Say where they are now"),
        (gone, tmp_path / "nowhere", "There is nothing at"),
        (run, moved, "knows its images by no names"),
    ):
        with pytest.raises(DataError, match=says) as raised:
            image_folder(told, images)
        assert raised.value.parameter == "images"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no named pipes in folders")
def test_files_that_are_not_there(run: Run, tmp_path: Path) -> None:
    """A file that is missing, a folder, or a named pipe, which would block, is missing and says why."""
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    names = ("gone.png", "folder.png", "pipe.png", "loop.png")
    reasons = []
    for name, put in find_files(of_files(run, tmp_path, *names), tmp_path, False):
        with pytest.raises(Missing) as raised:
            put(tmp_path / "out" / name)
        reasons.append(str(raised.value))
    assert reasons[:3] == ["No such file or directory", "it is not a regular file", "it is not a regular file"]
    assert "symbolic links" in reasons[3]


def test_a_name_that_is_no_text(run: Run, tmp_path: Path) -> None:
    """A file whose name is not UTF-8 is found by the escapes that `labels.csv` holds."""
    try:
        (tmp_path / "a\udcff.png").write_bytes(b"x")
    except OSError as error:  # a file system that takes only text
        pytest.fail(f"cannot make the file: {error}")
    ((_, put),) = find_files(of_files(run, tmp_path, "a\\udcff.png"), tmp_path, False)
    put(tmp_path / "copy.png")
    assert (tmp_path / "copy.png").read_bytes() == b"x"


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("floats", [False, True])
def test_pixels_become_png(run: Run, tmp_path: Path, channels: int, floats: bool) -> None:
    """Gray, colour and colour with alpha are written without loss, named by their index."""
    x = torch.randint(0, 256, (300, channels, 5, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    images = Loaded(ImageSet(x.float() / 255 if floats else x))
    made = replace(run, labels=run.labels[:300])
    for name, put in pictures(made, images):
        put(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{index:03}.png" for index in range(300)]
    for index in (0, 255, 256, 299):
        with Image.open(tmp_path / f"{index:03}.png") as image:
            found = np.asarray(image)
        assert np.array_equal(found, x[index, 0] if channels == 1 else x[index].movedim(0, 2))


def test_pixels_of_the_data_set(run: Run, registry: Registry) -> None:
    """Images that are no files are loaded as the run loaded them."""
    source = find_pixels(run, registry, FILES, None)
    assert source.shape == (1797, 1, 8, 8)


def test_images_that_are_not_those_of_the_run(run: Run, registry: Registry, tmp_path: Path) -> None:
    """Another number of images, a table, and images with two channels are each refused."""
    own = Registry(registry)

    def of(x: torch.Tensor, value_range: tuple[float, float] | None = (0.0, 1.0)) -> Run:
        entry = own.add("dataset", f"set{len(list(own))}", lambda: ImageSet(x, value_range=value_range))
        config = replace(run.config, dataset=PartConfig(entry.qualified))
        return replace(run, config=config, input_shape=tuple(x.shape[1:]))

    for made, says in (
        (of(torch.zeros(5, 1, 8, 8)), "These are 5 images of shape .* and the run had 1797"),
        (of(torch.zeros(1797, 1, 1, 3), None), "rows of a table"),
        (of(torch.zeros(1797, 2, 8, 8)), "2 channels cannot be written as PNG"),
    ):
        with pytest.raises(DataError, match=says):
            find_pixels(made, own, FILES, None)


def test_images_from_python(run: Run, registry: Registry, tmp_path: Path) -> None:
    """Images that were given as an array in Python are not in the folder of the run, but can be named as a file."""
    config = replace(run.config, dataset=PartConfig("local:array"))
    with pytest.raises(DataError, match=r"cannot be loaded again: .*'local:array'.*write them to a file") as raised:
        find_pixels(replace(run, config=config), registry, FILES, None)
    assert raised.value.parameter == "images"
    x = torch.randint(0, 256, (1797, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    np.save(tmp_path / "x.npy", x.numpy())
    source = find_pixels(replace(run, config=config), registry, FILES, tmp_path / "x.npy")
    assert torch.equal(source.read(1700, 1797)[0], x[1700:, None])
