"""Several seeds of one composition: the words for them, and what they came to, each and together."""

import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decda.core.errors import InvalidParameter
from decda.core.execution.messages import Failed, Finished

SCHEMA_VERSION = 1
SCORES = ("acc", "nmi", "ari")
MOST = 1000
"""Seeds at most: more than anybody waits for, and a slip of the finger is told before folders are made."""


@dataclass(frozen=True)
class Series:
    """What several seeds came to.

    Attributes:
        path: the folder that holds a run's folder for each.
        finished: those with a result, by seed.
        failed: those without one, by seed.
        iterations: how long each clustered.
    """

    path: Path
    finished: Sequence[Finished]
    failed: Sequence[Failed]
    iterations: Mapping[int, int]

    @property
    def exit_code(self) -> int:
        """That of the first seed that failed; 0 if none did."""
        return self.failed[0].exit_code if self.failed else 0

    def as_mapping(self) -> dict[str, Any]:
        """What `decda train --seeds --json` prints, and `summary.json` holds."""
        spreads = {name: spread([run.result[name] for run in self.finished]) for name in SCORES}
        seconds, _ = spread([run.result["seconds"]["total"] for run in self.finished])
        mapping: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "runs": [dict(run.result) for run in self.finished],
            "mean": {name: mean for name, (mean, _) in spreads.items()} | {"seconds": seconds},
            "std": {name: deviation for name, (_, deviation) in spreads.items()},
        }
        if self.failed:
            mapping["failed"] = [{"seed": run.seed, "error": run.error} for run in self.failed]
        return mapping


def spread(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation; None where one value is missing, and for the deviation of a single one."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None, None
    return statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None


def parse_seeds(text: str) -> tuple[int, ...]:
    """Read `"0-4"`, `"0,2,5"`, `"3"` or `"0-2,7"`; sorted.

    Raises:
        InvalidParameter: it is none of these, names a seed twice, or too many.
    """
    example = "Write whole numbers from 0 up, or ranges of them, with commas between: 0-4 or 0,2,5 or 0-2,7."
    seeds: list[int] = []
    for piece in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?", piece)
        if match is None:
            what = f"{piece.strip()!r} is neither a seed nor a range" if piece.strip() else "a seed is missing"
            raise InvalidParameter(f"{what}. {example}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise InvalidParameter(f"the range {piece.strip()} runs backwards. Write {last}-{first}.")
        if len(seeds) + last - first >= MOST:
            raise InvalidParameter(f"these are more than {MOST} seeds. Train fewer at a time.")
        seeds += range(first, last + 1)
    twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
    if twice:
        raise InvalidParameter(f"the seed {twice[0]} is named twice, and would give the same run. Name each once.")
    return tuple(sorted(seeds))


def name_seeds(seeds: Iterable[int]) -> str:
    """Sorted seeds in short, fit for the name of a folder: `0-4`, `0_2_5`, `0-998x500`."""
    ranges: list[list[int]] = []
    for seed in seeds:
        if ranges and seed == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], seed]
        else:
            ranges.append([seed])
    if len(ranges) > 4:
        return f"{ranges[0][0]}-{ranges[-1][-1]}x{sum(each[-1] - each[0] + 1 for each in ranges)}"
    return "_".join("-".join(map(str, each)) for each in ranges)
