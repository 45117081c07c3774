"""Files written whole or not at all, and read as what they should be."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decda.core.errors import DataError


def write_whole(path: Path, text: str) -> None:
    """Write a text file, or leave what was there."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, path)


def write_object(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as JSON, or leave what was there."""
    write_whole(path, json.dumps(values, indent=2) + "\n")


def read_object(path: Path) -> dict[str, Any]:
    """The mapping in a JSON file.

    Raises:
        DataError: the file is missing, or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if not isinstance(values, dict):
        raise DataError(f"{path} cannot be read: it is no JSON object.")
    return values
