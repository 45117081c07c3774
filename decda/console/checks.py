"""The table of `decda check`."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLES = {"passed": "green", "failed": "bold red", "skipped": "yellow"}
PIPE_WIDTH = 200
"""Columns of a table that is not printed on a terminal."""


def print_checks(parts: Sequence[Mapping[str, Any]], problems: Sequence[str]) -> None:
    """Print a table for each part, with a row per rule, and the number of rules passed, failed and skipped, on stdout.

    Args:
        parts: the parts and the results of their rules, as printed as JSON.
        problems: defects in the metadata of the package that cannot be attributed to a part.
    """
    # A wide table in a pipe is not wrapped, so that each row stays on one line.
    console = Console() if sys.stdout.isatty() else Console(width=PIPE_WIDTH)
    for part in parts:
        owner = f"{part['package']} {part['version']}".strip()
        console.print(Text.assemble((part["kind"], "bold"), " ", (part["name"], "bold cyan"), f"  {owner}"))
        table = Table(box=None, pad_edge=False, show_header=False)
        for name in ("rule", "status", "demand"):
            table.add_column(name, no_wrap=name != "demand", overflow="fold")
        for rule in part["rules"]:
            demand = Text(rule["demand"])
            if rule["seen"]:
                demand.append(f"\n{rule['seen']}", style=STYLES[rule["status"]])
            table.add_row(f"  {rule['rule']}", Text(rule["status"], style=STYLES[rule["status"]]), demand)
        console.print(table)
        console.print()
    for problem in problems:
        console.print(Text(f"Parts may be missing: {problem}", style=STYLES["failed"]))
    counts = {status: sum(r["status"] == status for part in parts for r in part["rules"]) for status in STYLES}
    shown = [Text(f"{count} {status}", style=STYLES[status]) for status, count in counts.items() if count]
    console.print(Text(", ").join(shown))
