"""Where data files come from: a data root, the user's cache folder or, on first use, their publisher's mirrors.

decda's own data sets and those of plugins use it alike: a data set that names `files` in its signature gets a `Files`.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from platformdirs import user_cache_path

from decda.core.download import FetchFailed, fetch
from decda.core.errors import DataError, MissingFile
from decda.core.events import Downloading, Event, ignore
from decda.core.regular_files import read_regular
from decda.core.unpacking import unpack_gzip

MAX_BYTES = 2**31
"""The most that a data file may hold, where its data set states no other limit."""
Fingerprint = Callable[[bytes], str]
"""Maps decompressed content to a text that is equal for equal data."""


class Files:
    """Finds data files below the data root or in the cache, downloads missing ones, and verifies their content.

    Attributes:
        data_root: the folder that is searched first and downloaded into.
        cache: decda's data folder in the user's cache; the data root if none is given.
        images: the folder in the user's cache that keeps the pixels of images that took long to read.
        notify: as given.
        offline: whether downloads are disabled.
    """

    def __init__(
        self,
        data_root: Path | None = None,
        *,
        offline: bool | None = None,
        notify: Callable[[Event], None] = ignore,
        timeout: float = 60.0,
    ) -> None:
        """Choose the folders; nothing is read, created or downloaded yet.

        Args:
            data_root: the folder that holds the data. None: the environment variable `DECDA_DATA`, else the cache.
            offline: never use the network. None: what the variable `DECDA_OFFLINE` says (1, true or yes).
            notify: called with a `Downloading` event as bytes arrive.
            timeout: seconds that the download of one file may take, over all mirrors.

        Raises:
            DataError: the data root refers to the home folder of an unknown user.
        """
        from_environment = os.environ.get("DECDA_DATA")
        self.cache = user_cache_path("decda", appauthor=False) / "data"
        self.images = self.cache.with_name("images")
        try:
            self.data_root = Path(data_root or from_environment or self.cache).expanduser()
        except RuntimeError as error:  # ~somebody
            raise DataError(
                f"The data root {data_root or from_environment} cannot be resolved: {error}", parameter="data_root"
            ) from error
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
        max_bytes: int = MAX_BYTES,
    ) -> bytes:
        """Read a file; it is downloaded on first use and never replaced once it exists.

        A file whose name ends in `.gz` is decompressed; an already decompressed copy without `.gz` is found, too.

        Args:
            name: path of the file below the data root, with `/`: `"mnist/train-images-idx3-ubyte.gz"`.
            urls: http(s) addresses of this very file, tried in this order.
            sha256: the value that `fingerprint` must return. None: accept any content.
            fingerprint: computed from the decompressed content. None: the SHA-256 of its bytes, in hexadecimal.
                Useful where equal data may come in different bytes. A ValueError or DataError that it raises means
                that the content is unusable.
            max_bytes: the most that the decompressed content may hold. A file that holds more is refused before it
                fills the memory; a download that is longer is broken off.

        Returns:
            The decompressed content.

        Raises:
            MissingFile: the file is missing and cannot be downloaded.
            DataError: the file cannot be read, or its content is not what is expected.
            ValueError: the name is absolute or leads out of the data root.
        """
        inner = _inner_path(name)
        expected = _Expected(sha256, fingerprint, max_bytes)
        for place in self._places(inner):
            content = _read(place, expected)
            if content is not None:
                return content
        target = self.data_root / inner
        if self.offline:
            story = "Nothing was downloaded: downloads are switched off (offline, DECDA_OFFLINE)."
            if urls:
                story += " It is available from:" + "".join(f"\n  {url}" for url in urls)
        elif not urls:
            story = "It has no download address."
        else:
            _require_writable(target)
            content, failures = self._download(name, target, urls, expected)
            if content is not None:
                return content
            story = "Tried:" + "".join(f"\n  {failure}" for failure in failures)
        folders = dict.fromkeys((self.data_root, self.cache))
        looked = ", ".join(f"{folder}{'' if folder.is_dir() else ' (no such folder)'}" for folder in folders)
        raise MissingFile(
            f"The data file '{name}' is missing. Looked in: {looked}. {story}\n"
            f"Put it at {target} by hand, or set the data root (DECDA_DATA) to the folder that holds it.",
            parameter="data_root",
        )

    def find(self, name: str) -> Path | None:
        """Find a file without reading or downloading it.

        Args:
            name: as for `get`.

        Returns:
            Its path; None if it is missing, or may not be looked at.

        Raises:
            ValueError: the name is absolute or leads out of the data root.
        """
        for place in self._places(_inner_path(name)):
            with suppress(OSError):
                if place.is_file():
                    return place
        return None

    def _places(self, inner: PurePosixPath) -> list[Path]:
        """Where a file may be, in the order in which it is looked for."""
        spellings = (inner, inner.with_suffix("")) if inner.suffix == ".gz" else (inner,)
        folders = dict.fromkeys((self.data_root, self.cache))
        return [folder / spelling for folder in folders for spelling in spellings]

    def _download(
        self, name: str, target: Path, urls: Sequence[str], expected: "_Expected"
    ) -> tuple[bytes | None, list[str]]:
        """Download from the first mirror that has the right content, and publish the file at `target`.

        Returns:
            The content, None if every mirror failed; and what happened at the mirrors that failed.
        """

        def report(received: int, total: int | None) -> None:
            self.notify(Downloading(name, received, total))

        failures: list[str] = []
        deadline = time.monotonic() + self.timeout
        for tried, url in enumerate(urls):
            now = time.monotonic()
            soft_deadline = now + (deadline - now) / (len(urls) - tried)  # a slow mirror must leave time for the next
            try:
                raw = fetch(
                    url,
                    soft_deadline=soft_deadline,
                    deadline=deadline,
                    report=report,
                    max_bytes=expected.max_stored(target),
                )
                content = expected.unpack(raw, packed=target.suffix == ".gz")
            except (FetchFailed, _Unfit) as error:
                failures.append(f"{url}: {error}")
            else:
                return _publish(raw, target, expected) or content, failures
        if time.monotonic() >= deadline:
            failures.append(f"gave up after {self.timeout:g} s in total")
        return None, failures


class _Unfit(Exception):
    """The content is not what is expected."""


@dataclass(frozen=True)
class _Expected:
    """What a file must contain."""

    sha256: str | None
    fingerprint: Fingerprint | None
    max_bytes: int

    def max_stored(self, path: Path | PurePosixPath) -> int:
        """The most bytes that a file may have: gzip adds a few to what it cannot compress."""
        return self.max_bytes + (self.max_bytes // 512 + 2**16 if path.suffix == ".gz" else 0)

    def unpack(self, raw: bytes, *, packed: bool) -> bytes:
        """Decompress the stored bytes and verify the content.

        Args:
            raw: the bytes as stored.
            packed: whether they are gzip data.

        Returns:
            The decompressed content.

        Raises:
            _Unfit: they are not whole gzip data, or the content is not what is expected.
        """
        try:
            content = unpack_gzip(raw, max_bytes=self.max_bytes) if packed else raw
        except DataError as error:
            raise _Unfit(str(error)) from error
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
    """A file's name as a relative path that cannot leave the folder it is joined to."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or any(sign in name for sign in "\\:\0"):
        raise ValueError(f"the name of a data file must be a relative path below the data root, with '/', not {name!r}")
    return path


