"""A run as it goes on, or several at once: live on a terminal, else a plain line every few seconds."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import click
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from decda.core.config.run_config import RunConfig
from decda.core.events import BatchEnded, Downloading, Event, PhaseEnded, PhaseStarted, Refreshed, Scored, StepFallback
from decda.core.events import Progress as Advance
from decda.core.execution.messages import Failed, Finished, Message, Outcome, OutputLine
from decda.core.studies.seed_ranges import format_seeds

LIVE_SECONDS = 0.1
"""Between two updates of a run's line: the terminal is drawn no oftener."""
PLAIN_SECONDS = 5.0
"""Between two plain lines, of all runs together."""
UNITS = {"pretrain": "epoch", "cluster": "iteration"}
TITLES = {"pretrain": "pretrain", "init_centers": "centers", "cluster": "cluster"}
ALL, WAITING = "seeds", "waiting "
MODES = {"graph": "captured as a CUDA graph", "compiled": "compiled"}


def is_interactive() -> bool:
    """Whether stderr is shown to somebody: on a terminal, or in a notebook."""
    return Console(stderr=True).is_terminal


class ProgressDisplay:
    """A listener that shows a run as it goes, on stderr: live on a terminal, else a plain line every few seconds."""

    def __init__(self, config: RunConfig, console: Console | None = None):
        self.screen = Screen(_title(config), console)
        self.run = RunLine(self.screen, config)

    def __enter__(self) -> "ProgressDisplay":
        self.screen.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.screen.close()

    def __call__(self, event: Event) -> None:
        """Show an event. Values are read from the device only when a line is drawn."""
        self.run(event)


class SeedsDisplay:
    """A listener that shows several seeds at once, a line each; more than the terminal has lines, while they run."""

    def __init__(self, config: RunConfig, seeds: Sequence[int], console: Console | None = None):
        self.screen = Screen(f"{_title(config)} · seeds {format_seeds(seeds).replace('_', ',')}", console)
        self.crowded = len(seeds) > self.screen.console.height - 3  # the title, the line of all, the prompt below
        self.all = self.screen.progress.add_task(ALL, total=len(seeds), notes={}, visible=self.crowded)
        width = len(str(max(seeds)))
        self.runs = {seed: RunLine(self.screen, config, f"seed {seed:>{width}}", not self.crowded) for seed in seeds}

    def __enter__(self) -> "SeedsDisplay":
        self.screen.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.screen.close()

    def __call__(self, seed: int, event: Message) -> None:
        """Show an event of that seed, a line it wrote, or its end."""
        run = self.runs[seed]
        if isinstance(event, OutputLine):
            self.screen.tell(run.prefix + event.text)
        elif isinstance(event, Finished | Failed):
            run.end(event, stay=not self.crowded)
            self.screen.progress.advance(self.all)
        else:
            run(event)

    def download(self, event: Event) -> None:
        """Show a download that all seeds wait for."""
        if isinstance(event, Downloading):
            self.screen.download(event)


class _Lines(Progress):
    """Live lines, and what stands above them."""

    above: Callable[[], RenderableType] | None = None

    def get_renderables(self) -> Iterable[RenderableType]:
        """What is drawn."""
        if self.above is not None:
            yield self.above()
        yield from super().get_renderables()


