"""A folder of images becomes a set of images of one shape."""

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from decda.core.contracts import ImageSource
from decda.core.errors import DataError
from decda.core.events import ignore
from decda.core.files import Files
from decda.core.parts.parameters import read_parameters
from decda.core.runs.collection import collect
from decda.plugins.datasets.folder import folder, parse_size, printable
from tests.plugins.datasets.strange_images import encoded, exif, noise, plain, png, save
from tests.unprivileged import run_unprivileged

SHAPE = (3, 8, 8)

OPEN = """
from pathlib import Path
from decda.plugins.datasets.folder import folder
for size in ("auto", "8"):
    images = folder(None, None, path=Path("folder"), size=size, color="gray")
    print(images.names, list(images.skipped), images.read(0, images.shape[0])[1])
"""


def opened(path: Path, input_shape: tuple[int, int, int] | None = None, **parameters: Any) -> ImageSource:
    return folder(Files(offline=True), input_shape, path=path, **parameters)


def read(images: ImageSource) -> tuple[Tensor, Mapping[int, str]]:
    return images.read(0, images.shape[0])


def mixed(path: Path) -> Sequence[str]:
    """Some images of several kinds, sizes and places."""
    for number in range(40):
        kind = ("PNG", "JPEG", "GIF", "BMP")[number % 4]
        values = noise(5 + number, 60 - number, channels=1 if number % 3 else 3, seed=number)
        save(path / f"{number % 5}" / f"{number}.{kind.lower()}", encoded(Image.fromarray(values), kind))
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*.*"))


def test_images_are_read_in_order(tmp_path: Path) -> None:
    """Images come as uint8 in the order of their relative paths, which are their names, and each is its file's."""
    names = mixed(tmp_path)
    images = opened(tmp_path, SHAPE)
    assert images.names == names
    assert (images.shape, images.dtype, images.value_range) == ((40, 3, 8, 8), torch.uint8, (0.0, 1.0))
    x, failures = read(images)
    assert (x.dtype, x.shape, failures) == (torch.uint8, (40, 3, 8, 8), {})
    for at, name in enumerate(names):
        if name.endswith(("png", "bmp")):
            with Image.open(tmp_path / name) as image:
                assert abs(x[at].float().mean() - np.asarray(image.convert("RGB")).mean()) < 25
    assert len(x.flatten(1).unique(dim=0)) == 40


