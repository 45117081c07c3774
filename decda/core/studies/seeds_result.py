"""What several seeds of one composition came to, each and together."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decda.core.execution.messages import Failed, Finished
from decda.core.runs.best import choose_best

SCHEMA_VERSION = 1
SCORES = ("acc", "nmi", "ari")


@dataclass(frozen=True)
class SeedsResult:
    """What several seeds came to.

    Attributes:
        folder: that holds a run's folder for each seed.
        finished: those with a result, by seed.
        failed: those without one, by seed.
    """

    folder: Path
    finished: Sequence[Finished]
    failed: Sequence[Failed]

    @property
    def exit_code(self) -> int:
        """That of the first seed that failed; 0 if none did."""
        return self.failed[0].exit_code if self.failed else 0

    @property
    def best(self) -> Finished | None:
        """The seed to use, chosen without labels by `choose_best`; None if no seed has the figure that decides."""
        position = choose_best([run.result for run in self.finished])
        return None if position is None else self.finished[position]

    def as_mapping(self) -> dict[str, Any]:
        """What `decda train --seeds --json` prints, and `summary.json` holds."""
        spreads = {name: mean_and_std([run.result[name] for run in self.finished]) for name in SCORES}
        seconds, _ = mean_and_std([run.result["seconds"]["total"] for run in self.finished])
        mapping: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "runs": [dict(run.result) for run in self.finished],
            "mean": {name: mean for name, (mean, _) in spreads.items()} | {"seconds": seconds},
            "std": {name: deviation for name, (_, deviation) in spreads.items()},
            "best": None if self.best is None else self.best.result["run"],
        }
        if self.failed:
            mapping["failed"] = [{"seed": run.seed, "error": run.error} for run in self.failed]
        return mapping


def mean_and_std(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation.

    Args:
        values: figures, None where one is unknown.

    Returns:
        Both None where a value is unknown; the deviation None for a single value.

    Example:
        >>> mean_and_std([1.0, 3.0])
        (2.0, 1.4142135623730951)
    """
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None, None
    return statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None
