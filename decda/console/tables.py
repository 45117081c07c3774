"""What people see: component tables, the live display of a run, its result. The only file with rich.

All text that comes from outside (names, summaries, errors) is put into `Text`, which reads no markup.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

import click
from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from decda.core.config import RunConfig
from decda.core.events import Batch, Downloading, Event, PhaseEnded, PhaseStarted, Refreshed, Scored
from decda.core.events import Progress as Advance

PLAIN_SECONDS = 5.0
WIDE = 200
UNITS = {"pretrain": "epoch", "cluster": "iteration"}
TITLES = {"pretrain": "pretrain", "init_centers": "centers", "cluster": "cluster"}
STATUS_STYLES = {"ok": "green", "broken": "bold red", "ambiguous": "yellow"}


class ProgressDisplay:
    """A listener that shows a run as it goes, on stderr: live on a terminal, else a plain line every few seconds."""

    def __init__(self, config: RunConfig):
        self.console = Console(stderr=True)
        self.live = self.console.is_terminal
        self.title = " · ".join(config.part(kind).short for kind in ("dataset", "encoder", "head", "augment"))
        self.notes: dict[str, str] = {}
        self.progress = Progress(
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=24),
            _Count(),
            TimeRemainingColumn(),
            _Notes(),
            console=self.console,
            disable=not self.live,
        )
        self.task: TaskID | None = None
        self.downloads: dict[str, TaskID] = {}
        self._phase_start = self._last_line = 0.0
        self._epochs = 0

    def __enter__(self) -> "ProgressDisplay":
        self.console.print(Text(self.title, style="bold"))
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event. Values are read from the device only when a line is drawn."""
        if isinstance(event, PhaseStarted):
            self._start(event)
        elif isinstance(event, Batch):
            self._within_epoch(event)
        elif isinstance(event, Advance):
            if event.terms and (self.live or self._due()):
                self.notes["loss"] = f"{sum(float(t) for t in event.terms.values()):.4g}"
            self._advance(event.phase, event.step, event.total)
        elif isinstance(event, Scored):
            known = {name.upper(): f"{value:.3f}" for name, value in event.scores.items() if value is not None}
            self.notes.update(known)
        elif isinstance(event, Refreshed):
            if event.terms:
                self.notes["loss"] = f"{sum(float(t) for t in event.terms.values()):.4g}"
            self.notes["changed"] = f"{event.changed:.2%}"
            self._advance("cluster", event.iteration, event.total)
        elif isinstance(event, PhaseEnded):
            self._end(event)
        elif isinstance(event, Downloading):
            self._download(event)

    def _start(self, event: PhaseStarted) -> None:
        self._phase_start = self._last_line = time.monotonic()
        self._epochs = 0
        self.notes.pop("loss", None)
        self.task = self.progress.add_task(TITLES[event.phase], total=event.total, notes=self.notes)

    def _within_epoch(self, event: Batch) -> None:
        if self.live and self.task is not None:
            self.progress.update(self.task, completed=self._epochs + event.number / event.total)
        elif self._due(2):  # the end of an epoch, which tells more, comes first where epochs are short
            self._last_line = time.monotonic()
            self._line(f"{event.phase} epoch {self._epochs + 1}, batch {event.number}/{event.total}")

    def _advance(self, phase: str, step: int, total: int) -> None:
        self._epochs = step
        if self.live and self.task is not None:
            self.progress.update(self.task, completed=step, notes=self.notes)
        elif self._due() and step:
            self._last_line = time.monotonic()
            left = (self._last_line - self._phase_start) / step * (total - step)
            self._line(f"{phase} {UNITS[phase]} {step}/{total}  {_joined(self.notes)}  at most {left:.0f} s left")

    def _end(self, event: PhaseEnded) -> None:
        seconds = time.monotonic() - self._phase_start
        if self.live and self.task is not None:
            self.progress.update(
                self.task, total=max(event.steps, 1), completed=max(event.steps, 1), notes=dict(self.notes)
            )
        elif not self.live and event.phase in UNITS:
            self._line(
                f"{event.phase} {event.reason} after {event.steps} {UNITS[event.phase]}s, {seconds:.1f} s  "
                f"{_joined(self.notes)}"
            )

    def _download(self, event: Downloading) -> None:
        if self.live:
            if event.file not in self.downloads:
                self.downloads[event.file] = self.progress.add_task(
                    "download", total=event.total, notes={"file": event.file}
                )
            self.progress.update(self.downloads[event.file], completed=event.received, total=event.total)
        elif self._due():
            self._last_line = time.monotonic()
            share = f" of {event.total / 1e6:.1f}" if event.total else ""
            self._line(f"download {event.file}  {event.received / 1e6:.1f}{share} MB")

    def _due(self, times: int = 1) -> bool:
        return time.monotonic() - self._last_line >= times * PLAIN_SECONDS

    def _line(self, text: str) -> None:
        click.echo(text.rstrip(), err=True)


