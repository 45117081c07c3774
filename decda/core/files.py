"""Where data files come from: a data root, the user's cache folder or, on first use, their publisher's mirrors.

One room for decda's own data sets and for a stranger's: a data set that names `files` in its signature gets a `Files`.
"""

import gzip
import hashlib
import os
import secrets
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from platformdirs import user_cache_path

from decda.core.download import FetchFailed, fetch
from decda.core.errors import DataError, MissingFile
from decda.core.events import Downloading, Event, ignore

Fingerprint = Callable[[bytes], str]
"""Decompressed content -> a text that is equal for equal content."""


class Files:
    """Data files by name: found below the data root or in the cache, else downloaded; checked in either case.

    Attributes:
        data_root: the folder looked in first, and downloaded into.
        cache: decda's folder for data in the user's cache; the data root where none is given.
        offline: whether the network is left alone.
    """

    def __init__(
        self,
        data_root: Path | None = None,
        *,
        offline: bool | None = None,
        notify: Callable[[Event], None] = ignore,
        timeout: float = 60.0,
    ) -> None:
        """Choose the folders; nothing is read, made or asked for yet.

        Args:
            data_root: the folder that holds the data; None: `DECDA_DATA`, else the cache.
            offline: never touch the network; None: as `DECDA_OFFLINE` says (1, true or yes).
            notify: called with a `Downloading` as bytes arrive.
            timeout: seconds after which the download of one file is given up, all mirrors together.
        """
        said = os.environ.get("DECDA_DATA")
        self.cache = user_cache_path("decda", appauthor=False) / "data"
        try:
            self.data_root = Path(data_root or said or self.cache).expanduser()
        except RuntimeError as error:  # ~somebody
            raise DataError(f"The data root {data_root or said} leads nowhere: {error}") from error
        if offline is None:
            offline = os.environ.get("DECDA_OFFLINE", "").strip().lower() in ("1", "true", "yes")
        self.offline = offline
        self.notify = notify
        self.timeout = timeout

    def get(
        self,
        name: str,
        *,
        urls: Sequence[str] = (),
        sha256: str | None = None,
        fingerprint: Fingerprint | None = None,
    ) -> bytes:
        """The decompressed content of a file; downloaded on first use, never replaced once it is there.

        A name that ends in `.gz` is decompressed, and found without `.gz` (already decompressed) too.

        Args:
            name: the file below the data root, with `/`: `"mnist/train-images-idx3-ubyte.gz"`.
            urls: http(s) addresses of this very file, asked in this order.
            sha256: what `fingerprint` must give; None: any content is taken.
            fingerprint: of the decompressed content; None: the sha256 of its bytes, in hexadecimal. Of use where
                equal data comes in different bytes; a ValueError or DataError in it means unfit content.

        Raises:
            MissingFile: the file is missing and cannot be downloaded.
            DataError: it cannot be read, or is not what is expected.
            ValueError: the name is absolute or leads out of the data root.
        """
        inner = _inner_path(name)
        expected = _Expected(sha256, fingerprint)
        spellings = (inner, inner.with_suffix("")) if inner.suffix == ".gz" else (inner,)
        folders = list(dict.fromkeys((self.data_root, self.cache)))
        for folder in folders:
            for spelling in spellings:
                content = _read(folder / spelling, expected)
                if content is not None:
                    return content
        target = self.data_root / inner
        if self.offline:
            story = "Nothing was downloaded: the network is switched off (offline, DECDA_OFFLINE)."
            if urls:
                story += " Its addresses:" + "".join(f"\n  {url}" for url in urls)
        elif not urls:
            story = "No address is known to download it from."
        else:
            _require_writable(target)
            content, failures = self._download(name, target, urls, expected)
            if content is not None:
                return content
            story = "Tried:" + "".join(f"\n  {failure}" for failure in failures)
        looked = ", ".join(f"{folder}{'' if folder.is_dir() else ' (no such folder)'}" for folder in folders)
        raise MissingFile(
            f"The data file '{name}' is missing. Looked in: {looked}. {story}\n"
            f"Put it at {target} by hand, or name the folder that holds it as the data root (DECDA_DATA).",
            parameter="data_root",
        )

    def _download(
        self, name: str, target: Path, urls: Sequence[str], expected: "_Expected"
    ) -> tuple[bytes | None, list[str]]:
        """The content from the first mirror that has it, published at target; else None, and what happened at each."""

        def report(received: int, total: int | None) -> None:
            self.notify(Downloading(name, received, total))

        failures: list[str] = []
        deadline = time.monotonic() + self.timeout
        for asked, url in enumerate(urls):
            now = time.monotonic()
            share = now + (deadline - now) / (len(urls) - asked)  # a slow mirror must leave time to the next
            try:
                raw = fetch(url, share=share, deadline=deadline, report=report)
                content = expected.unpack(raw, packed=target.suffix == ".gz")
            except (FetchFailed, _Unfit) as error:
                failures.append(f"{url}: {error}")
            else:
                return _publish(raw, target, expected) or content, failures
        if time.monotonic() >= deadline:
            failures.append(f"given up after {self.timeout:g} s in all")
        return None, failures


