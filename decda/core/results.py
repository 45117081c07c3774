"""`results.csv` of a study: one row a trial, kept from one start to the next."""

import csv
import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from decda.core.errors import DataError

COLUMNS = (
    "run", "cell", "dataset", "seed", "settings", "acc", "nmi", "ari", "kmeans_acc", "epochs", "iterations",
    "stop_reason", "seconds", "pretrain_seconds", "autoencoder", "data_sha256", "config_sha256", "device", "versions",
)  # fmt: skip


class Results:
    """The rows of a study, by the name of the run; written whole at every change, so that a kill loses none.

    Args:
        path: of the file; what stands there already is kept.

    Raises:
        DataError: there is a file that was not written by a study, or it cannot be read.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rows: dict[str, Mapping[str, Any]] = {}
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}.") from error
        reader = csv.DictReader(io.StringIO(text))
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise DataError(
                f"{path} was not written by this version of `decda reproduce`. Move it, or name another --out."
            )
        self.rows = {row["run"]: row for row in reader}

    def add(self, row: Mapping[str, Any]) -> None:
        """Take up a row, in place of a former one of the same run."""
        text = {name: "" if row[name] is None else str(row[name]) for name in COLUMNS}
        if self.rows.get(row["run"]) == text:
            return
        self.rows[row["run"]] = text
        lines = io.StringIO()
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows[name] for name in sorted(self.rows))
        write_whole(self.path, lines.getvalue())

    def figures(self, runs: Iterable[str], name: str) -> list[float]:
        """One figure of those of these runs that are finished."""
        return [float(self.rows[run][name]) for run in runs if run in self.rows]


def write_whole(path: Path, text: str) -> None:
    """Write a whole file, or leave what was there."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, path)
