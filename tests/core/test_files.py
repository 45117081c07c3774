"""Data files are found, verified, or downloaded from a local test server."""

import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest

from decda.core.errors import DataError
from decda.core.events import Downloading
from decda.core.files import Files

NAME = "letters/train.txt.gz"
CONTENT = b"the content " * 5000
PACKED = gzip.compress(CONTENT)
SHA256 = hashlib.sha256(CONTENT).hexdigest()

Answer = Callable[[Any], None]


def ok(handler: Any) -> None:
    handler.give(PACKED)


def missing(handler: Any) -> None:
    handler.give(b"no", status=404)


def foreign(handler: Any) -> None:
    handler.give(gzip.compress(b"another file"))


def hang(handler: Any) -> None:
    handler.server.stopping.wait(10)


def drip(handler: Any) -> None:
    """Send a byte of the body now and then, without end."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(PACKED)))
    handler.end_headers()
    while not handler.server.stopping.wait(0.05):
        handler.wfile.write(b"x")


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DECDA_DATA", raising=False)
    monkeypatch.delenv("DECDA_OFFLINE", raising=False)
    monkeypatch.setattr("decda.core.files.user_cache_path", lambda *args, **options: tmp_path / "cache")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def put(folder: Path, name: str, raw: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True)
    path.write_bytes(raw)
    return path


def files_below(folder: Path) -> list[str]:
    """List all files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.mark.parametrize(("name", "raw"), [(NAME, PACKED), ("letters/train.txt", CONTENT)])
@pytest.mark.parametrize("place", ["root", "cache/data"])
def test_found(tmp_path: Path, root: Path, place: str, name: str, raw: bytes) -> None:
    """A file is found in the data root or else in the cache, compressed or not."""
    put(tmp_path / place, name, raw)
    assert Files(root).get(NAME, sha256=SHA256) == CONTENT


def test_root_wins(tmp_path: Path, root: Path) -> None:
    """If both hold a file, that of the data root is used."""
    put(root, NAME, gzip.compress(b"mine"))
    put(tmp_path / "cache/data", NAME, gzip.compress(b"cached"))
    assert Files(root).get(NAME) == b"mine"


def test_where_a_file_is(tmp_path: Path, root: Path) -> None:
    """A file is found without reading it, damaged or not, by the rules by which it would be read."""
    assert Files(root).find(NAME) is None
    cached = put(tmp_path / "cache/data", NAME, b"damaged")
    assert Files(root).find(NAME) == cached
    put(root, NAME, PACKED).rename(root / NAME.removesuffix(".gz"))
    assert Files(root).find(NAME) == root / NAME.removesuffix(".gz")
    (root / NAME).mkdir()
    assert Files(root).find(NAME) == root / NAME.removesuffix(".gz")
    with pytest.raises(ValueError, match="a relative path below the data root"):
        Files(root).find("../x")


