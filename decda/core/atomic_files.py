"""Files that are written completely or not at all, and JSON that is read with checks."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decda.core.errors import DataError


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write a file under another name, then rename it; if writing fails, what was there stays.

    Args:
        path: of the file.
        content: all of it.

    Raises:
        OSError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text file in UTF-8, or leave what was there.

    Args:
        path: of the file.
        text: all of it, lines ended by a line feed.

    Raises:
        OSError: the file cannot be written.
    """
    write_bytes_atomically(path, text.encode())


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as JSON, or leave what was there.

    Args:
        path: of the file.
        values: what JSON can hold.

    Raises:
        OSError: the file cannot be written.
    """
    write_text_atomically(path, json.dumps(values, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read the mapping in a JSON file.

    Args:
        path: of the file.

    Returns:
        The mapping.

    Raises:
        DataError: the file is missing, is not JSON, or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} cannot be read: it is not a JSON object.")
    return values
