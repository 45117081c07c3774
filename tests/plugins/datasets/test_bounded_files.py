"""A file that a decoder reads has limits, and is a regular one."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from decda.plugins.datasets import bounded_files
from decda.plugins.datasets.bounded_files import BoundedFile


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """End a test that blocks."""
    if sys.platform == "win32":
        yield
        return
    signal.alarm(10)
    yield
    signal.alarm(0)


def test_it_reads_like_a_file(tmp_path: Path) -> None:
    """Reading, seeking and telling work as on any file; at the end there is nothing more."""
    (tmp_path / "file").write_bytes(b"0123456789")
    with BoundedFile(str(tmp_path / "file")) as file:
        assert (file.size, file.mtime_ns) == (10, (tmp_path / "file").stat().st_mtime_ns)
        assert (file.read(3), file.tell(), file.read(0), file.read()) == (b"012", 3, b"", b"3456789")
        assert (file.read(1), file.read(-1)) == (b"", b"")
        assert (file.seek(-2, os.SEEK_END), file.read(100), file.seek(1), file.read(None)) == (
            8,
            b"89",
            1,
            b"123456789",
        )
        assert (file.seek(50), file.read(5)) == (50, b"")
        assert not hasattr(file, "fileno")
    with pytest.raises(ValueError, match="closed"):
        file.read()


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix files")
def test_only_regular_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe, a socket, a device, a folder and an empty file are refused without being opened."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("pipe")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    monkeypatch.setattr("decda.plugins.datasets.bounded_files.os.open", None)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        for name in ("pipe", "link", "socket", "/dev/zero", "."):
            with pytest.raises(OSError, match="it is not a regular file"):
                BoundedFile(name)
    with pytest.raises(OSError, match="it is empty"):
        BoundedFile("empty")
    with pytest.raises(FileNotFoundError):
        BoundedFile("missing")


@pytest.mark.skipif(sys.platform == "win32", reason="needs Unix files")
def test_a_pipe_that_replaces_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named pipe that takes the place of a file after the first look at it is refused, and does not block."""
    (tmp_path / "file").write_bytes(b"a")
    os.mkfifo(tmp_path / "pipe")
    looked = os.stat(tmp_path / "file")
    monkeypatch.setattr("decda.plugins.datasets.bounded_files.os.stat", lambda path: looked)
    with pytest.raises(OSError, match="it is not a regular file"):
        BoundedFile(str(tmp_path / "pipe"))


def test_a_sparse_terabyte(tmp_path: Path) -> None:
    """A file that holds more than is allowed is refused by its size."""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="it holds 1099511627776 bytes, more than the 1073741824 allowed"):
        BoundedFile(str(tmp_path / "file"))


def test_no_more_memory_than_the_file(tmp_path: Path) -> None:
    """Asked for more bytes than there are, even for 2**60, it returns those that there are."""
    (tmp_path / "file").write_bytes(b"abc")
    with BoundedFile(str(tmp_path / "file")) as file:
        assert file.read(2**60) == b"abc"


def test_the_number_of_reads_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file can be read so many times, and no more."""
    monkeypatch.setattr(bounded_files, "MAX_READS", 5)
    (tmp_path / "file").write_bytes(b"abc")
    with BoundedFile(str(tmp_path / "file")) as file:
        for _ in range(5):
            file.read(1)
        with pytest.raises(OSError, match="too intricate"):
            file.read(1)


def test_the_number_of_bytes_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of a file can be read a few times, and no more."""
    monkeypatch.setattr(bounded_files, "SPARE", 0)
    (tmp_path / "file").write_bytes(b"abc")
    with BoundedFile(str(tmp_path / "file")) as file:
        for _ in range(bounded_files.MAX_REREADING):
            file.seek(0)
            assert file.read() == b"abc"
        file.seek(0)
        with pytest.raises(OSError, match="too intricate"):
            file.read()
