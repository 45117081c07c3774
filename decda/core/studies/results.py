"""The file `results.csv` of a study, with one row per trial; an interrupted study continues with it."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from decda.core.atomic_files import write_text_atomically
from decda.core.errors import DataError
from decda.core.regular_files import read_regular

COLUMNS = (
    "run", "cell", "dataset", "seed", "settings", "acc", "nmi", "ari", "kmeans_acc", "start_acc", "epochs",
    "iterations", "stop_reason", "seconds", "pretrain_seconds", "autoencoder", "data_sha256", "config_sha256", "device",
    "versions",
)  # fmt: skip
"""The columns of `results.csv`."""
SCORES = ("acc", "nmi", "ari")


class Results:
    """The rows of a study. Every change rewrites the whole file atomically, so that no row is lost in a crash.

    Args:
        path: path of the file; if it exists, its rows are read and kept.

    Attributes:
        path: as given.
        rows: the rows by the name of the run; each maps columns to text.
        changes: number of changes since the file was read.

    Raises:
        DataError: the file exists, but cannot be read, is damaged, or was not written by a study.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rows: dict[str, Mapping[str, Any]] = {}
        self.changes = 0
        try:
            text = read_regular(path).decode()
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}.") from error
        reader = csv.DictReader(io.StringIO(text))
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise DataError(
                f"{path} was not written by a study of this version of decda. Move it away, or name another folder.",
                parameter="out",
            )
        for row in reader:
            if None in row or None in row.values() or not all(_is_number(row[name]) for name in SCORES):
                raise DataError(f"{path} is damaged in line {reader.line_num}. Repair or remove that line.")
            self.rows[row["run"]] = row

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row, or replace the row of the same run; write the file if anything has changed.

        Args:
            row: a value for each of `COLUMNS`; None is written as an empty field.
        """
        text = {name: "" if row[name] is None else str(row[name]) for name in COLUMNS}
        if self.rows.get(row["run"]) == text:
            return
        self.rows[row["run"]] = text
        self._write()

    def drop(self, run: str) -> None:
        """Remove the row of a run, if there is one, and write the file.

        Args:
            run: the name of the run.
        """
        if self.rows.pop(run, None) is not None:
            self._write()

    def figures(self, runs: Iterable[str], name: str) -> list[float]:
        """Collect one number from the finished runs among several.

        Args:
            runs: names of runs.
            name: the column.

        Returns:
            The number of each finished run, in the order of `runs`.
        """
        return [float(self.rows[run][name]) for run in runs if run in self.rows]

    def _write(self) -> None:
        self.changes += 1
        lines = io.StringIO()
        writer = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows[name] for name in sorted(self.rows))
        write_text_atomically(self.path, lines.getvalue())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