class Screen:
    """Where lines are shown: all that is shared by runs that go on at once."""

    def __init__(self, title: str, console: Console | None, above: Callable[[], RenderableType] | None = None):
        self.console = console or Console(stderr=True)
        self.live = self.console.is_terminal
        self.title = title
        self.progress = _Lines(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _Count(),
            _Left(),
            _Notes(table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),  # it alone gives way
            expand=True,
            console=self.console,
            disable=not self.live,
        )
        self.progress.above = above
        self.downloads: dict[str, TaskID] = {}
        self.next_line = 0.0

    def open(self) -> None:
        """Begin to show."""
        self.console.print(Text(self.title, style="bold"))
        self.progress.start()

    def close(self) -> None:
        """Leave the last state on the screen."""
        self.progress.stop()

    def line(self, text: str) -> None:
        """A passing line, where nothing is live."""
        self.wait()
        click.echo(text.rstrip(), err=True)

    def wait(self) -> None:
        """No passing line for a while."""
        self.next_line = time.monotonic() + PLAIN_SECONDS

    def tell(self, text: str, style: str = "") -> None:
        """A line that stays, whenever it comes; above the live ones, where there are."""
        if self.live:
            self.progress.console.print(Text(text, style=style), soft_wrap=True)
        else:
            click.echo(text, err=True)

    def download(self, event: Downloading) -> None:
        """Show bytes that have arrived."""
        if self.live:
            if event.file not in self.downloads:
                notes = {"file": event.file}
                self.downloads[event.file] = self.progress.add_task("download", total=event.total, notes=notes)
            self.progress.update(self.downloads[event.file], completed=event.received, total=event.total)
        elif time.monotonic() >= self.next_line:
            share = f" of {event.total / 1e6:.1f}" if event.total else ""
            self.line(f"download {event.file}  {event.received / 1e6:.1f}{share} MB")


