"""Prints what `decda compare` found."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from decda.core.studies.comparing import Tables

SETTINGS = 30
"""Most settings that are printed; `--json` and the page hold all."""


def print_comparison(tables: "Tables") -> None:
    """Print tables of runs on stderr: figures, agreement, settings that differ, and what that says.

    Args:
        tables: of the comparison.
    """
    body: list[RenderableType] = [_table(tables.figures, right=True)]
    if tables.agreement:
        body += [Text(), _table(tables.agreement, right=True)]
    if tables.settings:
        shown = _table(tables.settings[: SETTINGS + 1], right=False)
        more = len(tables.settings) - SETTINGS - 1
        body += [Text(), shown]
        if more > 0:
            body.append(Text(f"and {more} more", style="dim"))
    body += [Text(), *(Text(sentence, style="bold") for sentence in tables.sentences)]
    body += [Text(f"Warning: {sentence}", style="bold yellow") for sentence in tables.warnings]
    title = "1 run" if tables.runs == 1 else f"{tables.runs} runs compared"
    Console(stderr=True).print(Panel(Group(*body), title=title, expand=False))


def _table(rows: Sequence[Sequence[str]], right: bool) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    for number, name in enumerate(rows[0]):
        table.add_column(
            Text(name),
            justify="right" if right and number else "left",
            overflow="fold",
            min_width=len(name) if right and len(name) < 12 else None,
        )
    for row in rows[1:]:
        table.add_row(*map(Text, row))
    return table
