"""Which files of a folder are images, in which order; whatever else lies there."""

import os
import socket
import sys
from pathlib import Path

import pytest

from decda.core.errors import DataError
from decda.plugins.datasets import folder_scan
from decda.plugins.datasets.folder_scan import EXTENSIONS, scan_folder
from tests.unprivileged import run_unprivileged

unix = pytest.mark.skipif(sys.platform == "win32", reason="needs Unix files")

SCAN = """
from pathlib import Path
from decda.core.errors import DataError
from decda.plugins.datasets.folder_scan import scan_folder
try:
    scan = scan_folder(Path("folder"))
    print([file.name for file in scan.files], scan.unreadable)
except DataError as error:
    print(error)
"""


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def names(folder: Path) -> list[str]:
    return [file.name for file in scan_folder(folder).files]


def test_order_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files come in the order of their relative paths, however the system lists them."""
    wanted = ["B.png", "a.png", "a/1.png", "a/10.png", "a/2.png", "a/b/c.jpg", "z.png"]
    touch(tmp_path, *wanted)
    assert names(tmp_path) == wanted
    scandir = os.scandir

    class Backwards:
        def __init__(self, path: str) -> None:
            with scandir(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *error: object) -> None:
            self.entries = []

        def close(self) -> None:
            self.entries = []

    monkeypatch.setattr("decda.plugins.datasets.folder_scan.os.scandir", Backwards)
    assert names(tmp_path) == wanted


def test_what_is_known_of_a_file(tmp_path: Path) -> None:
    """Size, time of change and permissions of a file are known, and its path opens it."""
    touch(tmp_path, "a/b.png")
    (found,) = scan_folder(tmp_path).files
    status = (tmp_path / "a" / "b.png").stat()
    assert (found.size, found.mtime_ns, found.mode) == (status.st_size, status.st_mtime_ns, status.st_mode)
    assert Path(found.path).samefile(tmp_path / "a" / "b.png")


@pytest.mark.parametrize("ending", EXTENSIONS)
def test_endings(ending: str, tmp_path: Path) -> None:
    """Each known ending counts, in any case."""
    touch(tmp_path, f"a{ending}", f"b{ending.upper()}", f"c{ending.title()}")
    assert len(names(tmp_path)) == 3


def test_other_files_are_counted(tmp_path: Path) -> None:
    """Files of other kinds are no images, and counted by their ending."""
    touch(tmp_path, "a.png", "notes.txt", "b/Thumbs.db", "b/labels.csv", "b/LICENSE", "b/c.TXT", "png", "x.png.part")
    scan = scan_folder(tmp_path)
    assert [file.name for file in scan.files] == ["a.png"]
    assert scan.others == {".txt": 2, ".db": 1, ".csv": 1, "": 2, ".part": 1}
    assert scan.unreadable == []


def test_hidden_files_and_folders(tmp_path: Path) -> None:
    """What begins with a dot is left out: files, folders with all they hold, and links."""
    touch(tmp_path, "a.png", ".b.png", "._a.png", ".git/c.png", "d/.e/f.png", "d/.png")
    (tmp_path / ".link.png").symlink_to("/nowhere")
    scan = scan_folder(tmp_path)
    assert [file.name for file in scan.files] == ["a.png"]
    assert (scan.unreadable, scan.others.total()) == ([], 0)


@unix
@pytest.mark.parametrize(
    "name", ["ü.png", "图像.png", "a\nb.png", "\x1b[31m.png", "a\r.png", " .png", "'\".png", "\u202e.png"]
)
def test_odd_names(name: str, tmp_path: Path) -> None:
    """Names may hold any character: those of other scripts, line breaks, control characters, quotes."""
    touch(tmp_path, name)
    assert names(tmp_path) == [name]


@unix
def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    """A name whose bytes are not UTF-8 is a text with lone surrogates, which opens the file again."""
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(raw, "wb") as file:
        file.write(b"x")
    (found,) = scan_folder(tmp_path).files
    assert found.name == "caf\udce9.png"
    assert os.path.samefile(found.path, raw)


@unix
def test_loops_of_links(tmp_path: Path) -> None:
    """Links that lead to the folder, to one above it, to each other or to themselves end nowhere."""
    root = tmp_path / "root"
    touch(root, "a.png", "sub/b.png")
    for link, target in (("sub/up", ".."), ("here", "."), ("above", "../.."), ("all", "/"), ("x", "y"), ("y", "x")):
        (root / link).symlink_to(target)
    (root / "self.png").symlink_to("self.png")
    scan = scan_folder(root)
    assert [file.name for file in scan.files] == ["a.png", "sub/b.png"]
    assert [name for name, _ in scan.unreadable] == ["self.png"]
    assert scan.unreadable[0][1].startswith("the link cannot be followed: ")


@unix
def test_each_file_comes_once(tmp_path: Path) -> None:
    """What several links lead to comes once: under its own name if it lies in the folder, else by the first link."""
    root = tmp_path / "root"
    touch(tmp_path, "elsewhere/c.png", "elsewhere/deep/d.png", "file.png")
    touch(root, "b.png", "sub/e.png")
    for link, target in (
        ("a.png", "b.png"),
        ("a-sub", "sub"),
        ("one.png", "../file.png"),
        ("two.png", "../file.png"),
        ("x", "../elsewhere/deep"),
        ("y", "../elsewhere"),
        ("z", "../elsewhere"),
    ):
        (root / link).symlink_to(target)
    assert names(root) == ["b.png", "one.png", "sub/e.png", "x/d.png", "y/c.png"]
    assert names(tmp_path / "root" / "y") == ["c.png", "deep/d.png"]  # the folder itself may be a link


@unix
def test_links_by_their_own_names(tmp_path: Path) -> None:
    """A link is an image by its own name, as where the files it leads to are named by their content."""
    touch(tmp_path, "store/0123abcd", "store/b.png")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.png").symlink_to("../store/0123abcd")
    (tmp_path / "root" / "b.txt").symlink_to("../store/b.png")
    assert names(tmp_path / "root") == ["a.png"]


@unix
def test_special_files_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipes, sockets and links to devices that call themselves images are told as no regular files."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.png")
    Path("device.png").symlink_to("/dev/zero")
    Path("gone.png").symlink_to("nowhere")
    Path("gone.txt").symlink_to("nowhere")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        scan = scan_folder(tmp_path)
    assert scan.files == []
    assert scan.unreadable == [
        ("device.png", "it is not a regular file"),
        ("gone.png", "the link cannot be followed: No such file or directory"),
        ("pipe.png", "it is not a regular file"),
        ("socket.png", "it is not a regular file"),
    ]


@unix
def test_what_may_not_be_read(tmp_path: Path) -> None:
    """A subfolder that may not be read is told and the rest found; the folder itself is an error."""
    folder = tmp_path / "folder"
    touch(folder, "a.png", "closed/b.png", "listed/c.png")
    (folder / "closed").chmod(0)
    (folder / "listed").chmod(0o400)
    try:
        done = run_unprivileged(["-c", SCAN], tmp_path)
        assert done.stdout == (
            "['a.png'] [('closed/', 'the folder cannot be read: Permission denied'), "
            "('listed/c.png', 'it cannot be read: Permission denied')]\n"
        ), done.stderr
        folder.chmod(0)
        assert (
            run_unprivileged(["-c", SCAN], tmp_path).stdout == "The folder folder cannot be read: Permission denied.\n"
        )
    finally:
        folder.chmod(0o700)
        (folder / "closed").chmod(0o700)
        (folder / "listed").chmod(0o700)


@unix
def test_very_deep_folders(tmp_path: Path) -> None:
    """Folders deeper than a path can be long are told; the rest is found."""
    touch(tmp_path, "a.png")
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(25):
            os.mkdir("d" * 200, dir_fd=here)
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
    finally:
        os.close(here)
    scan = scan_folder(tmp_path)
    assert [file.name for file in scan.files] == ["a.png"]
    assert [reason for _, reason in scan.unreadable] == ["the folder cannot be read: File name too long"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "There is no folder missing."),
        ("file.png", "file.png is not a folder. Name a folder that holds images."),
        ("file.png/below", "is not a folder|There is no folder"),
        ("null\0", "The path of the folder 'null\\\\x00' is not valid"),
        ("x" * 5000, "cannot be read: File name too long"),
    ],
)
def test_what_is_no_folder(path: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing, a file, or no path at all is a clear error."""
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "file.png")
    with pytest.raises(DataError, match=message):
        scan_folder(Path(path))


@unix
def test_a_pipe_or_a_loop_is_no_folder(tmp_path: Path) -> None:
    """A named pipe in the place of the folder does not block, and a link to itself is an error."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DataError, match="is not a folder"):
        scan_folder(tmp_path / "pipe")
    with pytest.raises(DataError, match="cannot be read: "):
        scan_folder(tmp_path / "loop")


def test_a_file_that_vanishes_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is removed between listing and looking is told, and ends nothing."""
    touch(tmp_path, "a.png", "b.png")
    is_image = folder_scan._is_image

    def remove(name: str) -> bool:
        (tmp_path / "b.png").unlink(missing_ok=True)
        return is_image(name)

    monkeypatch.setattr(folder_scan, "_is_image", remove)
    scan = scan_folder(tmp_path)
    assert [file.name for file in scan.files] == ["a.png"]
    assert scan.unreadable == [("b.png", "it cannot be read: No such file or directory")]
