"""Displays a study: while it runs, the table of its cells and a line per run; at the end, the complete table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from decda.console.progress import RunLine
from decda.console.screen import Screen
from decda.core.events import Downloading, Event, ImagesRead
from decda.core.execution.messages import Failed, Finished, Message, OutputLine
from decda.core.studies.study import Entered, Key, Study
from decda.core.studies.summary import REPRODUCED_WITHIN, Summary, figures_text, published_text, shared, summarise
from decda.core.studies.trials import Trial

RED_BEYOND = 0.03
"""A mean that is further than this below the published one is shown in red."""


class StudyDisplay:
    """Shows the progress of a study on stderr: live on a terminal, else as a plain line every few seconds.

    It is a listener to use in a `with` statement.

    Args:
        title: printed first.
        console: where to print, by default stderr.
    """

    def __init__(self, title: str, console: Console | None = None):
        self.screen = Screen(title, console, self._table)
        self.study: Study | None = None
        self.running: dict[Path, Key] = {}
        self.lines: dict[Path, RunLine] = {}
        self._drawn: object = None
        self._last: RenderableType = ""

    def __enter__(self) -> "StudyDisplay":
        self.screen.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.screen.progress.above = None  # the complete table is printed afterwards
        self.screen.close()

    def start(self, study: Study) -> None:
        """Show the table of a study from now on.

        Args:
            study: the study; its results are read each time the table is drawn.
        """
        self.study = study

    def __call__(self, key: Key, message: Message | Entered) -> None:
        """Show an event of a run, a line of output, its outcome, or its scores.

        Args:
            key: the pretraining or trial.
            message: the event, line, outcome or row of the results.
        """
        if isinstance(message, Entered):
            if message.kept and not self.screen.live:
                self.screen.print(
                    f"{key.title}: kept  ACC {float(message.row['acc']):.3f}  NMI {float(message.row['nmi']):.3f}"
                )
            return
        if key.folder not in self.running:
            self.running[key.folder] = key
            self.lines[key.folder] = RunLine(self.screen, key.config, key.title)
        line = self.lines[key.folder]
        if isinstance(message, OutputLine):
            self.screen.print(line.prefix + message.text)
        elif isinstance(message, Finished | Failed):
            line.end(message, keep=False)
            del self.running[key.folder], self.lines[key.folder]
            if isinstance(message, Failed) and self.screen.live:
                self.screen.print(f"{key.title}: failed: {message.error}", "red")
        else:
            line(message)

    def reading(self, event: Event) -> None:
        """Show what all trials wait for: downloads, and images that are read.

        Args:
            event: any event.
        """
        if isinstance(event, Downloading):
            self.screen.download(event)
        elif isinstance(event, ImagesRead):
            self.screen.images(event)

    def _table(self) -> RenderableType:
        if self.study is None:
            return Text("loading the data sets and checking every composition", style="dim")
        running = {(key.cell.row, key.cell.column) for key in list(self.running.values()) if isinstance(key, Trial)}
        max_rows = max((self.screen.console.height - len(self.lines) - 5) // 2, 1)
        state = (self.study.results.changes, frozenset(running), max_rows)
        if state != self._drawn:  # called ten times a second
            self._drawn = state
            self._last = study_table(summarise(self.study.trials, self.study.results), running, max_rows)
        return self._last


def study_table(summaries: Sequence[Summary], running: Any = (), max_rows: int | None = None) -> Table:
    """Make the table of a study: a row per composition, a column per data set, and the published figures in each cell.

    Args:
        summaries: the summaries of the cells.
        running: the (row, column) names of the cells that are running, to be marked.
        max_rows: most rows to show; rows with a running cell take precedence. None: show all.

    Returns:
        The table, ready to print.
    """
    cells = {(summary.row, summary.column): summary for summary in summaries}
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    left_out = 0
    if max_rows is not None and len(rows) > max_rows:
        busy = {row for row, _ in running}
        chosen = sorted(rows, key=lambda row: row not in busy)[:max_rows]
        rows, left_out = [row for row in rows if row in chosen], len(rows) - max_rows
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("")
    for column in columns:
        table.add_column(Text(column), no_wrap=True)
    for row in rows:
        entries = [_entry(cells.get((row, column)), (row, column) in running) for column in columns]
        table.add_row(Text(row), *entries)
    if left_out:
        table.add_row(Text(f"and {left_out} more rows", style="dim"))
    return table


def _entry(summary: Summary | None, running: bool) -> Text:
    if summary is None:
        return Text()
    text = Text()
    if summary.finished:
        text.append(figures_text(summary), style=_colour(summary))
    else:
        text.append("running" if running else "-", style="dim")
    count = f"{summary.finished}/{summary.planned}"
    paper = published_text(summary)
    text.append(f"\n{f'paper {paper}  ' if paper else ''}{count}", style="dim")
    return text


def _colour(summary: Summary) -> str:
    """The style of a cell, by how far its means are below the published ones."""
    if summary.shortfall is None:
        return "bold"
    if summary.shortfall <= REPRODUCED_WITHIN:
        return "bold green"
    return "bold yellow" if summary.shortfall <= RED_BEYOND else "bold red"


def print_study(study: Study) -> None:
    """Print the complete table of a study on stderr, the shared autoencoders, and the failures.

    Args:
        study: the study.
    """
    console = Console(stderr=True)
    summaries = summarise(study.trials, study.results)
    if not console.is_terminal:
        console = Console(stderr=True, width=200)  # rows in a pipe are not wrapped
    console.print(study_table(summaries))
    shortfalls = [summary.shortfall for summary in summaries if summary.shortfall is not None]
    lines = []
    if shortfalls:
        reproduced = sum(shortfall <= REPRODUCED_WITHIN for shortfall in shortfalls)
        count = f"{reproduced} of {len(shortfalls)} cells"
        lines.append(f"{count} are within {REPRODUCED_WITHIN} of the published means, or above them.")
    lines += [f"Pretrained once ({name}): {', '.join(rows)}." for name, rows in shared(study.trials)]
    lines.append(f"All trials: {study.folder / 'results.csv'}. This table: {study.folder / 'table.md'}.")
    console.print(Group(*(Text(line) for line in lines)))
    messages: dict[str, list[str]] = {}
    for run, failed in study.failed.items():
        messages.setdefault(failed.error, []).append(run)
    for message, runs in messages.items():
        console.print(Text(f"Error: {', '.join(runs)}: {message}", style="red"), soft_wrap=True)
