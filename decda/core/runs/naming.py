"""Names of run folders, and folders that are never overwritten."""

import contextlib
import hashlib
import os
import re
import shutil
import sys
import unicodedata
from pathlib import Path

from decda.core.errors import ConfigError

RUNS = Path("runs")
"""Where the folders of runs are made by default."""
MAX_NAME_BYTES = 200
"""Of the names made here; file systems allow 255, and a number or a digest follows."""
INNER_BYTES = 300
"""What the longest path within a folder may take."""
LEAST_FREE = 2**20
"""With fewer free bytes a disk is full."""
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
"""What Windows takes for devices, in any case and with any extension."""
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""The Unicode categories of control characters, lone surrogates, and separators of lines and paragraphs."""
_BIDIRECTIONAL = {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
"""Characters that turn the direction of text round, by which the name of a file can look like another."""


def new_folder(out: Path | None, name: str, parent: Path = RUNS) -> Path:
    """Make a folder that did not exist before.

    Args:
        out: its path; None: `parent/name-1`, `-2`, ..., whichever is free.
        name: of a folder without a path.
        parent: the folder it is made in then.

    Returns:
        Its path.

    Raises:
        ConfigError: `out` exists, or the folder cannot be made.
    """
    check_out(out, parent)
    name = folder_name(name)
    try:
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.mkdir()
            return out
        parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            path = parent / f"{name}-{number}"
            try:
                path.mkdir()  # atomic: of two runs that start at once, one takes the next number
                return path
            except FileExistsError:
                number += 1
    except OSError as error:
        raise ConfigError(
            f"The folder of the run, {printable(error.filename or out or parent)}, cannot be made: "
            f"{error.strerror or error}. Name another folder.",
            parameter="out",
        ) from error


def folder_name(text: str) -> str:
    """A text made fit for the name of a folder.

    Args:
        text: any; the name of a part may hold a slash.

    Returns:
        The text without characters that lead elsewhere, in at most `MAX_NAME_BYTES` bytes; of a longer one the
        beginning and a digest. `run` if nothing is left.

    Example:
        >>> folder_name("../up/x"), folder_name("con"), folder_name("🙂")
        ('up-x', 'run-con', 'run')
    """
    encoding = sys.getfilesystemencoding()
    name = re.sub(r"[^\w.-]+", "-", text.encode(encoding, "ignore").decode(encoding)).strip(".-") or "run"
    if name.partition(".")[0].upper() in _RESERVED:
        name = f"run-{name}"
    if len(name.encode()) > MAX_NAME_BYTES:
        digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:8]
        name = f"{name.encode()[: MAX_NAME_BYTES - 9].decode(errors='ignore')}-{digest}"
    return name


def check_out(out: Path | None, parent: Path = RUNS) -> None:
    """Refuse a folder that `new_folder` could not make, before anything is loaded or computed; changes nothing.

    Args:
        out: its path; None: some folder in `parent`.
        parent: as for `new_folder`.

    Raises:
        ConfigError: it exists, or cannot be made or written to.
    """
    if out is None:
        check_place(parent)
    else:
        refuse_existing(out)
        check_place(out)


def refuse_existing(out: Path) -> None:
    """Raise an error if something exists at a path, so that no run overwrites another.

    Args:
        out: the path.

    Raises:
        ConfigError: it exists.
    """
    if os.path.lexists(out):
        raise ConfigError(
            f"{printable(out)} exists already. Name a folder that does not exist; nothing was changed.", parameter="out"
        )


def check_place(folder: Path) -> None:
    """Refuse a folder that cannot be written to or, if it does not exist, cannot be made; changes nothing.

    Args:
        folder: its path. Folders above it may be missing, too.

    Raises:
        ConfigError: its name or place does not serve.

    Example:
        >>> check_place(Path("new folder"))  # nothing happens: it can be made
    """
    reason = find_obstacle(folder)
    if reason:
        raise ConfigError(
            f"{_shortened(folder)} cannot be used: {reason}. Name another folder; nothing was changed.", parameter="out"
        )


def find_obstacle(folder: Path) -> str | None:
    """What keeps a folder from being made or written to; nothing is changed.

    Args:
        folder: its path. Folders above it may be missing, too.

    Returns:
        A reason that fits into a sentence; None where there is none.

    Example:
        >>> print(find_obstacle(Path("new folder")))
        None
    """
    try:
        return _obstacle(folder)
    except OSError as error:
        return error.strerror or str(error)
    except UnicodeEncodeError:
        return f"the system's names of files are written in {sys.getfilesystemencoding()}, which its name is not"


def _obstacle(folder: Path) -> str | None:
    """What keeps a folder from being made or written to, if anything does."""
    if printable(folder) != str(folder):
        return "its name holds control characters or bytes that are no text"
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:  # a drive may not exist
        if existing.name == "..":
            return f"it leads back out of {_shortened(existing.parent)}, which does not exist"
        existing = existing.parent
    for name in folder.parts:
        size, limit = len(os.fsencode(name)), _limit(existing, "PC_NAME_MAX", 255)
        if size > limit:
            return f"the name {_shortened(name)} has {size} bytes, and {limit} are allowed"
    size, limit = len(os.fsencode(os.path.abspath(folder))), _limit(existing, "PC_PATH_MAX", 4096) - INNER_BYTES
    if size > limit:
        return f"its path has {size} bytes, and {limit} are allowed"
    if not existing.is_dir():
        return f"{printable(existing)} is not a folder"
    if not os.access(existing, os.W_OK | os.X_OK):
        return f"{printable(existing)} is not writable"
    if existing == folder and not os.access(folder, os.R_OK):
        return "it is not readable"
    with contextlib.suppress(OSError):  # not every file system tells
        disk = shutil.disk_usage(existing)
        if disk.free < min(LEAST_FREE, disk.total):
            return f"the disk of {printable(existing)} is full"
    return None


def _limit(folder: Path, name: str, default: int) -> int:
    try:
        return os.pathconf(folder, name)
    except (AttributeError, OSError, ValueError):  # Windows has no such function
        return default


def _shortened(text: object) -> str:
    shown = printable(text)
    return shown if len(shown) <= 200 else f"{shown[:50]}...{shown[-50:]}"


def printable(text: object) -> str:
    r"""A path or name in one line, fit for any message.

    Args:
        text: what is printed; a path may hold line feeds, or bytes that are no text.

    Returns:
        The text, in which control characters, line separators, lone surrogates and changes of the direction of text
        are written as escapes.

    Example:
        >>> print(printable(Path("a\nb")), printable("\udcff"), printable("été 🙂"))
        a\nb \udcff été 🙂
    """
    return "".join(
        repr(character)[1:-1]
        if unicodedata.category(character) in _UNPRINTABLE or character in _BIDIRECTIONAL
        else character
        for character in str(text)
    )
