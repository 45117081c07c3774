"""Only regular files of an allowed size are read, and nothing else blocks."""

import errno
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decda.core.regular_files import read_regular

unix = pytest.mark.skipif(sys.platform == "win32", reason="needs Unix files")


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """End a test that blocks."""
    if sys.platform == "win32":
        yield
        return
    signal.alarm(10)
    yield
    signal.alarm(0)


def test_content_is_read(tmp_path: Path) -> None:
    """A file is read byte for byte, also through a symbolic link, and also if it is empty."""
    for content in (b"", b"a\r\n\x1a\0b" * 100_000):
        (tmp_path / "file").write_bytes(content)
        assert read_regular(tmp_path / "file") == content
        assert read_regular(tmp_path / "file", max_bytes=len(content)) == content
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "link") == content


@unix
def test_a_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """A named pipe, also one behind a symbolic link, is refused without waiting for its writer."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="it is not a regular file") as caught:
            read_regular(tmp_path / name)
        assert caught.value.filename == str(tmp_path / name)


@unix
def test_a_pipe_that_replaces_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named pipe that takes the place of a file after the first look at it is still refused."""
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    looked = os.stat(tmp_path / "file")
    monkeypatch.setattr("decda.core.regular_files.os.stat", lambda path: looked)
    with pytest.raises(OSError, match="it is not a regular file"):
        read_regular(tmp_path / "pipe")


@unix
def test_devices_sockets_and_folders_are_refused(tmp_path: Path) -> None:
    """A device, a socket and a folder are each refused with a reason."""
    with socket.socket(socket.AF_UNIX) as server:
        former = os.getcwd()
        os.chdir(tmp_path)  # the path of a socket must be short
        try:
            server.bind("socket")
        finally:
            os.chdir(former)
        for path in (Path("/dev/zero"), tmp_path / "socket"):
            with pytest.raises(OSError, match="it is not a regular file"):
                read_regular(path)
    with pytest.raises(IsADirectoryError, match="it is a folder, not a file"):
        read_regular(tmp_path)


def test_size_is_checked_before_reading(tmp_path: Path) -> None:
    """A file that is too large is refused by its size: a sparse one of a terabyte costs neither time nor memory."""
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="it holds 1099511627776 bytes, more than the 1000 allowed") as caught:
        read_regular(tmp_path / "sparse", max_bytes=1000)
    assert caught.value.errno == errno.EFBIG


@unix
def test_a_file_that_hides_its_size_is_measured() -> None:
    """A file whose size is given as 0 is still held to the limit."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs /proc")
    with pytest.raises(OSError, match="more than the 10 allowed"):
        read_regular(Path("/proc/self/status"), max_bytes=10)


def test_missing_files_and_impossible_paths(tmp_path: Path) -> None:
    """A missing file is a FileNotFoundError; a path with a null character is an OSError, not a ValueError."""
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "nothing")
    with pytest.raises(OSError, match="its path is not valid"):
        read_regular(tmp_path / "a\0b")


@given(st.binary(max_size=100), st.none() | st.integers(0, 100))
def test_any_content(tmp_path_factory: pytest.TempPathFactory, content: bytes, max_bytes: int | None) -> None:
    """A file is read whole if it may be that large, and refused otherwise."""
    path = tmp_path_factory.getbasetemp() / "any-content"
    path.write_bytes(content)
    if max_bytes is None or len(content) <= max_bytes:
        assert read_regular(path, max_bytes=max_bytes) == content
    else:
        with pytest.raises(OSError, match=f"it holds {len(content)} bytes"):
            read_regular(path, max_bytes=max_bytes)


@given(st.text(max_size=300))
def test_any_name(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    """Whatever a path looks like, only an OSError with a reason comes of a file that does not exist."""
    with pytest.raises(OSError) as caught:  # noqa: PT011 - of several kinds
        read_regular(tmp_path_factory.getbasetemp() / "no-such-folder" / name)
    assert caught.value.strerror
