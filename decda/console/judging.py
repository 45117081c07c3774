"""Prints what `decda judge` found."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from decda.core.judging.reasons import figure
from decda.core.runs.naming import printable

COLUMNS = ("neighbours", "silhouette", "agreement", "uncertain", "smallest", "acc")
"""Criteria in the table; `--json` holds all of them."""
BEST = "* "
"""Marks the run to use."""


def print_judgement(judgement: Mapping[str, Any]) -> None:
    """Print a table of runs on stderr, the run to use marked, and why it is the one.

    Args:
        judgement: the result, as printed as JSON.
    """
    runs = judgement["runs"]
    shown = [name for name in COLUMNS if any(run[name] is not None for run in runs)]
    table = Table(box=None, header_style="bold")
    table.add_column("run", overflow="fold")
    for name in shown:
        table.add_column("ACC" if name == "acc" else name, justify="right")
    parent, names = _shorten([run["run"] for run in runs])
    for name, run in zip(names, runs, strict=True):
        is_best = run["run"] == judgement["best"]
        mark = BEST if is_best else " " * len(BEST)
        cells = [figure(run[name]) for name in shown]
        table.add_row(Text(mark + printable(name)), *cells, style="bold" if is_best else "")
    body: list[RenderableType] = [table]
    if judgement["unfinished"]:
        listed = ", ".join(printable(name) for name in judgement["unfinished"])
        body.append(Text(f"Left out, because not finished: {listed}", style="yellow"))
    if "acc" in shown:
        note = "ACC is known because this data set has classes; it plays no part in the choice."
        body.append(Text(note, style="dim"))
    body.append(Text(judgement["reason"], style="bold"))
    word = "run" if len(runs) == 1 else "runs"
    where = f" in {printable(parent)}" if parent else ""
    title = Text(f"{judgement['dataset']}: {judgement['n_samples']} images, {len(runs)} {word}{where}")
    Console(stderr=True).print(Panel(Group(*body), title=title, expand=False))


def _shorten(paths: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The folder that holds several paths, "" if there is none, and their names below it."""
    if len(paths) > 1 and len({os.path.isabs(path) for path in paths}) == 1:
        parent = os.path.commonpath([os.path.dirname(path) for path in paths])
        if parent:
            return parent, [os.path.relpath(path, parent) for path in paths]
    return "", paths
