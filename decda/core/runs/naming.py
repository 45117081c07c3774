"""Names of run folders, and folders that are never overwritten."""

import os
import re
import unicodedata
from pathlib import Path

from decda.core.errors import ConfigError

_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")
"""The Unicode categories of control characters, lone surrogates, and separators of lines and paragraphs."""


def new_folder(out: Path | None, name: str, parent: Path = Path("runs")) -> Path:
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
    name = folder_name(name)
    try:
        if out is not None:
            refuse_existing(out)
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
            f"The folder of the run, {error.filename or out or parent}, cannot be made: {error.strerror or error}. "
            "Name another folder.",
            parameter="out",
        ) from error


def folder_name(text: str) -> str:
    """A text made fit for the name of a folder.

    Args:
        text: any; the name of a part may hold a slash.

    Returns:
        The text without characters that lead elsewhere.

    Example:
        >>> folder_name("../up/x")
        'up-x'
    """
    return re.sub(r"[^\w.-]+", "-", text).strip(".-")


def refuse_existing(out: Path) -> None:
    """Raise an error if something exists at a path, so that no run overwrites another.

    Args:
        out: the path.

    Raises:
        ConfigError: it exists.
    """
    if os.path.lexists(out):
        raise ConfigError(
            f"{out} exists already. Name a folder that does not exist; nothing was changed.", parameter="out"
        )


def printable(text: object) -> str:
    r"""A path or name in one line, fit for any message.

    Args:
        text: what is printed; a path may hold line feeds, or bytes that are no text.

    Returns:
        The text, in which control characters, line separators and lone surrogates are written as escapes.

    Example:
        >>> print(printable(Path("a\nb")), printable("\udcff"), printable("été 🙂"))
        a\nb \udcff été 🙂
    """
    return "".join(
        repr(character)[1:-1] if unicodedata.category(character) in _UNPRINTABLE else character
        for character in str(text)
    )