def test_the_same_bytes_however_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of any size, one thread or several, and several readers at once give the same bytes."""
    mixed(tmp_path)
    images = opened(tmp_path)
    x, _ = read(images)
    for size in (1, 7, 17):
        parts = [images.read(start, min(start + size, 40))[0] for start in range(0, 40, size)]
        assert torch.equal(torch.cat(parts), x)
    monkeypatch.setattr("decda.plugins.datasets.folder._cores", lambda: 1)
    assert torch.equal(read(images)[0], x)
    monkeypatch.setattr("decda.plugins.datasets.folder._cores", lambda: 64)
    found: list[Tensor] = []
    threads = [threading.Thread(target=lambda: found.append(read(images)[0])) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert all(torch.equal(other, x) for other in found)
    assert images.read(5, 5)[0].shape == (0, *x.shape[1:])


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ([(10, 20), (10, 20), (30, 5)], (20, 10)),
        ([(10, 20), (30, 40)], (30, 20)),
        ([(500, 40), (700, 41)], (40, 64)),
        ([(1, 1), (1, 1), (5000, 1)], (1, 1)),
    ],
)
def test_automatic_size(sizes: Sequence[tuple[int, int]], wanted: tuple[int, int], tmp_path: Path) -> None:
    """The automatic size is the median height and the median width, each at most 64."""
    for number, size in enumerate(sizes):
        plain(tmp_path / f"{number}.png", size)
    images = opened(tmp_path)
    assert images.shape == (len(sizes), 1, *wanted)
    assert images.settings["size"] == f"{wanted[0]}x{wanted[1]}"
    assert read(images)[0].shape == images.shape


def test_automatic_size_of_turned_images(tmp_path: Path) -> None:
    """The automatic size is that of images turned upright."""
    save(tmp_path / "a.jpg", encoded(Image.new("L", (40, 20)), "JPEG", exif=exif(6)))
    assert opened(tmp_path).shape == (1, 1, 40, 20)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [("auto", None), ("32", (32, 32)), ("32x48", (32, 48)), (" 1 X 1024 ", (1, 1024)), ("5×7", (5, 7)), ("AUTO", None)],
)
def test_size(size: str, wanted: tuple[int, int] | None, tmp_path: Path) -> None:
    """A size is `auto`, a side, or height x width."""
    assert parse_size(size) == wanted
    plain(tmp_path / "a.png", (9, 9))
    assert opened(tmp_path, size=size).shape[2:] == (wanted or (9, 9))


@pytest.mark.parametrize(
    "size", ["", "0", "1025", "32x", "x32", "32x0", "32x48x3", "-8", "8.5", "big", "1e9", "9" * 5000, "٣٢"]
)
def test_what_is_no_size(size: str, tmp_path: Path) -> None:
    """Anything else is refused with what a size may be, before the folder is looked at."""
    with pytest.raises(ValueError, match=r"size must be auto, a side such as 32.*\[1, 1024\]"):
        opened(tmp_path / "missing", size=size)


@pytest.mark.parametrize(
    ("modes", "color", "channels"),
    [
        (["L", "1", "LA", "I;16"], "auto", 1),
        (["L", "RGB"], "auto", 3),
        (["CMYK"], "auto", 3),
        (["RGB"], "gray", 1),
        (["L"], "rgb", 3),
    ],
)
def test_color(modes: Sequence[str], color: str, channels: int, tmp_path: Path) -> None:
    """By default, images are gray if all are, else they have three channels; either can be asked for."""
    for number, mode in enumerate(modes):
        save(tmp_path / f"{number}.tif", encoded(Image.new(mode, (8, 8)), "TIFF"))
    images = opened(tmp_path, color=color)
    assert images.shape == (len(modes), channels, 8, 8)
    assert images.settings["color"] == {1: "gray", 3: "rgb"}[channels]
    assert read(images)[0].shape == images.shape


def test_settings_repeat_the_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found out are values of the parameters, with an absolute path, and give the same images again."""
    mixed(tmp_path / "images")
    monkeypatch.chdir(tmp_path)
    images = opened(Path("images"))
    assert images.settings == {"path": tmp_path / "images", "size": "24x40", "color": "rgb"}
    declared = {parameter.name for parameter in read_parameters(folder)}
    assert set(images.settings) < declared
    monkeypatch.chdir("/")
    again = opened(**images.settings)
    assert again.key == images.key
    assert torch.equal(read(again)[0], read(images)[0])


