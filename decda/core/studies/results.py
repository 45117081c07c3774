"""`results.csv` of a study: one row a trial, kept from one start to the next."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from decda.core.atomic_files import write_text_atomically
from decda.core.errors import DataError

COLUMNS = (
    "run", "cell", "dataset", "seed", "settings", "acc", "nmi", "ari", "kmeans_acc", "epochs", "iterations",
    "stop_reason", "seconds", "pretrain_seconds", "autoencoder", "data_sha256", "config_sha256", "device", "versions",
)  # fmt: skip


SCORES = ("acc", "nmi", "ari")


class Results:
    """The rows of a study, by the name of the run; written whole at every change, so that a kill loses none.

    Args:
        path: of the file; what stands there already is kept.

    Attributes:
        rows: all of them, as text by column.
        changes: how often they changed since they were read.

    Raises:
        DataError: there is a file that was not written by a study, or it cannot be read.
    """

    def __init__(self, path: Path):
        self.path = path
        self.rows: dict[str, Mapping[str, Any]] = {}
        self.changes = 0
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
        for row in reader:
            if None in row or None in row.values() or not all(_is_number(row[name]) for name in SCORES):
                raise DataError(f"{path} is damaged in line {reader.line_num}. Mend that line, or remove it.")
            self.rows[row["run"]] = row

    def add(self, row: Mapping[str, Any]) -> None:
        """Take up a row, in place of a former one of the same run."""
        text = {name: "" if row[name] is None else str(row[name]) for name in COLUMNS}
        if self.rows.get(row["run"]) == text:
            return
        self.rows[row["run"]] = text
        self._write()

    def drop(self, run: str) -> None:
        """Take the row of a run away, if there is one."""
        if self.rows.pop(run, None) is not None:
            self._write()

    def figures(self, runs: Iterable[str], name: str) -> list[float]:
        """One figure of those of these runs that are finished."""
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