def test_root_is_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The data root is the argument, or else DECDA_DATA, or else the cache."""
    assert Files().data_root == Files().cache == tmp_path / "cache/data"
    monkeypatch.setenv("DECDA_DATA", str(tmp_path / "said"))
    assert Files().data_root == tmp_path / "said"
    assert Files(tmp_path / "given").data_root == tmp_path / "given"


@pytest.mark.parametrize(("said", "offline"), [("1", True), ("True", True), ("yes", True), ("0", False), ("", False)])
def test_offline_is_chosen(monkeypatch: pytest.MonkeyPatch, said: str, offline: bool) -> None:
    """DECDA_OFFLINE decides whether to be offline, unless the argument does."""
    monkeypatch.setenv("DECDA_OFFLINE", said)
    assert Files().offline is offline
    assert Files(offline=not offline).offline is not offline


@pytest.mark.parametrize("name", ["/etc/passwd", "../other", "a/../../b", "", ".", "a\\b", "C:x", "a\0"])
def test_unsafe_names(root: Path, name: str) -> None:
    """A name that could point outside the data root is refused."""
    with pytest.raises(ValueError, match="below the data root"):
        Files(root).get(name)


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        (gzip.compress(b"another file"), hashlib.sha256(b"another file").hexdigest()),
        (PACKED[:-9], "its gzip data is truncated"),
        (b"<html>", "it is not gzip data"),
        (b"", "it is not gzip data: it begins with nothing"),
        (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], "its content does not match its checksum"),
        (PACKED[:10] + b"\xff" * 20, "its gzip data is damaged: invalid block type"),
        (PACKED + b"rest", "its gzip data is followed by 4 bytes of another kind"),
        (gzip.compress(bytes(10**6)), "it holds more than the 100000 decompressed bytes allowed"),
        (os.urandom(200_000), r"it holds 200000 bytes, more than the \d+ allowed"),
    ],
    ids=["another", "truncated", "unpacked", "empty", "wrong-sum", "no-deflate", "trailing", "bomb", "large"],
)
def test_wrong_file_stays(server: Any, root: Path, raw: bytes, seen: str) -> None:
    """A wrong file in the data root is an error, and is neither replaced nor removed."""
    path = put(root, NAME, raw)
    with pytest.raises(DataError, match=seen) as caught:
        Files(root).get(NAME, urls=[server.url("/a", ok)], sha256=SHA256, max_bytes=100_000)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == raw
    assert server.requests == []
    assert files_below(root) == [NAME]


def test_unreadable_file(root: Path) -> None:
    """A path that cannot be read as a file is reported by name."""
    (root / NAME).mkdir(parents=True)
    with pytest.raises(DataError, match=r"Cannot read .*train\.txt\.gz: it is a folder, not a file"):
        Files(root).get(NAME)


@pytest.mark.skipif(os.name == "nt", reason="needs named pipes")
def test_a_named_pipe_is_not_read(root: Path) -> None:
    """A named pipe in the place of a data file, compressed or not, is refused at once."""
    for name in (NAME, "plain.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(root / name)
        with pytest.raises(DataError, match=rf"Cannot read .*{name}: it is not a regular file"):
            Files(root).get(name)


def test_the_stored_size_is_checked_first(root: Path) -> None:
    """A sparse file of a terabyte, compressed or not, is refused by its size; one that just fits is read."""
    for name, allowed in ((NAME, 2**31 + 2**22 + 2**16), ("plain.txt", 2**31)):
        path = put(root, name, b"") if name == NAME else root / name
        with path.open("wb") as file:
            file.truncate(2**40)
        with pytest.raises(DataError, match=f"it holds 1099511627776 bytes, more than the {allowed} allowed"):
            Files(root).get(name)
    content = os.urandom(100_000)
    (root / NAME).write_bytes(gzip.compress(content))  # longer than its content
    assert Files(root).get(NAME, max_bytes=100_000) == content


def test_a_download_that_holds_too_much(server: Any, root: Path) -> None:
    """A mirror that sends more than the file may hold, packed or not, leaves no file, and the next one is tried."""

    def bomb(handler: Any) -> None:
        handler.give(gzip.compress(bytes(10**6)))

    def long(handler: Any) -> None:
        handler.give(bytes(10**6))

    urls = [server.url("/a", bomb), server.url("/b", long)]
    with pytest.raises(DataError) as caught:
        Files(root).get(NAME, urls=urls, sha256=SHA256, max_bytes=100_000)
    assert "it holds more than the 100000 decompressed bytes allowed" in str(caught.value)
    assert "it holds 1000000 bytes, more than the 165731 allowed" in str(caught.value)
    assert files_below(root) == []
    assert Files(root).get(NAME, urls=[*urls, server.url("/c", ok)], sha256=SHA256, max_bytes=100_000) == CONTENT


def test_own_fingerprint(root: Path) -> None:
    """A custom fingerprint accepts the same values in other bytes, and refuses what it cannot parse."""

    def fingerprint(content: bytes) -> str:
        return str([float(word) for word in content.split()])

    put(root, "a", b"1 2.50\n")
    put(root / "other", "a", b"1 x\n")
    assert Files(root).get("a", sha256="[1.0, 2.5]", fingerprint=fingerprint) == b"1 2.50\n"
    with pytest.raises(DataError, match=r"expected \[1.0, 3.0\]"):
        Files(root).get("a", sha256="[1.0, 3.0]", fingerprint=fingerprint)
    with pytest.raises(DataError, match="could not convert string"):
        Files(root / "other").get("a", sha256="[1.0, 2.5]", fingerprint=fingerprint)


def test_download(server: Any, root: Path) -> None:
    """A missing file is downloaded once, stored in the data root as published, and its progress is reported."""
    events: list[Downloading] = []
    files = Files(root, notify=events.append)
    for _ in range(2):
        assert files.get(NAME, urls=[server.url("/a", ok)], sha256=SHA256) == CONTENT
    assert (root / NAME).read_bytes() == PACKED
    assert files_below(root) == [NAME]
    assert server.requests == ["/a"]
    assert events[0] == Downloading(NAME, 0, None)
    assert events[-1] == Downloading(NAME, len(PACKED), len(PACKED))


def test_stale_temporary_file(server: Any, root: Path) -> None:
    """A temporary file left by a killed process does no harm."""
    stale = put(root, "letters/.train.txt.gz.0123.part", b"half")
    assert Files(root).get(NAME, urls=[server.url("/a", ok)], sha256=SHA256) == CONTENT
    assert stale.read_bytes() == b"half"


def test_without_links(server: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Downloads work on a file system without hard links, too."""

    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert Files(root).get(NAME, urls=[server.url("/a", ok)], sha256=SHA256) == CONTENT
    assert files_below(root) == [NAME]


@pytest.mark.parametrize("answer", [missing, foreign, hang, drip])
def test_next_mirror(server: Any, root: Path, answer: Answer) -> None:
    """A mirror that fails, serves another file or takes too long leaves time for the next one."""
    urls = [server.url("/a", answer), server.url("/b", ok)]
    assert Files(root, timeout=1.5).get(NAME, urls=urls, sha256=SHA256) == CONTENT
    assert server.requests == ["/a", "/b"]
    assert files_below(root) == [NAME]


