"""A folder that one process at a time may use."""

import contextlib
import os
import socket
from pathlib import Path
from types import TracebackType

from filelock import FileLock, SoftFileLock, Timeout

from decda.core.errors import ConfigError, FolderInUse
from decda.core.runs.naming import printable

LOCK_NAME = ".lock"
"""The file in the folder that is locked; it exists only while the folder is in use, or after a process was killed."""
WAIT_SECONDS = 0.5
"""How long to try, because a process that is killed takes a moment to end."""


class FolderLock:
    """Keeps a folder for one user at a time, be it a process or a thread.

    The operating system holds the lock and lets go of it when the process ends, however that happens. What a killed
    process leaves behind thus blocks nobody, not even after a restart of the machine, and on a shared file system that
    passes locks on, as NFS does, other hosts see it, too. The process identifier in the file serves only to say who
    holds it.

    Args:
        folder: it exists.
        parameter: the one that names it, for errors.

    Raises:
        FolderInUse: on entry, if the folder is in use; names the process.
        ConfigError: on entry, if no file can be made in it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with FolderLock(Path(folder)):
        ...         try:
        ...             with FolderLock(Path(folder)):
        ...                 pass
        ...         except ConfigError as error:
        ...             f"is in use by process {os.getpid()}" in str(error)
        True
    """

    def __init__(self, folder: Path, *, parameter: str | None = None):
        self.folder = folder
        self.parameter = parameter
        self._path = folder / LOCK_NAME
        # Not bound to a thread: a run may be closed by another one than started it.
        self._lock = FileLock(self._path, thread_local=False)
        self._identity: os.stat_result | None = None

    def __enter__(self) -> None:
        """Take the folder, or say who has it."""
        try:
            self.folder.stat()  # filelock would make a folder that is missing
            self._lock.acquire(timeout=WAIT_SECONDS)
        except Timeout as error:
            raise FolderInUse(
                f"{printable(self.folder)} is in use by {_holder(self._path)}. Wait until that has ended, or name "
                "another folder.",
                parameter=self.parameter,
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{printable(self.folder)} cannot be used: {error.strerror or error}. Name another folder.",
                parameter=self.parameter,
            ) from error
        with contextlib.suppress(OSError):  # on a full disk the lock holds, too, but nobody learns whose it is
            self._identity = self._path.stat()
            if not isinstance(self._lock, SoftFileLock):  # without locks of the system, its file says so already
                self._path.write_text(f"{os.getpid()}\n{socket.gethostname()}\n", encoding="utf-8")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the file, and let go of the folder."""
        # While it is still locked, or the file may be another's; not if the folder was replaced by a new one meanwhile.
        with contextlib.suppress(OSError):
            if self._identity is not None and os.path.samestat(self._identity, self._path.stat()):
                self._path.unlink()
        self._lock.release()


def _holder(path: Path) -> str:
    """Who holds the lock, as its file says."""
    try:
        pid, host, *_ = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):  # it was made a moment ago, or it was removed
        return "another process"
    return f"process {printable(pid)}" + ("" if host == socket.gethostname() else f" on {printable(host)}")
