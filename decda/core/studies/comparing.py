"""A comparison in words, in tables, and as Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass

from decda.core.studies.comparison import Comparison, Group

TITLES = {
    "acc": "ACC", "nmi": "NMI", "ari": "ARI", "neighbours": "neighbours", "smallest": "smallest",
    "uncertain": "uncertain", "iterations": "iterations", "seconds": "minutes",
}  # fmt: skip
"""What figures are called in tables."""
DISAGREE = 0.5
"""Mean adjusted Rand index between seeds below which they are said to disagree."""


def figure_text(group: Group, name: str) -> str:
    """A figure of a group as a table shows it.

    Args:
        group: a run, or seeds.
        name: of the figure.

    Returns:
        Mean and sample standard deviation; "" where it is not known.
    """
    mean, deviation = group.mean(name)
    if mean is None:
        return ""
    if name == "seconds":
        mean, deviation, decimals = mean / 60, None if deviation is None else deviation / 60, 1
    else:
        decimals = 0 if name == "iterations" else 3
    spread = "" if deviation is None else f" ±{deviation:.{decimals}f}"
    return f"{mean:.{decimals}f}{spread}"


def describe(comparison: Comparison) -> list[str]:
    """What a comparison says, without labels where that is possible.

    Args:
        comparison: of runs or studies.

    Returns:
        Sentences.
    """
    found = []
    groups = [group for group in comparison.groups if group.mean("neighbours")[0] is not None]
    if len(groups) > 1 and comparison.same_images:
        numbers = {run.n_clusters for group in groups for run in group.runs}
        best = max(groups, key=lambda group: group.mean("neighbours")[0] or 0)
        value = best.mean("neighbours")[0]
        found.append(
            f"{best.name} keeps images that look alike together best (neighbours {value:.3f}), which needs no labels."
            + (" Figures for different numbers of clusters do not compare, though." if len(numbers) > 1 else "")
        )
    scored = [group for group in comparison.groups if group.mean("acc")[0] is not None]
    if len(scored) > 1:
        top = max(scored, key=lambda group: group.mean("acc")[0] or 0)
        found.append(f"By the known classes, {top.name} is the most accurate (ACC {figure_text(top, 'acc')}).")
    pairs = [
        value
        for i, row in enumerate(comparison.agreement)
        for j, value in enumerate(row)
        if j < i and value is not None
    ]
    if pairs:
        found.append(f"Their clusters agree by {sum(pairs) / len(pairs):.3f} on average (adjusted Rand index).")
    if not comparison.same_images:
        found.append("They are of different images, so that clusters and figures do not compare one to one.")
    return found


def warn(comparison: Comparison) -> list[str]:
    """What speaks against relying on what is compared.

    Args:
        comparison: of runs or studies.

    Returns:
        Sentences; empty if nothing was found.
    """
    found = []
    for number, group in enumerate(comparison.groups):
        inner = comparison.agreement[number][number]
        if inner is not None and inner < DISAGREE:
            found.append(
                f"The seeds of {group.name} disagree (adjusted Rand index {inner:.3f}): what one of them finds, "
                "another does not. decda judge says which to use, decda combine what they have in common."
            )
        if group.unfinished:
            found.append(f"{group.unfinished} seeds of {group.name} have no result.")
        found += [
            f"{group.name}: {warning}"
            for warning in dict.fromkeys(warning for run in group.runs for warning in run.warnings)
        ]
    single = [group for group in comparison.groups if len(group.runs) == 1]
    if len(single) == len(comparison.groups) > 2:
        values = [v for i, row in enumerate(comparison.agreement) for j, v in enumerate(row) if j < i and v is not None]
        if values and sum(values) / len(values) < DISAGREE:
            found.append("These runs disagree: what one of them finds, another does not.")
    return found


@dataclass(frozen=True)
class Tables:
    """A comparison as text, for a terminal or Markdown.

    Attributes:
        figures: header and rows.
        agreement: header and rows; empty where there is none.
        settings: header and rows; empty where none differ.
        sentences: what it says.
        warnings: what speaks against relying on it.
        runs: how many are compared.
    """

    figures: Sequence[Sequence[str]]
    agreement: Sequence[Sequence[str]]
    settings: Sequence[Sequence[str]]
    sentences: Sequence[str]
    warnings: Sequence[str]
    runs: int


def as_tables(comparison: Comparison, figures: Sequence[str] | None = None) -> Tables:
    """A comparison as tables.

    Args:
        comparison: of runs or studies.
        figures: those that are shown; None: all that are known.

    Returns:
        Its tables and sentences.
    """
    shown = [name for name in comparison.shown() if figures is None or name in figures]
    names = [group.name for group in comparison.groups]
    agreement: list[list[str]] = []
    if any(value is not None for row in comparison.agreement for value in row):
        cells = [["" if value is None else f"{value:.3f}" for value in row] for row in comparison.agreement]
        agreement = [["agreement (ARI)", *names], *([n, *row] for n, row in zip(names, cells, strict=True))]
    settings = [[name, *values] for name, values in comparison.settings.items()]
    return Tables(
        [["run", *(TITLES[name] for name in shown)],
         *([group.name, *(figure_text(group, name) for name in shown)] for group in comparison.groups)],
        agreement,
        [["setting", *names], *settings] if settings else [],
        describe(comparison),
        warn(comparison),
        sum(len(group.runs) for group in comparison.groups),
    )  # fmt: skip


def as_markdown(tables: Tables) -> str:
    r"""A comparison as tables of Markdown.

    Args:
        tables: from `as_tables`.

    Returns:
        The text, with a line feed at its end.

    Example:
        >>> print(as_markdown(Tables([["run", "ACC"], ["a|b", "0.500"]], [], [], [], [], 1)), end="")
        | run | ACC |
        | --- | --- |
        | a\|b | 0.500 |
    """
    parts = (tables.figures, tables.agreement, tables.settings)
    return "\n\n".join("\n".join(_lines(table)) for table in parts if table) + "\n"


def _lines(table: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    return [line(table[0]), line(["---"] * len(table[0])), *map(line, table[1:])]