def test_all_mirrors_fail(server: Any, root: Path) -> None:
    """If no mirror has the file, the error lists each failure and the total time, and no file is left."""
    urls = [server.url("/a", missing), server.url("/b", foreign), server.url("/c", drip)]
    begun = time.monotonic()
    with pytest.raises(DataError) as caught:
        Files(root, timeout=0.4).get(NAME, urls=urls, sha256=SHA256)
    assert time.monotonic() - begun < 2
    lines = str(caught.value).splitlines()
    assert lines[1] == f"  {urls[0]}: HTTP 404 Not Found"
    assert lines[2].startswith(f"  {urls[1]}: the sha256 of its 12 decompressed bytes is ")
    assert lines[3].startswith(f"  {urls[2]}: too slow: ")
    assert lines[4] == "  gave up after 0.4 s in total"
    assert not root.exists()


def test_missing(tmp_path: Path, root: Path) -> None:
    """The error names the file, the folders that were searched, and where to put the file manually."""
    with pytest.raises(DataError) as caught:
        Files(root).get(NAME)
    message = str(caught.value)
    for part in (
        NAME,
        f"{root} (no such folder)",
        str(tmp_path / "cache/data"),
        str(root / NAME),
        "data root (DECDA_DATA)",
    ):
        assert part in message


def test_offline(server: Any, root: Path) -> None:
    """When offline no request is sent, and the error says so and lists the URLs."""
    url = server.url("/a", ok)
    with pytest.raises(DataError, match="offline") as caught:
        Files(root, offline=True).get(NAME, urls=[url], sha256=SHA256)
    assert url in str(caught.value)
    assert server.requests == []


def test_unwritable_root(server: Any, tmp_path: Path) -> None:
    """A data root that is not writable is reported before anything is downloaded."""
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is not a writable folder"):
        Files(tmp_path / "file" / "root").get(NAME, urls=[server.url("/a", ok)], sha256=SHA256)
    assert server.requests == []


def test_full_disk(server: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a file cannot be written completely, that is an error, and no partial file remains."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="No space left on device"):
        Files(root).get(NAME, urls=[server.url("/a", ok)], sha256=SHA256)
    assert files_below(root) == []


def test_interrupted_while_writing(server: Any, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while a file is written leaves no partial file."""

    def interrupt(descriptor: int) -> None:
        assert len(files_below(root)) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Files(root).get(NAME, urls=[server.url("/a", ok)], sha256=SHA256)
    assert files_below(root) == []


@pytest.mark.parametrize(("first", "content"), [(gzip.compress(CONTENT, 1), CONTENT), (b"other", None)])
def test_the_file_appears_meanwhile(server: Any, root: Path, first: bytes, content: bytes | None) -> None:
    """A file that appears during the download is verified and used or reported, but never replaced."""

    def race(handler: Any) -> None:
        put(root, NAME, first)
        handler.give(PACKED)

    url = server.url("/a", race)
    if content is None:
        with pytest.raises(DataError, match="not the published file"):
            Files(root).get(NAME, urls=[url], sha256=SHA256)
    else:
        assert Files(root).get(NAME, urls=[url], sha256=SHA256) == content
    assert (root / NAME).read_bytes() == first
    assert files_below(root) == [NAME]


PROCESS = """
import hashlib, json, sys
from pathlib import Path
from decda.core.files import Files
root, name, url, sha256 = json.loads(sys.argv[1])
content = Files(Path(root)).get(name, urls=[url], sha256=sha256)
print(hashlib.sha256(content).hexdigest())
"""


def start(root: Path, url: str) -> "subprocess.Popen[str]":
    """Start another process that gets the file."""
    words = json.dumps([str(root), NAME, url, SHA256])
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "no_proxy": "*"}
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS, words],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_two_processes(server: Any, root: Path) -> None:
    """Two processes that download the same file at the same time both get it, and leave one file."""
    both = Barrier(2, timeout=10)

    def together(handler: Any) -> None:
        both.wait()
        handler.give(PACKED)

    url = server.url("/a", together)
    processes = [start(root, url) for _ in range(2)]
    for process in processes:
        out, trouble = process.communicate(timeout=20)
        assert (process.returncode, out.strip(), trouble) == (0, SHA256, "")
    assert server.requests == ["/a", "/a"]
    assert files_below(root) == [NAME]


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_interrupted_while_downloading(server: Any, root: Path) -> None:
    """Ctrl-C ends a process at once even if the server hangs, and leaves no file."""
    asked = Event()

    def stuck(handler: Any) -> None:
        asked.set()
        hang(handler)

    process = start(root, server.url("/a", stuck))
    assert asked.wait(10)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, trouble = process.communicate(timeout=9)
    assert time.monotonic() - begun < 5
    assert "KeyboardInterrupt" in trouble
    assert process.returncode != 0
    assert not root.exists()
