"""Progress in a notebook: one output that is rewritten in place, however long the run takes."""

import sys
import time
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from decda.console.durations import duration
from decda.console.notices import notices
from decda.core.config.run_config import RunConfig
from decda.core.events import Downloading, Event, ImagesRead, PhaseEnded, PhaseStarted, Progress, Refreshed, Scored

UPDATE_SECONDS = 0.5
"""Between two updates; notebooks keep each message that they are sent."""
UNITS = {"pretrain": "epochs", "init_centers": "", "cluster": "iterations", "images": "images", "download": "MB"}


def in_notebook() -> bool:
    """Whether this process runs the cells of a notebook that can show HTML.

    Example:
        >>> in_notebook()
        False
    """
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and type(shell).__name__ != "TerminalInteractiveShell"


class NotebookDisplay:
    """Shows the progress of a run in a single output of a notebook.

    It is a listener to use in a `with` statement.

    Args:
        config: of the run.
        choice: what was chosen by the images, told below the title.
    """

    def __init__(self, config: RunConfig, choice: str = ""):
        self.config = config
        self.head = [f"<b>{escape(config.sentence)}</b>", *([escape(choice)] if choice else [])]
        self.phases: dict[str, tuple[float, float, str]] = {}
        self.told: list[str] = []
        self._notes: dict[str, str] = {}
        self._handle: Any = None
        self._next = self._begun = 0.0

    def __enter__(self) -> "NotebookDisplay":
        from IPython.display import HTML, display

        self._handle = display(HTML(self._html()), display_id=True)
        return self

    def __exit__(self, *error: object) -> None:
        self._update(now=True)

    def __call__(self, event: Event) -> None:
        """Take note of an event, and show it from time to time.

        Args:
            event: of the run.
        """
        if isinstance(event, PhaseStarted):
            self._begun = time.monotonic()
            self._notes = {}
            self._show(event.phase, event.done, event.total)
        elif isinstance(event, Scored):
            self._notes |= {name.upper(): f"{value:.3f}" for name, value in event.scores.items() if value is not None}
        elif isinstance(event, Progress | Refreshed):
            step = event.step if isinstance(event, Progress) else event.iteration
            phase = event.phase if isinstance(event, Progress) else "cluster"
            if time.monotonic() < self._next and step < event.total:
                return
            if event.terms:  # read from the device only when they are shown
                self._notes["loss"] = f"{sum(float(term) for term in event.terms.values()):.4g}"
            if isinstance(event, Refreshed):
                self._notes["changed"] = f"{event.changed:.2%}"
            self._show(phase, step, event.total)
        elif isinstance(event, PhaseEnded):
            took = duration(time.monotonic() - self._begun)
            self._notes = {event.reason: f"after {took}", **self._notes}
            self._show(event.phase, event.steps, max(event.steps, 1), now=True)
        elif isinstance(event, ImagesRead):
            self._show("images", event.done, event.total)
        elif isinstance(event, Downloading):
            self._show("download", event.received / 1e6, (event.total or event.received) / 1e6)
        else:
            told = [escape(text) for text, _ in notices(event, self.config)]
            self.told += told
            self._update(now=bool(told))

    def finish(self, result: Mapping[str, Any], sizes: Sequence[int]) -> None:
        """Show what the run came to.

        Args:
            result: as `--json` prints it.
            sizes: images in each cluster.
        """
        known = [f"{name.upper()} {result[name]:.4f}" for name in ("acc", "nmi", "ari") if result[name] is not None]
        parts = [
            f"{result['n_samples']:,} images in {result['n_clusters']} clusters of {min(sizes):,} to {max(sizes):,}"
        ]
        parts += [", ".join(known)] if known else []
        parts += [duration(result["seconds"].get("total", 0)), f"in {result['run']}"]
        self.told.append(escape("; ".join(parts)) + ". <code>run.report()</code> shows them.")
        self.told += [f"<b>Warning:</b> {escape(warning)}" for warning in result["warnings"]]
        self._update(now=True)

    def _show(self, phase: str, done: float, total: float, now: bool = False) -> None:
        self.phases[phase] = (done, total, "  ".join(f"{name} {text}" for name, text in self._notes.items()))
        self._update(now)

    def _update(self, now: bool) -> None:
        if self._handle is not None and (now or time.monotonic() >= self._next):
            from IPython.display import HTML

            self._next = time.monotonic() + UPDATE_SECONDS
            self._handle.update(HTML(self._html()))

    def _html(self) -> str:
        rows = [
            f"<tr><td>{phase}</td><td><progress value='{done:g}' max='{max(total, 1):g}'></progress></td>"
            f"<td>{done:,.0f}/{total:,.0f} {UNITS[phase]}</td><td style='text-align: left'>{escape(notes)}</td></tr>"
            for phase, (done, total, notes) in self.phases.items()
        ]
        return "<br>".join(self.head) + f"<table>{''.join(rows)}</table>" + "<br>".join(self.told)
