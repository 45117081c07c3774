"""What the trials of a study come to, cell by cell, beside the published figures; as data and as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decda.core.studies.results import Results
from decda.core.studies.seeds_result import mean_and_std
from decda.core.studies.trials import Trial

NEAR = 0.01
"""A mean this far below the published one, or nearer, or above it, counts as reproduced."""


@dataclass(frozen=True)
class Summary:
    """One cell: its finished trials together.

    Attributes:
        row: what it is called.
        column: the name of the data set.
        planned: trials asked for.
        finished: trials that have a result.
        mean: of `acc`, `nmi` and `ari` over the finished trials; None where there is none.
        std: sample standard deviation of the scores; None where there are fewer than two.
        published: ACC and NMI to compare with.
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
        """How far ACC or NMI, whichever is worse, lies below the published one; negative where both lie above."""
        return None if self.difference is None else round(-min(self.difference), 9)  # .01 itself is still near

    @property
    def difference(self) -> tuple[float, float] | None:
        """ACC and NMI less the published ones, where there are both."""
        acc, nmi = self.mean["acc"], self.mean["nmi"]
        if self.published is None or acc is None or nmi is None:
            return None
        return acc - self.published[0], nmi - self.published[1]


def summarise(trials: Sequence[Trial], results: Results) -> list[Summary]:
    """The cells of a study, in their order."""
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
    """One cell as `decda reproduce --json` prints it."""
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
    """The text of `table.md`: the table, and which cells share a pretrained autoencoder."""
    summaries = {(summary.row, summary.column): summary for summary in summarise(trials, results)}
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*summaries, strict=True))
    lines = [
        "ACC and NMI: mean ± sample standard deviation (number of trials); below, the published mean.",
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
    """The rows that share an autoencoder, after what it is: `("usps fc augmented", [...])`."""
    by_folder: dict[Path, list[str]] = {}
    names: dict[Path, str] = {}
    for trial in trials:
        names[trial.pretraining.folder] = trial.pretraining.name
        by_folder.setdefault(trial.pretraining.folder, []).append(trial.cell.row)
    # Those of several seeds are shared by the same rows.
    found = dict.fromkeys((names[folder], tuple(rows)) for folder, rows in by_folder.items() if len(rows) > 1)
    return [(name, list(rows)) for name, rows in found]


def share_text(value: float) -> str:
    """A share as the paper prints it: `.987`."""
    return f"{value:.3f}".removeprefix("0")


def figures_text(summary: Summary) -> str:
    """Mean and deviation of a cell: `.987 ±.001  .963 ±.002`, or `.987 .963` of a single trial."""
    pieces = []
    for name in ("acc", "nmi"):
        mean, std = summary.mean[name], summary.std[name]
        if mean is not None:
            pieces.append(share_text(mean) + ("" if std is None else f" ±{share_text(std)}"))
    return ("  " if summary.finished > 1 else " ").join(pieces)


def published_text(summary: Summary) -> str:
    """The published figures of a cell: `.987 .962`; nothing where there are none."""
    return " ".join(share_text(value) for value in summary.published or ())


def _cell(summary: Summary) -> str:
    text = f"{figures_text(summary)} ({summary.finished})" if summary.finished else "not run"
    return f"{text}<br>{published_text(summary)}" if summary.published else text