class _Count(ProgressColumn):
    """Steps made, of how many; bytes as megabytes."""

    def render(self, task: Task) -> Text:
        scale, unit = (1e6, " MB") if task.description == "download" else (1, "")
        total = "?" if task.total is None else f"{task.total / scale:.0f}"
        return Text(f"{task.completed / scale:.0f}/{total}{unit}")


class _Notes(ProgressColumn):
    """Loss, share of changed labels and scores, behind the bar."""

    def render(self, task: Task) -> Text:
        return Text(_joined(task.fields.get("notes", {})), style="dim")


def print_result(result: Mapping[str, Any], sizes: Sequence[int]) -> None:
    """The panel at the end of a run.

    Args:
        result: what `--json` prints.
        sizes: images in each cluster.
    """
    table = Table.grid(padding=(0, 2))
    table.add_row("", *(Text(name.upper(), style="bold") for name in ("acc", "nmi", "ari")))
    if result["acc"] is not None:
        for label, scores in (("this run", result), ("k-means on the pretrained embedding", result["baseline"])):
            table.add_row(label, *(f"{scores[name]:.4f}" for name in ("acc", "nmi", "ari")))
    counts = Text("images in each cluster: " + ", ".join(str(size) for size in sizes))
    total = result["seconds"].get("total", 0)
    body = [counts, Text(f"{total:.1f} s; labels in {result['run']}/labels.csv")]
    if result["acc"] is not None:
        body.insert(0, table)  # type: ignore[arg-type]
    title = Text(f"{result['n_samples']} images, {result['n_clusters']} clusters")
    Console(stderr=True).print(Panel(Group(*body), title=title, expand=False))


def print_components(rows: Sequence[Mapping[str, Any]], problems: Sequence[Mapping[str, str]]) -> None:
    """The table of `decda list-components`, on stdout; what is wrong with packages, on stderr."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("kind", "name", "package", "status", "summary"):
        table.add_column(name, no_wrap=name != "summary", overflow="fold")
    for row in rows:
        summary = Text(row["summary"])
        if row["error"]:
            summary.append(("\n" if row["summary"] else "") + row["error"], style="red")
        for parameter in row.get("parameters", ()):
            summary.append("\n" + _parameter_line(parameter), style="dim")
        if "settings" in row:
            summary.append("\n" + json.dumps(row["settings"]), style="dim")
        table.add_row(
            row["kind"],
            Text(row["name"], style="cyan"),
            Text(f"{row['package']} {row['version']}"),
            Text(row["status"], style=STATUS_STYLES[row["status"]]),
            summary,
        )
    _stdout().print(table)
    for problem in problems:
        text = f"{problem['package']} {problem['version']}: {problem['reason']} ({problem['file']})"
        Console(stderr=True).print(Text(text, style="red"))


def print_component(row: Mapping[str, Any]) -> None:
    """The page of `decda show`, on stdout."""
    console = _stdout()
    console.print(
        Text.assemble((row["kind"], "bold"), " ", (row["name"], "bold cyan"), f"  {row['package']} {row['version']}")
    )
    console.print(Text(row["summary"]))
    if row["error"]:
        console.print(Text(row["error"], style="red"))
    if "settings" in row:
        import tomli_w

        console.print(Text("\n" + tomli_w.dumps(row["settings"]).strip()))
        return
    if not row["parameters"]:
        console.print(Text("\nIt takes no parameters."))
        return
    print_parameters(row["kind"], row["parameters"])


def print_parameters(kind: str, parameters: Sequence[Mapping[str, Any]]) -> None:
    """A table of parameters as `--set` names them, on stdout."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("--set", "type", "default", "help"):
        table.add_column(name, overflow="fold", no_wrap=name == "--set")
    for p in parameters:
        table.add_row(Text(f"{kind}.{p['name']}", style="cyan"), Text(p["type"]), Text(_default(p)), Text(p["help"]))
    _stdout().print()
    _stdout().print(table)


def _stdout() -> Console:
    # Into a pipe nothing is wrapped: a row stays a line.
    return Console() if sys.stdout.isatty() else Console(width=WIDE)


def _parameter_line(parameter: Mapping[str, Any]) -> str:
    return f"{parameter['name']}: {parameter['type']} = {_default(parameter)}  {parameter['help']}"


def _default(parameter: Mapping[str, Any]) -> str:
    if parameter["required"]:
        return "(required)"
    default = parameter["default"]
    if isinstance(default, list):
        return ",".join(str(value) for value in default)
    return "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def _joined(notes: Mapping[str, str]) -> str:
    return "  ".join(f"{name} {value}" for name, value in notes.items())
