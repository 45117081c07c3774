"""Images of users by their path alone: which data set reads what is there."""

import os
from pathlib import Path
from typing import Any

from decda.core.errors import DataError

FILES = (".npy", ".npz", ".csv", ".tsv", ".txt")
"""The files that hold arrays."""


def own_images(path: Path) -> dict[str, Any]:
    """The data set for what is at a path: `folder` for a folder of images, `arrays` for a file of numbers.

    Args:
        path: the folder or the file.

    Returns:
        A table with `name` and the absolute `path`, as configurations hold it.

    Raises:
        DataError: nothing is there, or a file of another kind.

    Example:
        >>> own_images(Path("."))["name"]
        'folder'
    """
    try:
        is_folder, exists = path.is_dir(), os.path.lexists(path)
    except (OSError, ValueError):  # too long a name, a null character
        is_folder = exists = False
    if is_folder:
        return {"name": "folder", "path": path.absolute()}
    if not exists:
        raise DataError(f"There is nothing at {path}. Name a folder of images, or a file: {', '.join(FILES)}.")
    if path.suffix.lower() not in FILES:
        raise DataError(
            f"{path} is neither a folder of images nor a file of numbers ({', '.join(FILES)}). Put images into a "
            "folder, and name the folder."
        )
    return {"name": "arrays", "path": path.absolute()}


def instead(images: dict[str, Any]) -> dict[str, Any]:
    """The same, to stand in the place of another set of a configuration: without what belonged to that one.

    Args:
        images: from `own_images`.

    Returns:
        The table, in which labels and numbers that were found for the other images are reset.
    """
    return {**images, "labels": None, "center": (), "spread": ()} if images["name"] == "arrays" else images
