"""The terminal that several runs share: live lines with bars, or plain status lines that come every few seconds."""

import time
from collections.abc import Callable, Iterable, Mapping

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from decda.core.events import Downloading, ImagesRead

PLAIN_SECONDS = 5.0
"""Least time between two plain status lines, counting all runs together."""
ALL_SEEDS, WAITING = "seeds", "waiting "
"""How the line that counts finished seeds, and a run that has not started, are shown on a terminal."""


class _Lines(Progress):
    """The live lines, below an optional table."""

    above: Callable[[], RenderableType] | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """Everything that is drawn.

        Yields:
            What `above` returns, if it is set, and the live lines.
        """
        if self.above is not None:
            yield self.above()
        yield from super().get_renderables()


class Screen:
    """The part of a display that several runs share: the live lines, or the pacing of plain ones.

    Args:
        title: printed first.
        console: where to print, by default stderr.
        above: makes what is drawn above the live lines, if anything.

    Attributes:
        console: where lines are printed.
        live: whether the console is a terminal, with lines that are updated in place.
        progress: the live lines.
        status_seconds: least time between two plain status lines.
        next_status: the `time.monotonic` time before which no further plain status line is printed.
    """

    def __init__(self, title: str, console: Console | None, above: Callable[[], RenderableType] | None = None):
        self.console = console or Console(stderr=True)
        self.live = self.console.is_terminal
        self.title = title
        self.progress = _Lines(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _Count(),
            _TimeLeft(),
            _Notes(table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),  # only this column shrinks
            expand=True,
            console=self.console,
            disable=not self.live,
        )
        self.progress.above = above
        self.downloads: dict[str, TaskID] = {}
        self._images: TaskID | None = None
        self.status_seconds = PLAIN_SECONDS
        self.next_status = 0.0

    def open(self) -> None:
        """Print the title and start the live display."""
        self.console.print(Text(self.title, style="bold"))
        self.progress.start()

    def close(self) -> None:
        """Stop the live display, leaving its last state on the screen."""
        self.progress.stop()

    def print_status(self, text: str) -> None:
        """Print a plain status line, when the display is not live.

        Args:
            text: the line.
        """
        self.postpone_status()
        click.echo(text.rstrip(), err=True)

    def postpone_status(self) -> None:
        """Allow the next status line only after `status_seconds`."""
        self.next_status = time.monotonic() + self.status_seconds

    def print(self, text: str, style: str = "") -> None:
        """Print a line at once; on a live display it is placed above the live lines.

        Args:
            text: the line.
            style: the style of rich to print it in.
        """
        if self.live:
            self.progress.console.print(Text(text, style=style), soft_wrap=True)
        else:
            click.echo(text, err=True)

    def download(self, event: Downloading) -> None:
        """Show the progress of a download.

        Args:
            event: the bytes received so far.
        """
        if self.live:
            if event.file not in self.downloads:
                notes = {"file": event.file}
                self.downloads[event.file] = self.progress.add_task("download", total=event.total, notes=notes)
            self.progress.update(self.downloads[event.file], completed=event.received, total=event.total)
        elif time.monotonic() >= self.next_status:
            share = f" of {event.total / 1e6:.1f}" if event.total else ""
            self.print_status(f"download {event.file}  {event.received / 1e6:.1f}{share} MB")

    def images(self, event: ImagesRead) -> None:
        """Show how many images have been read.

        Args:
            event: the images so far.
        """
        if self.live:
            if self._images is None:
                self._images = self.progress.add_task(f"{'images':<8}", total=event.total, notes={})
            self.progress.update(self._images, completed=event.done)
        elif event.done == event.total or time.monotonic() >= self.next_status:
            self.print_status(f"images {event.done}/{event.total} read")


class _Count(ProgressColumn):
    """Number of finished steps and their total; for a download, in megabytes."""

    def render(self, task: Task) -> Text:
        if _is_waiting(task):
            return Text()
        scale, unit = (1e6, " MB") if task.description == "download" else (1, "")
        total = "?" if task.total is None else f"{task.total / scale:.0f}"
        return Text(f"{task.completed / scale:.0f}/{total}{unit}")


class _TimeLeft(TimeRemainingColumn):
    """Estimated time left; not for the count of finished seeds, because several end at the same time."""

    def render(self, task: Task) -> Text:
        return Text() if _is_waiting(task) or task.description == ALL_SEEDS else super().render(task)


class _Notes(ProgressColumn):
    """Loss, share of changed labels and scores, to the right of the bar."""

    def render(self, task: Task) -> Text:
        return Text(join_notes(task.fields.get("notes", {})), style="dim")


def _is_waiting(task: Task) -> bool:
    return task.description.endswith(WAITING)


def join_notes(notes: Mapping[str, str]) -> str:
    """Put notes in one line.

    Args:
        notes: texts by name.

    Returns:
        Each name and its text, separated by blanks.

    Example:
        >>> join_notes({"loss": "0.25", "ACC": "0.500"})
        'loss 0.25  ACC 0.500'
    """
    return "  ".join(f"{name} {value}" for name, value in notes.items())
