"""The folder of a run: what is written into it, and when."""

import contextlib
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from decda.core.atomic_files import (
    explain_output,
    rewrite_json,
    write_bytes_atomically,
    write_fully,
    write_json,
    write_text_atomically,
)
from decda.core.config.run_config import RunConfig
from decda.core.errors import OutputError
from decda.core.events import ClustersCounted, Event, Progress, Refreshed, Scored
from decda.core.runs.weights import write_weights
from decda.core.training.cluster_count import RULE

CONFIG = "config.toml"
LOG = "log.csv"
PROVENANCE = "provenance.json"
LABELS = "labels.csv"
COUNT_VERSION = 1
COUNT = "n_clusters.json"
"""Says how many clusters were found, and what speaks for it, in a run that was asked to count them."""
LOG_COLUMNS = ("phase", "step", "loss", "terms", "changed", "clusters", "acc", "nmi", "ari")
SCORES = ("acc", "nmi", "ari")


class RunFolder:
    """Writes into the folder of a run. A listener: adds a row to `log.csv` for each epoch and each refresh.

    `config.toml` and `provenance.json` say how to repeat the run; everything else holds no time, path or name of the
    run, so that equal runs leave equal bytes.

    Args:
        path: the folder, which exists.
    """

    def __init__(self, path: Path):
        self.path = path
        self._scores: Mapping[str, float | None] = {}

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        if isinstance(event, Scored):
            self._scores = event.scores
        elif isinstance(event, Progress) and event.terms:
            self._add_row(event.phase, event.step, event.terms)
        elif isinstance(event, Refreshed):
            changed, used = f"{event.changed:.6f}", len(event.labels.unique())
            scores = (self._scores.get(name) for name in SCORES)
            self._add_row("cluster", event.iteration, event.terms, changed, used, *map(_decimals, scores))
        elif isinstance(event, ClustersCounted):
            found = {"n_clusters": event.n_clusters, "rule": RULE, "tolerance": event.tolerance}
            curve = [list(point) for point in event.curve]
            self.write_json(COUNT, {"schema_version": COUNT_VERSION, **found, "curve": curve})

    def clear_partial_files(self) -> None:
        """Remove what a process that was killed while it wrote has left."""
        for path in self.path.glob(".*.partial"):
            with contextlib.suppress(OSError):
                path.unlink()

    def start_log(self, content: bytes | None = None) -> None:
        """Write `log.csv`: its first line, or what it held when the state was saved that the run goes on from.

        Args:
            content: from `read_log`.
        """
        header = ",".join(LOG_COLUMNS) + "\n"
        write_bytes_atomically(self.path / LOG, header.encode() if content is None else content)

    def read_log(self) -> bytes:
        """The bytes of `log.csv` so far."""
        with explain_output(self.path / LOG):  # where it is gone, nothing can be written either
            return (self.path / LOG).read_bytes()

    def write_config(self, config: RunConfig) -> None:
        """Write `config.toml`, which `compose` reads back.

        Args:
            config: of the run, resolved.
        """
        write_text_atomically(self.path / CONFIG, config.as_toml())

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a mapping as JSON.

        Args:
            name: of the file.
            values: what JSON can hold.
        """
        write_json(self.path / name, values)

    def write_failure(self, provenance: Mapping[str, Any]) -> None:
        """Write `provenance.json` of a run that failed, perhaps because no further file can be made in the folder.

        Args:
            provenance: with the status and the reason.
        """
        with contextlib.suppress(OutputError):  # the reason itself, perhaps
            rewrite_json(self.path / PROVENANCE, provenance)

    def write_weights(self, name: str, modules: Mapping[str, nn.Module]) -> None:
        """Write the states of modules.

        Args:
            name: of the file.
            modules: by name.
        """
        write_weights(self.path / name, modules)

    def write_labels(
        self, labels: NDArray[np.int64], confidence: NDArray[np.float32], names: Sequence[str] | None
    ) -> None:
        """Write `labels.csv`: index, name (empty where there is none), label, confidence.

        Args:
            labels: (N,).
            confidence: (N,), written to six decimals.
            names: of the images, or None.
        """
        # One by one: of millions of rows, lists of Python's numbers would take more memory than the file.
        rows = (
            (index, "" if names is None else names[index], int(label), f"{float(share):.6f}")
            for index, (label, share) in enumerate(zip(labels, confidence, strict=True))
        )
        self._write_table(LABELS, ("index", "name", "label", "confidence"), rows)

    def write_skipped(self, skipped: Sequence[tuple[str, str]]) -> None:
        """Write `skipped.csv`: the images that were left out because they cannot be read.

        Args:
            skipped: name and reason of each.
        """
        self._write_table("skipped.csv", ("name", "reason"), skipped)

    def _write_table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        content = io.BytesIO()
        # A file name that is not UTF-8 must not cost a finished training its labels.
        lines = io.TextIOWrapper(content, "utf-8", "backslashreplace", newline="")
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
        lines.flush()
        write_bytes_atomically(self.path / name, content.getvalue())

    def _add_row(self, phase: str, step: int, terms: Mapping[str, Tensor], *cells: object) -> None:
        values = {name: float(term) for name, term in terms.items()}
        row = [
            phase,
            step,
            f"{sum(values.values()):.6g}" if values else "",
            " ".join(f"{name}={value:.6g}" for name, value in values.items()),
            *cells,
        ]
        row += [""] * (len(LOG_COLUMNS) - len(row))
        line = io.StringIO(newline="")
        csv.writer(line, lineterminator="\n").writerow(row)
        with explain_output(self.path / LOG):
            _append(self.path / LOG, line.getvalue().encode())


def _append(path: Path, line: bytes) -> None:
    """Append a line to an existing file; if there is no room for all of it, for none of it."""
    with open(path, "r+b", buffering=0) as file:
        end = file.seek(0, io.SEEK_END)
        try:
            write_fully(file, line)
        except BaseException:
            file.truncate(end)
            raise


def _decimals(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
