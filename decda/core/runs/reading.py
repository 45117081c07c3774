"""The folder of a run, read back."""

import csv
from array import array
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decda.core.atomic_files import read_json
from decda.core.config.run_config import read_toml
from decda.core.errors import DataError, InvalidParameter, in_a_line
from decda.core.regular_files import read_regular

MAX_BYTES = 2**30
"""More than the labels of ten million images take."""


def read_run(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the provenance of a run, finished or not.

    Args:
        path: its folder.

    Returns:
        The mapping in `config.toml`, and that in `provenance.json`.

    Raises:
        DataError: there is no run at that path, or its files are damaged.
    """
    configuration = read_configuration(path)
    if (path / "seeds.json").exists():
        raise DataError(f"{path} holds the runs of several seeds. Name one of them, such as {path / 'seed-0'}.")
    return configuration, read_json(path / "provenance.json")


def read_configuration(path: Path) -> dict[str, Any]:
    """The configuration of a run, finished or not.

    Args:
        path: its folder.

    Returns:
        The mapping in `config.toml`.

    Raises:
        DataError: there is no run at that path, or the file is damaged.
    """
    try:
        return read_toml(path / "config.toml")
    except InvalidParameter as error:  # not a mistake of the user's here, but damage
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise DataError(f"{path} is not the folder of a run: it has no config.toml.") from error
        raise DataError(str(error)) from error


def read_labels(path: Path) -> tuple[NDArray[np.int64], NDArray[np.float32], list[str] | None]:
    """What `labels.csv` of a run holds.

    Args:
        path: the folder of the run.

    Returns:
        The cluster of each image, int64 (N,); its confidence, float32 (N,), to six decimals; the names of the images,
        None where they have none.

    Raises:
        DataError: the file is missing or damaged, or its rows are not in the order of the images.
    """
    file = path / "labels.csv"
    try:
        text = TextIOWrapper(BytesIO(read_regular(file, max_bytes=MAX_BYTES)), encoding="utf-8", newline="")
        labels, confidence, names = array("q"), array("d"), list[str]()  # row by row: there may be millions
        for n, row in enumerate(csv.DictReader(text)):
            if row["index"] != str(n):
                raise ValueError(f"row {n} has the index {row['index']!r}; they must count from 0")
            labels.append(int(row["label"]))
            confidence.append(float(row["confidence"]))
            names.append(row["name"])
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, OverflowError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: it is damaged ({in_a_line(error)}).") from error
    return np.array(labels, np.int64), np.array(confidence, np.float32), names if any(names) else None
