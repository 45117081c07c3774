"""Displays the progress of one or several runs: live on a terminal, else as a plain line every few seconds."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import TaskID

from decda.console.durations import duration
from decda.console.notices import notices, skipped_notice
from decda.console.screen import ALL_SEEDS, WAITING, Screen, join_notes
from decda.console.tables import print_result
from decda.core.config.run_config import RunConfig
from decda.core.events import (
    BatchEnded,
    Downloading,
    Event,
    ImagesRead,
    ImagesSkipped,
    PhaseEnded,
    PhaseStarted,
    Progress,
    Refreshed,
    Scored,
)
from decda.core.execution.messages import Failed, Finished, Message, Outcome, OutputLine
from decda.core.studies.seed_ranges import format_seeds

LIVE_SECONDS = 0.1
"""Least time between two updates of the line of a run; the terminal is not redrawn more often."""
UNITS = {"pretrain": "epoch", "cluster": "iteration"}
"""What is counted in each phase."""
TITLES = {"pretrain": "pretrain", "init_centers": "centers", "cluster": "cluster"}
"""How each phase is shown on a terminal."""


def is_interactive() -> bool:
    """Whether stderr is a terminal or a notebook.

    Returns:
        True if a live display would be seen.
    """
    return Console(stderr=True).is_terminal


class ProgressDisplay:
    """Shows the progress of a run on stderr: live on a terminal, else as a plain line every few seconds.

    It is a listener to use in a `with` statement.

    Args:
        config: the configuration of the run.
        console: where to print, by default stderr.
        choice: what was chosen by the images, told below the title.
    """

    def __init__(self, config: RunConfig, console: Console | None = None, choice: str = ""):
        self.screen = Screen(config.sentence, console)
        self.run = RunLine(self.screen, config)
        self.choice = choice

    def __enter__(self) -> "ProgressDisplay":
        self.screen.open()
        if self.choice:
            self.screen.print(self.choice, "dim")
        return self

    def __exit__(self, *error: object) -> None:
        self.screen.close()

    def __call__(self, event: Event) -> None:
        """Show an event. Tensors are read from the device only when a line is drawn.

        Args:
            event: an event of the run.
        """
        self.run(event)

    def finish(self, result: Mapping[str, Any], sizes: Sequence[int]) -> None:
        """Print what the run came to, when the display has been closed.

        Args:
            result: as `--json` prints it.
            sizes: images in each cluster.
        """
        print_result(result, sizes)


class SeedsDisplay:
    """Shows the progress of several seeds on stderr, with one line per seed.

    If the terminal has too few lines for all seeds, only those that are running have one. It is a listener to use in a
    `with` statement.

    Args:
        config: the configuration that the runs share.
        seeds: all seeds.
        console: where to print, by default stderr.
        choice: what was chosen by the images, told below the title.
    """

    def __init__(self, config: RunConfig, seeds: Sequence[int], console: Console | None = None, choice: str = ""):
        self.choice = choice
        self.screen = Screen(f"{config.sentence} · seeds {format_seeds(seeds).replace('_', ',')}", console)
        self.crowded = len(seeds) > self.screen.console.height - 3  # the title, the count, the prompt
        self.all = self.screen.progress.add_task(ALL_SEEDS, total=len(seeds), notes={}, visible=self.crowded)
        width = len(str(max(seeds)))
        self.runs = {seed: RunLine(self.screen, config, f"seed {seed:>{width}}", not self.crowded) for seed in seeds}

    def __enter__(self) -> "SeedsDisplay":
        self.screen.open()
        if self.choice:
            self.screen.print(self.choice, "dim")
        return self

    def __exit__(self, *error: object) -> None:
        self.screen.close()

    def __call__(self, seed: int, message: Message) -> None:
        """Show an event of a run, a line of output, or its outcome.

        Args:
            seed: the seed of the run.
            message: the event, line or outcome.
        """
        run = self.runs[seed]
        if isinstance(message, OutputLine):
            self.screen.print(run.prefix + message.text)
        elif isinstance(message, Finished | Failed):
            run.end(message, keep=not self.crowded)
            self.screen.progress.advance(self.all)
        else:
            run(message)

    def reading(self, event: Event) -> None:
        """Show what all seeds wait for: downloads, and images that are read.

        Args:
            event: any event.
        """
        if isinstance(event, Downloading):
            self.screen.download(event)
        elif isinstance(event, ImagesRead):
            self.screen.images(event)
        elif isinstance(event, ImagesSkipped):
            for text, style in skipped_notice(event):
                self.screen.print(text, style)


class RunLine:
    """The progress of one run: its phase, its latest numbers, and when they were last shown.

    Args:
        screen: the display it is part of.
        config: the configuration of the run.
        name: the name of the run among several. A run with a name has one line for all phases; a run without a name is
            the only one, and each phase gets its own line.
        waiting: whether its line is shown before the run starts.
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
        self._epochs = self._done = 0  # in this phase; those that an earlier process made
        self._unshown: Progress | None = None

    def __call__(self, event: Event) -> None:
        """Show an event of the run.

        Args:
            event: the event.
        """
        if isinstance(event, BatchEnded | Progress):
            # Checked first, because on a GPU a training step takes less time than drawing its progress.
            if time.monotonic() < (self._next_update if self.screen.live else self.screen.next_status):
                if isinstance(event, Progress):
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
            if self.screen.live or time.monotonic() >= self.screen.next_status:
                self._advance("cluster", event.iteration, event.total)
        elif isinstance(event, PhaseEnded):
            self._end_phase(event)
        elif isinstance(event, Downloading):
            self.screen.download(event)
        elif isinstance(event, ImagesRead):
            self.screen.images(event)
        elif not (isinstance(event, ImagesSkipped) and self.name):  # told once for all seeds
            for text, style in notices(event, self.config):
                self.screen.print(self.prefix + text, style)

    def end(self, outcome: Outcome, *, keep: bool) -> None:
        """Show the outcome of the run.

        Args:
            outcome: its result or failure.
            keep: whether its line remains on a live display.
        """
        if isinstance(outcome, Finished):
            scores = {name.upper(): outcome.result[name] for name in ("acc", "nmi", "ari")}
            self.notes = {name: f"{value:.3f}" for name, value in scores.items() if value is not None}
            word, words = "done", f"finished, {duration(outcome.result['seconds']['total'])}  {join_notes(self.notes)}"
        else:
            self.notes = {"error": outcome.error}
            word, words = "failed", f"failed: {outcome.error}"
        if self.screen.live and self.task is not None:
            self.screen.progress.update(self.task, description=self._titled(word), notes=self.notes, visible=keep)
            self.screen.progress.stop_task(self.task)
        else:
            self.screen.print_status(self.prefix + words)

    @property
    def prefix(self) -> str:
        """The start of a plain line about this run: `"seed 3: "`; "" if it has no name."""
        return f"{' '.join(self.name.split())}: " if self.name else ""

    def _titled(self, word: str) -> str:
        return f"{self.name}  {word:<8}" if self.name else f"{word:<8}"

    def _start(self, event: PhaseStarted) -> None:
        self._phase_start, self._next_update = time.monotonic(), 0.0
        self._epochs, self._done, self._unshown = event.done, event.done, None
        self.screen.postpone_status()
        self.notes.pop("loss", None)
        progress, title = self.screen.progress, self._titled(TITLES[event.phase])
        if self.name and self.task is not None:
            progress.reset(
                self.task, description=title, total=event.total, completed=event.done, visible=True, notes=self.notes
            )
        else:
            self.task = progress.add_task(title, total=event.total, completed=event.done, notes=self.notes)

    def _within_epoch(self, event: BatchEnded) -> None:
        now = time.monotonic()
        if self.screen.live and self.task is not None:
            self._next_update = now + LIVE_SECONDS
            self._catch_up()
            completed = self._epochs + event.number / event.total
            self.screen.progress.update(self.task, completed=completed, notes=self.notes)
        elif now >= self.screen.next_status + self.screen.status_seconds:
            # Later than the end of an epoch would be shown, which is more informative if epochs are short.
            epoch = self._epochs + 1
            self.screen.print_status(f"{self.prefix}{event.phase} epoch {epoch}, batch {event.number}/{event.total}")

    def _advance(self, phase: str, step: int, total: int) -> None:
        self._epochs, self._unshown = step, None
        now = time.monotonic()
        if self.screen.live and self.task is not None:
            self._next_update = now + LIVE_SECONDS
            self.screen.progress.update(self.task, completed=step, notes=self.notes)
        elif step:
            left = (now - self._phase_start) / max(step - self._done, 1) * (total - step)
            notes = join_notes(self.notes)
            self.screen.print_status(
                f"{self.prefix}{phase} {UNITS[phase]} {step}/{total}  {notes}  at most {duration(left, 0)} left"
            )

    def _end_phase(self, event: PhaseEnded) -> None:
        self._catch_up()
        seconds = time.monotonic() - self._phase_start
        if self.screen.live and self.task is not None:
            steps = max(event.steps, 1)
            self.screen.progress.update(self.task, total=steps, completed=steps, notes=dict(self.notes))
        elif not self.screen.live and event.phase in UNITS:
            self.screen.print_status(
                f"{self.prefix}{event.phase} {event.reason} after {event.steps} {UNITS[event.phase]}s, "
                f"{duration(seconds)}  {join_notes(self.notes)}"
            )

    def _catch_up(self) -> None:
        """Take the numbers of the last event, if it came too soon to be shown."""
        if self._unshown is not None:
            self._note_loss(self._unshown)
            self._unshown = None

    def _note_loss(self, event: Progress | Refreshed) -> None:
        if event.terms:
            self.notes["loss"] = f"{sum(float(term) for term in event.terms.values()):.4g}"