class RunLine:
    """One run: where it is, what is known of it, and when that was last shown.

    Args:
        screen: where it is shown.
        config: names its parts.
        name: stands before what is said of it. With a name, it has one line for all phases; without, it is alone, and
            each phase gets a line of its own.
        waiting: whether its line is shown before it starts.
    """

    def __init__(self, screen: Screen, config: RunConfig, name: str = "", waiting: bool = False):
        self.screen = screen
        self.config = config
        self.name = name
        self.notes: dict[str, str] = {}
        self.task: TaskID | None = None
        if name:
            self.task = screen.progress.add_task(self._titled(WAITING), total=1, notes={}, visible=waiting)
        self._phase_start = self._next_update = 0.0
        self._epochs = 0
        self._unshown: Advance | None = None

    def __call__(self, event: Event) -> None:
        """Show an event of the run."""
        if isinstance(event, BatchEnded | Advance):
            # Before all else: on a GPU a descent takes less time than showing that it was made.
            if time.monotonic() < (self._next_update if self.screen.live else self.screen.next_line):
                if isinstance(event, Advance):
                    self._epochs, self._unshown = event.step, event
            elif isinstance(event, BatchEnded):
                self._within_epoch(event)
            else:
                self._note_loss(event)
                self._advance(event.phase, event.step, event.total)
        elif isinstance(event, PhaseStarted):
            self._start(event)
        elif isinstance(event, Scored):
            known = {name.upper(): f"{value:.3f}" for name, value in event.scores.items() if value is not None}
            self.notes.update(known)
        elif isinstance(event, Refreshed):
            self._note_loss(event)
            self.notes["changed"] = f"{event.changed:.2%}"
            if self.screen.live or time.monotonic() >= self.screen.next_line:
                self._advance("cluster", event.iteration, event.total)
        elif isinstance(event, PhaseEnded):
            self._end_phase(event)
        elif isinstance(event, StepFallback):
            part = f"{event.kind} '{self.config.part(event.kind).short}': " if event.kind else ""
            mode = MODES.get(event.mode, event.mode)
            text = f"{self.prefix}Steps could not be {mode} ({part}{event.reason}). Training goes on with plain steps."
            self.screen.tell(text, "yellow")
        elif isinstance(event, Downloading):
            self.screen.download(event)

    def end(self, outcome: Outcome, *, stay: bool) -> None:
        """Show what became of the run; the line of one that does not stay goes."""
        if isinstance(outcome, Finished):
            scores = {name.upper(): outcome.result[name] for name in ("acc", "nmi", "ari")}
            self.notes = {name: f"{value:.3f}" for name, value in scores.items() if value is not None}
            word, words = "done", f"finished, {outcome.result['seconds']['total']:.1f} s  {_joined(self.notes)}"
        else:
            self.notes = {"error": outcome.error}
            word, words = "failed", f"failed: {outcome.error}"
        if self.screen.live and self.task is not None:
            self.screen.progress.update(self.task, description=self._titled(word), notes=self.notes, visible=stay)
            self.screen.progress.stop_task(self.task)
        else:
            self.screen.line(self.prefix + words)

    @property
    def prefix(self) -> str:
        """Before a line that is not its own."""
        return f"{' '.join(self.name.split())}: " if self.name else ""

    def _titled(self, word: str) -> str:
        return f"{self.name}  {word:<8}" if self.name else f"{word:<8}"

    def _start(self, event: PhaseStarted) -> None:
        self._phase_start, self._next_update = time.monotonic(), 0.0
        self._epochs, self._unshown = 0, None
        self.screen.wait()
        self.notes.pop("loss", None)
        progress, title = self.screen.progress, self._titled(TITLES[event.phase])
        if self.name and self.task is not None:
            progress.reset(self.task, description=title, total=event.total, visible=True, notes=self.notes)
        else:
            self.task = progress.add_task(title, total=event.total, notes=self.notes)

    def _within_epoch(self, event: BatchEnded) -> None:
        now = time.monotonic()
        if self.screen.live and self.task is not None:
            self._next_update = now + LIVE_SECONDS
            self._catch_up()
            completed = self._epochs + event.number / event.total
            self.screen.progress.update(self.task, completed=completed, notes=self.notes)
        elif now >= self.screen.next_line + PLAIN_SECONDS:
            # The end of an epoch, which tells more, comes first where epochs are short.
            self.screen.line(f"{self.prefix}{event.phase} epoch {self._epochs + 1}, batch {event.number}/{event.total}")

    def _advance(self, phase: str, step: int, total: int) -> None:
        self._epochs, self._unshown = step, None
        now = time.monotonic()
        if self.screen.live and self.task is not None:
            self._next_update = now + LIVE_SECONDS
            self.screen.progress.update(self.task, completed=step, notes=self.notes)
        elif step:
            left = (now - self._phase_start) / step * (total - step)
            self.screen.line(
                f"{self.prefix}{phase} {UNITS[phase]} {step}/{total}  {_joined(self.notes)}  at most {left:.0f} s left"
            )

    def _end_phase(self, event: PhaseEnded) -> None:
        self._catch_up()
        seconds = time.monotonic() - self._phase_start
        if self.screen.live and self.task is not None:
            steps = max(event.steps, 1)
            self.screen.progress.update(self.task, total=steps, completed=steps, notes=dict(self.notes))
        elif not self.screen.live and event.phase in UNITS:
            self.screen.line(
                f"{self.prefix}{event.phase} {event.reason} after {event.steps} {UNITS[event.phase]}s, "
                f"{seconds:.1f} s  {_joined(self.notes)}"
            )

    def _catch_up(self) -> None:
        """Take note of the last event that came too soon to be shown."""
        if self._unshown is not None:
            self._note_loss(self._unshown)
            self._unshown = None

    def _note_loss(self, event: Advance | Refreshed) -> None:
        if event.terms:
            self.notes["loss"] = f"{sum(float(term) for term in event.terms.values()):.4g}"


class _Count(ProgressColumn):
    """Steps made, of how many; bytes as megabytes."""

    def render(self, task: Task) -> Text:
        if _waits(task):
            return Text()
        scale, unit = (1e6, " MB") if task.description == "download" else (1, "")
        total = "?" if task.total is None else f"{task.total / scale:.0f}"
        return Text(f"{task.completed / scale:.0f}/{total}{unit}")


class _Left(TimeRemainingColumn):
    """Time left, where it can be told: not for all seeds together, several of which end at once."""

    def render(self, task: Task) -> Text:
        return Text() if _waits(task) or task.description == ALL else super().render(task)


class _Notes(ProgressColumn):
    """Loss, share of changed labels and scores, behind the bar."""

    def render(self, task: Task) -> Text:
        return Text(_joined(task.fields.get("notes", {})), style="dim")


def _waits(task: Task) -> bool:
    return task.description.endswith(WAITING)


def _title(config: RunConfig) -> str:
    return " · ".join(config.part(kind).short for kind in ("dataset", "encoder", "head", "augment"))


def _joined(notes: Mapping[str, str]) -> str:
    return "  ".join(f"{name} {value}" for name, value in notes.items())
