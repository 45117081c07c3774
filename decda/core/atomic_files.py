"""Files that are written completely or not at all, and JSON that is read with checks."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from decda.core.errors import DataError, OutputError
from decda.core.regular_files import read_regular


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write a file under another name, flush it to the disk, then rename it; if writing fails, what was there stays.

    Args:
        path: of the file.
        content: all of it.

    Raises:
        OutputError: the file cannot be written; nothing is left of the attempt.
    """
    partial = path.with_name(f".{path.name}.partial")
    with explain_output(path):
        try:
            write_and_sync(partial, content)
            os.replace(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text file in UTF-8, or leave what was there.

    Args:
        path: of the file.
        text: all of it, lines ended by a line feed.

    Raises:
        OutputError: the file cannot be written.
    """
    write_bytes_atomically(path, text.encode())


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as JSON, or leave what was there.

    Args:
        path: of the file.
        values: what JSON can hold.

    Raises:
        OutputError: the file cannot be written.
    """
    write_text_atomically(path, json.dumps(values, indent=2) + "\n")


def rewrite_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping over a JSON file, in place if no second file can be made beside it: on a full disk, for instance.

    For a short file that says what went wrong, and whose former content is of no use any more: a crash while it is
    written in place would damage it.

    Args:
        path: of the file, which exists.
        values: what JSON can hold.

    Raises:
        OutputError: the file cannot be written; its content stays.
    """
    try:
        write_json(path, values)
    except OutputError:
        with explain_output(path):
            _write_in_place(path, (json.dumps(values, indent=2) + "\n").encode())


def write_fully(file: FileIO, content: bytes) -> None:
    """Write bytes to a file without a buffer; if only a part fits, the next attempt makes the system tell why.

    Args:
        file: open for writing.
        content: all that is written, from its current position on.

    Raises:
        OSError: not all of it fits; a part may have been written.
    """
    written = 0
    while written < len(content):
        written += file.write(content[written:])


def _write_in_place(path: Path, content: bytes) -> None:
    with open(path, "r+b", buffering=0) as file:
        former = file.read()
        file.seek(0)
        try:
            write_fully(file, content)
        except BaseException:
            file.seek(0)
            file.write(former)  # there is room for what was there
            file.truncate()
            raise
        file.truncate()


def read_json(path: Path, *, max_bytes: int | None = None) -> dict[str, Any]:
    """Read the mapping in a JSON file.

    Args:
        path: of the file.
        max_bytes: the most that it may hold. None: any size.

    Returns:
        The mapping.

    Raises:
        DataError: the file is missing or too large, is not JSON, or holds something else.
    """
    try:
        values = json.loads(read_regular(path, max_bytes=max_bytes).decode())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} cannot be read: it is not a JSON object.")
    return values


def write_and_sync(path: Path, content: bytes) -> None:
    """Write a file, and wait until it is on the disk.

    Args:
        path: of the file.
        content: all of it.

    Raises:
        OSError: the file cannot be written.
    """
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can tell; else a crash may undo a renaming.

    Args:
        path: of the folder.
    """
    if os.name != "posix":  # Windows cannot open a folder
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def explain_output(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write into an error that names the file.

    Args:
        path: what is written.

    Raises:
        OutputError: the system refused.
    """
    try:
        yield
    except OSError as error:  # of writing to an open file, the system names none
        state = "What had been written before is unchanged"
        if not path.parent.is_dir():
            state = f"The folder {path.parent} was removed or renamed"
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. {state}.") from error