def test_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path may begin with ~; that of an unknown user is an error."""
    monkeypatch.setenv("HOME", str(tmp_path))
    plain(tmp_path / "images" / "a.png")
    assert opened(Path("~/images")).settings["path"] == tmp_path / "images"
    with pytest.raises(DataError, match="cannot be resolved"):
        opened(Path("~nobody-of-that-name/images"))


def test_a_shape_that_is_given(tmp_path: Path) -> None:
    """For a trained model, images get its shape, no header decides anything, and another shape is refused."""
    plain(tmp_path / "a.png", (50, 20), (9, 9, 9), "RGB")
    save(tmp_path / "b.png", b"broken")
    images = opened(tmp_path, (1, 12, 10))
    assert images.shape == (2, 1, 12, 10)
    assert (images.settings["size"], images.settings["color"]) == ("12x10", "gray")
    assert images.skipped == []
    x, failures = read(images)
    assert np.unique(x[0]).tolist() == [9]
    assert list(failures) == [1]
    assert opened(tmp_path, (1, 12, 10), size="12x10", color="gray").shape == (2, 1, 12, 10)
    for contradiction in ({"size": "32"}, {"color": "rgb"}):
        with pytest.raises(DataError, match="The model takes images of 12x10 in gray"):
            opened(tmp_path, (1, 12, 10), **contradiction)
    with pytest.raises(DataError, match="1 or 3 channels; 4 are needed"):
        opened(tmp_path, (4, 8, 8))


def test_fit_and_alpha_are_passed_on(tmp_path: Path) -> None:
    """Fit and alpha change the pixels."""
    values = np.zeros((8, 16, 4), np.uint8)
    values[:, 4:12] = (200, 0, 0, 255)
    save(tmp_path / "a.png", encoded(Image.fromarray(values), "PNG"))
    found = {
        (fit, alpha): read(opened(tmp_path, size="8", fit=fit, alpha=alpha))[0][0, 1, 4].tolist()
        for fit in ("pad", "crop")
        for alpha in ("white", "drop")
    }
    assert found[("crop", "white")] == found[("crop", "drop")] == [0] * 8
    assert found[("pad", "white")] == [255, 255, 0, 0, 0, 0, 255, 255]
    assert found[("pad", "drop")] == [0] * 8


def test_unreadable_headers_are_skipped(tmp_path: Path) -> None:
    """Files without a sound header count for nothing in size and colour, and are told when they are decoded."""
    plain(tmp_path / "b.png", (9, 9))
    save(tmp_path / "a.png", b"")
    save(tmp_path / "c" / "big.png", png(100_000, 100_000))
    save(tmp_path / "d.png", encoded(Image.new("RGB", (64, 64)), "PNG")[:20])
    (tmp_path / "e.png").symlink_to("nowhere")
    images = opened(tmp_path)
    assert images.names == ["a.png", "b.png", "c/big.png", "d.png"]
    assert images.shape == (4, 1, 9, 9)
    assert [name for name, _ in images.skipped] == ["e.png"]
    failures = read(images)[1]
    assert list(failures) == [0, 2, 3]
    assert failures[2] == "it has 10000000000 pixels by its header, more than the 67108864 allowed"


def test_what_is_found_does_not_depend_on_what_was_asked_for(tmp_path: Path) -> None:
    """Names, classes and the key are the same whether headers decide on size and colour or these are given."""
    for name in ("a/1.png", "b/2.png", "b/3.png"):
        plain(tmp_path / name)
    save(tmp_path / "a" / "broken.png", b"")
    one = opened(tmp_path)
    two = opened(tmp_path, **{name: one.settings[name] for name in ("size", "color")})
    assert (one.names, one.key, one.settings) == (two.names, two.key, two.settings)
    assert one.y is not None
    assert two.y is not None
    assert one.y.tolist() == two.y.tolist() == [0, 0, 1, 1]


def test_damaged_images_are_told_by_position(tmp_path: Path) -> None:
    """Images whose damage shows only when they are decoded are told by position; all others are read."""
    for name in ("a", "b", "c", "d"):
        plain(tmp_path / f"{name}.png", color=77)
    content = encoded(Image.fromarray(noise(64, 64)), "JPEG")
    save(tmp_path / "b.png", content[: len(content) // 2 + 400])
    images = opened(tmp_path, size="8", color="gray")
    x, failures = read(images)
    assert list(failures) == [1]
    assert "truncated" in failures[1]
    assert [np.unique(one).tolist() for one in x] == [[77], [0], [77], [77]]
    assert list(images.read(1, 3)[1]) == [1]
    assert images.read(2, 4)[1] == {}


def test_strict(tmp_path: Path) -> None:
    """A strict folder is refused if a header or an image is damaged; the first is named, and how many there are."""
    plain(tmp_path / "a.png")
    assert read(opened(tmp_path, strict=True))[1] == {}
    for name in ("b\n.png", "c.png"):
        save(tmp_path / name, b"broken")
    message = r"2 images cannot be read; of b\\n.png: it is not an image .*strict to false"
    with pytest.raises(DataError, match=message):
        opened(tmp_path, strict=True)
    with pytest.raises(DataError, match=message):
        read(opened(tmp_path, SHAPE, strict=True))
    (tmp_path / "c.png").unlink()
    with pytest.raises(DataError, match="1 image cannot be read"):
        opened(tmp_path, strict=True)


def test_no_image_at_all(tmp_path: Path) -> None:
    """An empty folder says what was looked for; one of other files says which; one of damaged images says why."""
    with pytest.raises(DataError, match=r"holds no images: looked for files that end in \.png, .*\.webp.*in any case"):
        opened(tmp_path)
    for name in ("a.heic", "b.HEIC", "c.txt"):
        save(tmp_path / name, b"x")
    with pytest.raises(DataError, match=r"It holds 3 other files \(\.heic, \.txt\)"):
        opened(tmp_path)
    (tmp_path / "d.png").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"1 files or folders cannot be looked at; of d\.png: the link"):
        opened(tmp_path)
    (tmp_path / "d.png").unlink()
    save(tmp_path / "d.png", b"")
    with pytest.raises(DataError, match=r"none of its 1 images can be read; of d\.png: it is empty\."):
        opened(tmp_path)


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    """A missing folder, and a file in its place, are told apart."""
    with pytest.raises(DataError, match="There is no folder"):
        opened(tmp_path / "missing")
    plain(tmp_path / "a.png")
    with pytest.raises(DataError, match="is not a folder"):
        opened(tmp_path / "a.png")


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix permissions")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    """A file without the permission to read it is skipped with that reason, by its header or when it is decoded."""
    plain(tmp_path / "folder" / "a.png")
    closed = plain(tmp_path / "folder" / "b.png")
    closed.chmod(0)
    try:
        done = run_unprivileged(["-c", OPEN], tmp_path)
    finally:
        closed.chmod(0o600)
    assert done.stdout.splitlines() == [
        "['a.png', 'b.png'] [] {1: 'Permission denied'}",
        "['a.png', 'b.png'] [] {1: 'Permission denied'}",
    ], done.stderr


def test_files_that_change_in_between(tmp_path: Path) -> None:
    """A file that is removed, or changed, after the folder was opened is unreadable; the others are read."""
    for name in ("a", "b", "c"):
        plain(tmp_path / f"{name}.png")
    images = opened(tmp_path)
    (tmp_path / "a.png").unlink()
    plain(tmp_path / "b.png", (30, 30), 5)
    assert read(images)[1] == {
        0: "No such file or directory",
        1: "it was changed while the folder was being read",
    }


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix files")
def test_a_pipe_in_the_place_of_an_image(tmp_path: Path) -> None:
    """A named pipe that took the place of an image after the folder was opened does not block."""
    plain(tmp_path / "a.png")
    images = opened(tmp_path)
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    assert read(images)[1] == {0: "it is not a regular file"}


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix names")
def test_odd_names_are_read(tmp_path: Path) -> None:
    """Images are read whatever characters their names hold, also bytes that are not UTF-8."""
    names = ["a\nb.png", "caf\udce9.png", "\x1b[2J.png", "ü/图.png"]
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.write(encoded(Image.new("L", (4, 4), 3), "PNG"))
    images = opened(tmp_path)
    assert images.names == sorted(names)
    x, failures = read(images)
    assert (failures, np.unique(x).tolist()) == ({}, [3])
    assert isinstance(images.key, str)
    assert [printable(name) for name in names] == ["a\\nb.png", "caf\\udce9.png", "\\x1b[2J.png", "ü/图.png"]


def test_classes_by_subfolder(tmp_path: Path) -> None:
    """If every image lies in a subfolder, classes are the top-level ones, numbered by their names."""
    for name in ("cat/1.png", "cat/deep/er/2.png", "ant/3.png", "bee/4.png"):
        plain(tmp_path / name)
    for labels in ("auto", "folders"):
        images = opened(tmp_path, labels=labels)
        assert images.y is not None
        assert images.y.dtype == torch.int64
        named = zip(images.names or (), images.y.tolist(), strict=True)
        assert dict(named) == {"ant/3.png": 0, "bee/4.png": 1, "cat/1.png": 2, "cat/deep/er/2.png": 2}
    assert opened(tmp_path, labels="none").y is None


def test_a_class_without_a_sound_image_is_none(tmp_path: Path) -> None:
    """A subfolder whose images cannot be read is no class of the images that are left."""
    for name in ("b/1.png", "c/2.png"):
        plain(tmp_path / name)
    save(tmp_path / "a" / "3.png", b"")
    y = collect(opened(tmp_path), tmp_path / "cache", "the folder", ignore).y
    assert y is not None
    assert len(y.unique()) == 2


def test_no_classes(tmp_path: Path) -> None:
    """One subfolder, or an image outside, means no classes; asked for by name, the image outside is an error."""
    plain(tmp_path / "a" / "1.png")
    assert opened(tmp_path).y is None
    one = opened(tmp_path, labels="folders").y
    assert one is not None
    assert one.tolist() == [0]
    plain(tmp_path / "b" / "2.png")
    plain(tmp_path / "loose.png")
    assert opened(tmp_path).y is None
    message = r"1 of its 3 images lie in no subfolder.*the first is loose\.png.*labels to auto or none"
    with pytest.raises(DataError, match=message):
        opened(tmp_path, labels="folders")
    assert opened(tmp_path, SHAPE, labels="folders").y is None  # new images for a trained model need no classes


def test_the_key_changes_with_the_pixels(tmp_path: Path) -> None:
    """The key changes with a file's name, content, time or permissions and with each setting that changes pixels."""
    for name in ("a", "b"):
        plain(tmp_path / f"{name}.png")
    keys = [opened(tmp_path).key]
    assert opened(tmp_path).key == opened(tmp_path, labels="none", strict=True, size="8").key == keys[0]
    for settings in ({"size": "9"}, {"color": "rgb"}, {"fit": "crop"}, {"alpha": "drop"}):
        keys.append(opened(tmp_path, **settings).key)
    os.utime(tmp_path / "a.png", ns=(1, 1))
    keys.append(opened(tmp_path).key)
    (tmp_path / "a.png").chmod(0o444)
    keys.append(opened(tmp_path).key)
    (tmp_path / "a.png").rename(tmp_path / "c.png")
    keys.append(opened(tmp_path).key)
    with (tmp_path / "c.png").open("ab") as file:
        file.write(b"0")
    os.utime(tmp_path / "c.png", ns=(1, 1))
    keys.append(opened(tmp_path).key)
    plain(tmp_path / "d.png")
    keys.append(opened(tmp_path).key)
    assert all(key and len(key) == 64 for key in keys)
    assert len(set(keys)) == len(keys)


