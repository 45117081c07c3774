"""What `decda doctor` shows."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from decda.core.diagnosis.check import ABSENT, BROKEN, OK, WARNING, Check
from decda.core.runs.naming import printable

STYLES = {OK: "green", ABSENT: "dim", WARNING: "yellow", BROKEN: "bold red"}
NAME_WIDTH = 15
"""Columns for names, in all tables alike; a longer one is folded."""
PIPE_WIDTH = 200
"""Columns of a table that is not printed on a terminal."""


def print_topic(checks: Sequence[Check], console: Console | None = None) -> None:
    """Print the checks of a topic on stdout: what was found, what it means, and what to do.

    Args:
        checks: of one topic.
        console: where to print, by default stdout.
    """
    if not checks:
        return
    if console is None:
        console = Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
    console.print(Text(checks[0].topic.capitalize(), style="bold"))
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(min_width=max(len(status) for status in STYLES) + 2, no_wrap=True)
    table.add_column(min_width=NAME_WIDTH, max_width=NAME_WIDTH, overflow="fold")
    table.add_column(overflow="fold")
    for check in checks:
        told = Text.assemble((printable(check.found), "bold"), f": {printable(check.means)}")
        if check.remedy:
            told.append(f"\n{printable(check.remedy)}", style="" if check.status == ABSENT else STYLES[check.status])
        table.add_row(Text(f"  {check.status}", style=STYLES[check.status]), Text(printable(check.name)), told)
    console.print(table)
    console.print()


def print_verdict(checks: Sequence[Check]) -> None:
    """Print on stderr whether decda works here.

    Args:
        checks: of all topics.
    """
    console = Console(stderr=True)
    named = {status: [check.name for check in checks if check.status == status] for status in (BROKEN, WARNING)}
    for status, what in ((BROKEN, "Broken, and needed"), (WARNING, "To look at")):
        if named[status]:
            listed = ", ".join(printable(name) for name in named[status])
            console.print(Text(f"{what}: {listed}.", style=STYLES[status]))
    if not named[BROKEN]:
        console.print(Text("All that decda needs is in place; what is absent, it does without.", style=STYLES[OK]))
