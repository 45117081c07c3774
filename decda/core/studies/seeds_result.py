"""What several seeds of one composition came to, each and together."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decda.core.execution.messages import Failed, Finished
from decda.core.runs.best import DECIDING, choose_best

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
    def numbers(self) -> list[int]:
        """The numbers of clusters that seeds have, ascending: several, if they counted them and do not agree."""
        return sorted({run.result["n_clusters"] for run in self.finished if "n_clusters" in run.result})

    @property
    def best(self) -> Finished | None:
        """The seed to use, chosen without labels by `choose_best`; None if `undecided` says why there is none."""
        position = choose_best([run.result for run in self.finished])
        return None if position is None or len(self.numbers) > 1 else self.finished[position]

    @property
    def undecided(self) -> str | None:
        """Why none of several seeds is named as the one to use; None if one is, or if fewer than two have finished."""
        if self.best is not None or len(self.finished) < 2:
            return None
        if len(self.numbers) > 1:
            return (
                f"No seed is named as the one to use: they have different numbers of clusters "
                f"({', '.join(map(str, self.numbers))}), across which neither scores nor judgements compare. To choose "
                "between seeds, train all of them with one of these numbers."
            )
        return f"No seed is named as the one to use: none has the figure that decides, {DECIDING}."

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
        if self.undecided:
            mapping["warnings"] = [self.undecided]
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
