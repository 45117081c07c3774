"""Summarises the trials of a study cell by cell, beside the published figures, as data and as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decda.core.studies.results import Results
from decda.core.studies.seeds_result import mean_and_std
from decda.core.studies.trials import Trial

REPRODUCED_WITHIN = 0.01
"""A mean counts as reproduced if it is at most this far below the published one."""


@dataclass(frozen=True)
class Summary:
    """The finished trials of one cell.

    Attributes:
        row: the name of the composition.
        column: the name of the data set.
        planned: number of planned trials.
        finished: number of trials that have a result.
        mean: mean of `acc`, `nmi` and `ari` over the finished trials; None if there are none.
        std: sample standard deviation of the same; None if there are fewer than two trials.
        published: the published ACC and NMI, None if there are none.

    Example:
        >>> mean = {"acc": 0.980, "nmi": 0.960, "ari": 0.950}
        >>> std = {"acc": 0.001, "nmi": 0.002, "ari": 0.002}
        >>> summary = Summary("FcDEC-DA", "mnist", 5, 5, mean, std, (0.985, 0.960))
        >>> summary.shortfall
        0.005
        >>> figures_text(summary)
        '.980 ±.001  .960 ±.002'
    """

    row: str
    column: str
    planned: int
    finished: int
    mean: Mapping[str, float | None]
    std: Mapping[str, float | None]
    published: tuple[float, float] | None

    @property
    def shortfall(self) -> float | None:
        """How far the worse of ACC and NMI is below the published one; negative if both are above."""
        # Rounded, so that a shortfall of exactly .01 is not pushed over the limit by floating point.
        return None if self.difference is None else round(-min(self.difference), 9)

    @property
    def difference(self) -> tuple[float, float] | None:
        """ACC and NMI minus the published ones; None unless both are known."""
        acc, nmi = self.mean["acc"], self.mean["nmi"]
        if self.published is None or acc is None or nmi is None:
            return None
        return acc - self.published[0], nmi - self.published[1]


def summarise(trials: Sequence[Trial], results: Results) -> list[Summary]:
    """Summarise each cell of a study.

    Args:
        trials: all trials of the study.
        results: the rows of the finished ones.

    Returns:
        One summary per cell, in the order of the trials.
    """
    cells: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        cells.setdefault((trial.cell.row, trial.cell.column), []).append(trial)
    summaries = []
    for (row, column), members in cells.items():
        runs = [trial.folder.name for trial in members]
        spreads = {name: mean_and_std(results.figures(runs, name)) for name in ("acc", "nmi", "ari")}
        mean = {name: value for name, (value, _) in spreads.items()}
        std = {name: value for name, (_, value) in spreads.items()}
        finished = sum(run in results.rows for run in runs)
        summaries.append(Summary(row, column, len(members), finished, mean, std, members[0].cell.published))
    return summaries


def as_mapping(summary: Summary) -> dict[str, Any]:
    """Convert a summary to plain data.

    Args:
        summary: the summary of a cell.

    Returns:
        The cell as it appears in the JSON result of a study.
    """
    pair = ("acc", "nmi")
    published, difference = summary.published, summary.difference
    return {
        "cell": summary.row,
        "dataset": summary.column,
        "planned": summary.planned,
        "finished": summary.finished,
        "mean": dict(summary.mean),
        "std": dict(summary.std),
        "published": None if published is None else dict(zip(pair, published, strict=True)),
        "difference": None if difference is None else dict(zip(pair, difference, strict=True)),
    }


def as_markdown(trials: Sequence[Trial], results: Results, settings: str) -> str:
    """Write the table of a study as Markdown.

    Args:
        trials: all trials of the study.
        results: the rows of the finished ones.
        settings: describes how the cells were configured.

    Returns:
        The text of `table.md`: the table, and which cells share a pretrained autoencoder.
    """
    summaries = {(summary.row, summary.column): summary for summary in summarise(trials, results)}
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*summaries, strict=True))
    lines = [
        "ACC and NMI: mean ± sample standard deviation (number of trials); below it, the published mean.",
        f"Settings: {settings}. Seeds: {', '.join(str(seed) for seed in sorted({trial.seed for trial in trials}))}.",
        "",
        "| | " + " | ".join(columns) + " |",
        "| --- " * (len(columns) + 1) + "|",
    ]
    for row in rows:
        cells = [_cell(summaries[row, column]) if (row, column) in summaries else "" for column in columns]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    sharing = shared(trials)
    if sharing:
        lines += ["", "Pretrained once for several cells:", ""]
        lines += [f"- {name}: {', '.join(rows)}" for name, rows in sharing]
    made = [results.rows[trial.folder.name] for trial in trials if trial.folder.name in results.rows]
    for what, column in (("devices", "device"), ("versions", "versions")):
        seen = sorted({row[column] for row in made})
        if len(seen) > 1:
            lines += ["", f"These trials were made with several {what}: {'; '.join(seen)}."]
    return "\n".join(lines) + "\n"


def shared(trials: Sequence[Trial]) -> list[tuple[str, list[str]]]:
    """Find the rows of the table that share a pretrained autoencoder.

    Args:
        trials: all trials of the study.

    Returns:
        The name of each shared autoencoder and its rows: `("usps fc augmented", ["FcDEC-DA", "FcIDEC-DA"])`.
    """
    by_folder: dict[Path, list[str]] = {}
    names: dict[Path, str] = {}
    for trial in trials:
        names[trial.pretraining.folder] = trial.pretraining.name
        by_folder.setdefault(trial.pretraining.folder, []).append(trial.cell.row)
    # Each seed has its own autoencoder, shared by the same rows; dict.fromkeys lists them once.
    found = dict.fromkeys((names[folder], tuple(rows)) for folder, rows in by_folder.items() if len(rows) > 1)
    return [(name, list(rows)) for name, rows in found]


def share_text(value: float) -> str:
    """Format a share as the paper does.

    Args:
        value: a share in [0, 1].

    Returns:
        Three decimals, without a leading zero.

    Example:
        >>> share_text(0.987)
        '.987'
    """
    return f"{value:.3f}".removeprefix("0")


def figures_text(summary: Summary) -> str:
    """Format the ACC and NMI of a cell.

    Args:
        summary: the summary of the cell.

    Returns:
        Means and standard deviations, as `.987 ±.001  .963 ±.002`; for a single trial `.987 .963`.
    """
    pieces = []
    for name in ("acc", "nmi"):
        mean, std = summary.mean[name], summary.std[name]
        if mean is not None:
            pieces.append(share_text(mean) + ("" if std is None else f" ±{share_text(std)}"))
    return ("  " if summary.finished > 1 else " ").join(pieces)


def published_text(summary: Summary) -> str:
    """Format the published figures of a cell.

    Args:
        summary: the summary of the cell.

    Returns:
        ACC and NMI, as `.987 .962`; "" if there are none.
    """
    return " ".join(share_text(value) for value in summary.published or ())


def _cell(summary: Summary) -> str:
    text = f"{figures_text(summary)} ({summary.finished})" if summary.finished else "not run"
    return f"{text}<br>{published_text(summary)}" if summary.published else text