def _read(path: Path, expected: _Expected) -> bytes | None:
    """The verified content of a file, None if it does not exist."""
    try:
        raw = read_regular(path, max_bytes=expected.max_stored(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"Cannot read the data file {path}: {error.strerror}.", parameter="data_root") from error
    try:
        return expected.unpack(raw, packed=path.suffix == ".gz")
    except _Unfit as error:
        raise DataError(
            f"{path} is not the published file: {error}. It was left unchanged. Replace it with the right file, move "
            f"it away so that it is downloaded again, or choose another data root (DECDA_DATA).",
            parameter="data_root",
        ) from error


def _require_writable(target: Path) -> None:
    """Refuse a folder that cannot be written to, before anything is downloaded. Creates nothing."""
    try:
        existing = next((folder for folder in target.parents if folder.exists()), None)
    except OSError:
        existing = None
    if existing is None or not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise _unwritable(target, f"{existing or target.parent} is not a writable folder")


def _unwritable(target: Path, reason: str) -> DataError:
    return DataError(
        f"The data file {target} is missing and cannot be downloaded there: {reason}. Put it there by hand, "
        f"or choose another data root (DECDA_DATA).",
        parameter="data_root",
    )


def _publish(raw: bytes, target: Path, expected: _Expected) -> bytes | None:
    """Write a verified file under a temporary name, then rename it atomically; never replace an existing file.

    Returns:
        The content of the file that another process has put there first; None if this one was published.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("xb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())  # else a crash could leave an empty file under the final name
            try:
                os.link(temporary, target)
            except FileExistsError:
                return _read(target, expected)
            except OSError:  # the file system has no hard links
                if os.path.lexists(target):
                    return _read(target, expected)
                os.replace(temporary, target)  # in a race, one verified copy replaces another
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(target, error.strerror or str(error)) from error
    return None