class _Unfit(Exception):
    """Content that is not what is expected."""


@dataclass(frozen=True)
class _Expected:
    """What a file must hold."""

    sha256: str | None
    fingerprint: Fingerprint | None

    def unpack(self, raw: bytes, *, packed: bool) -> bytes:
        """Stored bytes -> decompressed, checked content; else _Unfit."""
        try:
            content = gzip.decompress(raw) if packed else raw
        except (OSError, EOFError, zlib.error) as error:
            raise _Unfit(f"its {len(raw)} bytes are no whole gzip file ({error})") from error
        if self.sha256 is None:
            return content
        kind = "fingerprint" if self.fingerprint else "sha256"
        try:
            found = self.fingerprint(content) if self.fingerprint else hashlib.sha256(content).hexdigest()
        except (ValueError, DataError) as error:
            raise _Unfit(str(error)) from error
        if found != self.sha256:
            raise _Unfit(f"the {kind} of its {len(content)} decompressed bytes is {found}, expected {self.sha256}")
        return content


def _inner_path(name: str) -> PurePosixPath:
    """A file's name as a path that stays below the folder it is put on."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or any(sign in name for sign in "\\:\0"):
        raise ValueError(f"a data file's name must be a path below the data root, with '/': got {name!r}")
    return path


def _read(path: Path, expected: _Expected) -> bytes | None:
    """The checked content of a file that lies there, None if there is none."""
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"Cannot read the data file {path}: {error.strerror}.") from error
    try:
        return expected.unpack(raw, packed=path.suffix == ".gz")
    except _Unfit as error:
        raise DataError(
            f"{path} is not the published file: {error}. It was left as it is. Put the right file in its place, move "
            f"it away to have it downloaded, or name another folder as the data root (DECDA_DATA).",
            parameter="data_root",
        ) from error


def _require_writable(target: Path) -> None:
    """Refuse, before anything is downloaded, a folder that could not take it. Makes no folder."""
    try:
        standing = next((folder for folder in target.parents if folder.exists()), None)
    except OSError:
        standing = None
    if standing is None or not standing.is_dir() or not os.access(standing, os.W_OK | os.X_OK):
        raise _unwritable(target, f"{standing or target.parent} is not a folder that can be written to")


def _unwritable(target: Path, reason: str) -> DataError:
    return DataError(
        f"The data file {target} is missing and cannot be downloaded there: {reason}. Put it there by hand, "
        f"or name another folder as the data root (DECDA_DATA).",
        parameter="data_root",
    )


def _publish(raw: bytes, target: Path, expected: _Expected) -> bytes | None:
    """Write a checked file under a name of its own, then give it its name in one step, never replacing a file.

    Returns:
        The content that lies there instead, where another process was first; else None.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())  # or a crash could leave the name on an empty file, for good
            try:
                os.link(temporary, target)
            except FileExistsError:
                return _read(target, expected)
            except OSError:  # a file system without links
                if os.path.lexists(target):
                    return _read(target, expected)
                os.replace(temporary, target)  # who comes between replaces a file that was checked by an equal one
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(target, error.strerror or str(error)) from error
    return None
