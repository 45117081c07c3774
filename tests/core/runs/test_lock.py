"""A folder that one process at a time may use."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from decda.core.errors import ConfigError
from decda.core.runs.lock import LOCK_NAME, FolderLock

HOLD = """
import sys
from pathlib import Path
from decda.core.runs.lock import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> "subprocess.Popen[str]":
    """A process that holds a folder until its stdin is closed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_named(tmp_path: Path) -> None:
    """While another process holds the folder, it is refused with the identifier of that process; then it is free."""
    with hold(tmp_path) as process:
        with (
            pytest.raises(ConfigError, match=f"is in use by process {process.pid}. Wait") as caught,
            FolderLock(tmp_path),
        ):
            pass
        assert caught.value.parameter is None
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert not list(tmp_path.iterdir())
    with FolderLock(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n{socket.gethostname()}\n"
    assert not list(tmp_path.iterdir())


def test_a_killed_process_blocks_nobody(tmp_path: Path) -> None:
    """What a process that was killed leaves behind is taken over, and removed afterwards."""
    process = hold(tmp_path)
    process.kill()
    with FolderLock(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text().splitlines()[0] == str(os.getpid())
    assert process.wait(timeout=30) == -signal.SIGKILL
    process.communicate()
    assert not list(tmp_path.iterdir())


def test_a_file_that_nobody_holds_blocks_nobody(tmp_path: Path) -> None:
    """A file from before a restart or of another host is taken over, even if a process has its identifier today."""
    for text in (f"{os.getpid()}\n{socket.gethostname()}\n", "1\nelsewhere\n", "", "\x00\udcff"):
        (tmp_path / LOCK_NAME).write_bytes(text.encode(errors="surrogateescape"))
        with FolderLock(tmp_path):
            pass
        assert not list(tmp_path.iterdir())


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    """Two runs in one process exclude each other as two processes do, in one thread and in several."""
    entered: list[int] = []
    refused: list[str] = []
    barrier = threading.Barrier(8)
    done = threading.Event()

    def use(number: int) -> None:
        barrier.wait()
        try:
            with FolderLock(tmp_path):
                entered.append(number)
                done.wait(timeout=30)
        except ConfigError as error:
            refused.append(str(error))
            if len(refused) == 7:
                done.set()

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(entered) == 1
    assert len(refused) == 7
    assert all(f"process {os.getpid()}" in message for message in refused)
    assert not list(tmp_path.iterdir())


def test_a_lock_ends_in_another_thread(tmp_path: Path) -> None:
    """A lock that one thread took can be given back by another one."""
    lock = FolderLock(tmp_path)
    lock.__enter__()
    thread = threading.Thread(target=lock.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    with FolderLock(tmp_path):
        pass


def test_an_error_gives_the_folder_back(tmp_path: Path) -> None:
    """An exception passes, and the folder is free again; so it is if the folder was removed meanwhile."""
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(KeyboardInterrupt), FolderLock(folder):
        raise KeyboardInterrupt
    assert not list(folder.iterdir())
    with FolderLock(folder):
        (folder / LOCK_NAME).unlink()
        folder.rmdir()
    folder.mkdir()
    with FolderLock(folder):
        (folder / LOCK_NAME).rename(folder / "moved")
        (folder / LOCK_NAME).write_text("of another run")
    assert (folder / LOCK_NAME).read_text() == "of another run"


@pytest.mark.parametrize(("holder", "piece"), [("", "another process"), ("12\nfar\x1b\n", r"process 12 on far\\x1b")])
def test_a_holder_that_is_not_known(tmp_path: Path, holder: str, piece: str) -> None:
    """A file that does not tell who holds it, or tells of another host, leads to no other error."""
    with FolderLock(tmp_path):
        (tmp_path / LOCK_NAME).write_text(holder)
        with pytest.raises(ConfigError, match=f"in use by {piece}"), FolderLock(tmp_path):
            pass


def test_a_folder_that_cannot_be_locked(tmp_path: Path) -> None:
    """A folder that is missing, or in which the file cannot be made, is an error that says why."""
    (tmp_path / LOCK_NAME).mkdir()
    (tmp_path / "file").write_text("")
    for folder in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(ConfigError, match="cannot be used: .*Name another folder"), FolderLock(folder):
            pass


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """Where the identifier of the process cannot be written, the lock holds nevertheless."""
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom decda.core.runs.lock import FolderLock\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "with FolderLock(Path(sys.argv[1])):\n    with FolderLock(Path(sys.argv[1])): pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "FolderInUse" in done.stderr
    assert "is in use by another process" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no locks, the existence of the file is the lock, and it names the process, too."""

    def refuse(*words: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    in_use = pytest.raises(ConfigError, match=f"in use by process {os.getpid()}")
    with pytest.warns(UserWarning, match="flock not supported"), FolderLock(tmp_path), in_use, FolderLock(tmp_path):
        pass
    assert not list(tmp_path.iterdir())
