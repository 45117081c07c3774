"""The folder of a run: what is written into it, and when."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from decda.core.atomic_files import write_bytes_atomically, write_json, write_text_atomically
from decda.core.config.run_config import RunConfig
from decda.core.events import Event, Progress, Refreshed, Scored
from decda.core.runs.weights import write_weights

LOG_COLUMNS = ("phase", "step", "loss", "terms", "changed", "acc", "nmi", "ari")


class RunFolder:
    """Writes into the folder of a run. A listener: adds a row to `log.csv` for each epoch and each refresh.

    `config.toml` and `provenance.json` say how to repeat the run; everything else holds no time, path or name of the
    run, so that equal runs leave equal bytes.

    Args:
        path: the folder, which exists and is empty.
    """

    def __init__(self, path: Path):
        self.path = path
        self._scores: Mapping[str, float | None] = {}
        with open(path / "log.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(LOG_COLUMNS)

    def __call__(self, event: Event) -> None:
        """Take note of an event."""
        if isinstance(event, Scored):
            self._scores = event.scores
        elif isinstance(event, Progress) and event.terms:
            self._row(event.phase, event.step, event.terms, None, {})
        elif isinstance(event, Refreshed):
            self._row("cluster", event.iteration, event.terms, event.changed, self._scores)

    def write_config(self, config: RunConfig) -> None:
        """Write `config.toml`, which `compose` reads back.

        Args:
            config: of the run, resolved.
        """
        write_text_atomically(self.path / "config.toml", config.as_toml())

    def write_json(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a mapping as JSON.

        Args:
            name: of the file.
            values: what JSON can hold.
        """
        write_json(self.path / name, values)

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
        lines = io.StringIO(newline="")
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(("index", "name", "label", "confidence"))
        for index, (label, share) in enumerate(zip(labels.tolist(), confidence.tolist(), strict=True)):
            writer.writerow((index, "" if names is None else names[index], label, f"{share:.6f}"))
        # A file name that is not UTF-8 must not cost a finished training its labels.
        write_bytes_atomically(self.path / "labels.csv", lines.getvalue().encode(errors="backslashreplace"))

    def _row(
        self,
        phase: str,
        step: int,
        terms: Mapping[str, Tensor],
        changed: float | None,
        scores: Mapping[str, float | None],
    ) -> None:
        values = {name: float(term) for name, term in terms.items()}
        row = [
            phase,
            step,
            f"{sum(values.values()):.6g}" if values else "",
            " ".join(f"{name}={value:.6g}" for name, value in values.items()),
            *("" if v is None else f"{v:.6f}" for v in (changed, *(scores.get(n) for n in LOG_COLUMNS[5:]))),
        ]
        with open(self.path / "log.csv", "a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(row)