def test_the_key_does_not_depend_on_the_place(tmp_path: Path) -> None:
    """A folder that is moved keeps its key; without a cache there is none."""
    plain(tmp_path / "here" / "a.png")
    key = opened(tmp_path / "here").key
    (tmp_path / "here").rename(tmp_path / "there")
    assert opened(tmp_path / "there").key == key
    assert opened(tmp_path / "there", cache=False).key is None


def test_the_key_names_the_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key changes with the decoder, of which pillow is a part."""
    plain(tmp_path / "a.png")
    key = opened(tmp_path).key
    monkeypatch.setattr("decda.plugins.datasets.folder.DECODER", "2 pillow 99")
    assert opened(tmp_path).key != key


def test_no_header_is_read_without_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where size and colour are given, no file is opened before it is decoded."""
    plain(tmp_path / "a.png")
    monkeypatch.setattr("decda.plugins.datasets.folder.read_header", None)
    assert opened(tmp_path, size="8", color="gray").shape == (1, 1, 8, 8)
    assert opened(tmp_path, SHAPE).shape == (1, 3, 8, 8)
    with pytest.raises(TypeError):
        opened(tmp_path, size="8")


def test_ctrl_c_ends_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt while images are decoded ends reading without decoding all the others."""
    for number in range(200):
        plain(tmp_path / f"{number:03}.png")
    images = opened(tmp_path, SHAPE)
    calls: list[int] = []

    def interrupted(path: str, *shape: object, **options: object) -> int:
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        time.sleep(0.002)
        return 0

    monkeypatch.setattr("decda.plugins.datasets.folder.read_pixels", interrupted)
    monkeypatch.setattr("decda.plugins.datasets.folder._cores", lambda: 1)
    with pytest.raises(KeyboardInterrupt):
        read(images)
    assert len(calls) < 100
