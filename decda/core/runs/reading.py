"""The folder of a run, read back."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decda.core.atomic_files import read_json
from decda.core.config.run_config import read_toml
from decda.core.errors import DataError, InvalidParameter


def read_run(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the provenance of a run, finished or not.

    Args:
        path: its folder.

    Returns:
        The mapping in `config.toml`, and that in `provenance.json`.

    Raises:
        DataError: there is no run at that path, or its files are damaged.
    """
    if not (path / "config.toml").is_file():
        raise DataError(f"{path} is not the folder of a run: it has no config.toml.")
    provenance = read_json(path / "provenance.json")
    try:
        return read_toml(path / "config.toml"), provenance
    except InvalidParameter as error:  # not a mistake of the user's here, but damage
        raise DataError(str(error)) from error


def read_labels(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float32], list[str] | None]:
    """What `labels.csv` of a run holds.

    Args:
        path: the folder of the run.

    Returns:
        The cluster of each image, int64 (N,); its confidence, float32 (N,), to six decimals; the names of the images,
        None where they have none.

    Raises:
        DataError: the file is missing or damaged.
    """
    file = path / "labels.csv"
    try:
        with open(file, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        labels = np.array([row["label"] for row in rows]).astype(np.int64)
        confidence = np.array([row["confidence"] for row in rows]).astype(np.float32)
        names = [row["name"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error
    return labels, confidence, names if any(names) else None
