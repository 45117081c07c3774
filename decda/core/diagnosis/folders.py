"""The folder in which runs are made."""

import shutil
from pathlib import Path

from decda.core.diagnosis.check import OK, WARNING, Check
from decda.core.runs.naming import RUNS, find_obstacle

LITTLE_SPACE = 10**9
"""Bytes; a run takes up to a tenth of that, with its checkpoints, and more on large images."""


def check_run_folder(folder: Path = RUNS) -> Check:
    """Check whether runs can be made.

    Args:
        folder: that they are made in.

    Returns:
        The check.

    Example:
        >>> check_run_folder().status
        'ok'
    """
    found, means = str(folder.absolute()), "runs are made here, unless --out names another place"
    remedy = "Go to a folder that you may write to, or name one by --out"
    obstacle = find_obstacle(folder)
    if obstacle is not None:
        return Check("folders", "runs", WARNING, found, f"{means}; that is not possible: {obstacle}", remedy)
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    try:
        free = shutil.disk_usage(existing).free
    except OSError:  # not every file system tells
        return Check("folders", "runs", OK, found, means)
    means = f"{means}; {free / 1e9:.1f} GB are free"
    if free < LITTLE_SPACE:
        return Check("folders", "runs", WARNING, found, means, "Make room, or name a folder on another disk by --out")
    return Check("folders", "runs", OK, found, means)
