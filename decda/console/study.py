"""A study as it goes on: the table of its cells, which fills, and a line for each run; and the table at the end."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from decda.console.progress import RunLine, Screen
from decda.core.events import Downloading, Event
from decda.core.execution.messages import Failed, Finished, Message, OutputLine
from decda.core.studies.study import Entered, Key, Study
from decda.core.studies.summary import NEAR, Summary, figures_text, published_text, shared, summarise
from decda.core.studies.trials import Trial

FAR = 0.03
"""A mean further than this below the published one is shown in red."""


class StudyDisplay:
    """A listener that shows a study on stderr: live on a terminal, else a plain line every few seconds."""

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
        self.screen.progress.above = None  # what stays is printed once, whole, at the end
        self.screen.close()

    def start(self, study: Study) -> None:
        """Show the table of this study from now on."""
        self.study = study

    def __call__(self, key: Key, told: Message | Entered) -> None:
        """Show an event of that run, a line it wrote, its end, or its figures."""
        if isinstance(told, Entered):
            if told.kept and not self.screen.live:
                self.screen.tell(
                    f"{key.title}: kept  ACC {float(told.row['acc']):.3f}  NMI {float(told.row['nmi']):.3f}"
                )
            return
        if key.folder not in self.running:
            self.running[key.folder] = key
            self.lines[key.folder] = RunLine(self.screen, key.config, key.title)
        line = self.lines[key.folder]
        if isinstance(told, OutputLine):
            self.screen.tell(line.prefix + told.text)
        elif isinstance(told, Finished | Failed):
            line.end(told, stay=False)
            del self.running[key.folder], self.lines[key.folder]
            if isinstance(told, Failed) and self.screen.live:
                self.screen.tell(f"{key.title}: failed: {told.error}", "red")
        else:
            line(told)

    def download(self, event: Event) -> None:
        """Show a download that all wait for."""
        if isinstance(event, Downloading):
            self.screen.download(event)

    def _table(self) -> RenderableType:
        if self.study is None:
            return Text("loading the data sets and trying every composition", style="dim")
        running = {(key.cell.row, key.cell.column) for key in list(self.running.values()) if isinstance(key, Trial)}
        most = max((self.screen.console.height - len(self.lines) - 5) // 2, 1)
        state = (self.study.results.changes, frozenset(running), most)
        if state != self._drawn:  # it is asked for ten times a second
            self._drawn = state
            self._last = study_table(summarise(self.study.trials, self.study.results), running, most)
        return self._last


def study_table(summaries: Sequence[Summary], running: Any = (), most: int | None = None) -> Table:
    """Rows of compositions, a column a data set, each cell with the published figures below its own.

    Args:
        summaries: the cells.
        running: rows and columns of the cells that are being run, which are marked.
        most: rows at most; those with something running come first then.
    """
    cells = {(summary.row, summary.column): summary for summary in summaries}
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*cells, strict=True))
    left_out = 0
    if most is not None and len(rows) > most:
        busy = {row for row, _ in running}
        chosen = sorted(rows, key=lambda row: row not in busy)[:most]
        rows, left_out = [row for row in rows if row in chosen], len(rows) - most
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
    """By how far the mean lies below the published one."""
    if summary.shortfall is None:
        return "bold"
    return "bold green" if summary.shortfall <= NEAR else "bold yellow" if summary.shortfall <= FAR else "bold red"


def print_study(study: Study) -> None:
    """The whole table on stderr, what was pretrained once, and what failed."""
    console = Console(stderr=True)
    summaries = summarise(study.trials, study.results)
    if not console.is_terminal:
        console = Console(stderr=True, width=200)  # into a pipe nothing is wrapped
    console.print(study_table(summaries))
    shortfalls = [summary.shortfall for summary in summaries if summary.shortfall is not None]
    lines = []
    if shortfalls:
        near = sum(shortfall <= NEAR for shortfall in shortfalls)
        lines.append(f"{near} of {len(shortfalls)} cells lie within {NEAR} of the published means, or above them.")
    lines += [f"Pretrained once ({name}): {', '.join(rows)}." for name, rows in shared(study.trials)]
    lines.append(f"A row a trial in {study.folder / 'results.csv'}; the table in {study.folder / 'table.md'}.")
    console.print(Group(*(Text(line) for line in lines)))
    messages: dict[str, list[str]] = {}
    for run, failed in study.failed.items():
        messages.setdefault(failed.error, []).append(run)
    for message, runs in messages.items():
        console.print(Text(f"Error: {', '.join(runs)}: {message}", style="red"), soft_wrap=True)
