"""Jobs and messages as lines of JSON, the language between a run's process and the one that started it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from decda.core import events
from decda.core.events import Event, Initialised, Progress, Refreshed, RunEnded
from decda.core.execution.messages import Failed, Finished, Job, Message

TYPES: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (*(kind for kind in vars(events).values() if is_dataclass(kind)), Finished, Failed)
    if isinstance(kind, type)
}
"""What goes through the line, by name."""


@dataclass(frozen=True)
class WorkerJob:
    """All that a process has to know to make a run.

    Attributes:
        config: in the shape of the configuration file.
        recipe: that the configuration was built on, for the record.
        out: the run's folder.
        data_root: where data files are; None: where the process itself looks for them.
        offline: whether the network is left alone.
        threads: that PyTorch computes with.
        load: files of parts to load.
        checkpoint_every: seconds between two checkpoints; 0: none.
        listen: names of the listeners of the run.
        expected: what must be the same as where the run was planned, see `agreement`; None: it is the same machine.
    """

    config: dict[str, Any]
    recipe: str | None
    out: str
    data_root: str | None
    offline: bool
    threads: int
    load: Sequence[str] = field(default_factory=tuple)
    checkpoint_every: float = 0.0
    listen: Sequence[str] = field(default_factory=tuple)
    expected: dict[str, Any] | None = None

    @classmethod
    def from_job(
        cls,
        job: Job,
        *,
        data_root: Path | None,
        offline: bool,
        threads: int,
        load: Sequence[Path] = (),
        checkpoint_every: float = 0.0,
        listen: Sequence[str] = (),
    ) -> "WorkerJob":
        """From what the starting process has in hand.

        Args:
            job: the run.
            data_root: where data files are.
            offline: whether the network is left alone.
            threads: of the process.
            load: files of parts.
            checkpoint_every: seconds between two checkpoints; 0: none.
            listen: names of the listeners of the run.
        """
        return cls(
            job.config.as_mapping(), job.config.recipe, str(job.out), None if data_root is None else str(data_root),
            offline, threads, tuple(str(path) for path in load), checkpoint_every, tuple(listen),
        )  # fmt: skip

    @property
    def seed(self) -> int:
        """Of the run."""
        return int(self.config["seed"])

    def as_line(self) -> str:
        """The job as a line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> "WorkerJob":
        """The job in a line of JSON.

        Args:
            line: from `as_line`.
        """
        return cls(**json.loads(line))


def as_line(message: Message) -> str | None:
    r"""A message as a line of JSON: terms as numbers, without labels and embeddings.

    Args:
        message: an event or an outcome.

    Returns:
        The line; None for an event that stays in its process.

    Example:
        >>> as_line(events.PhaseStarted("cluster", 9))
        '{"type": "PhaseStarted", "phase": "cluster", "total": 9, "done": 0}\n'
    """
    if isinstance(message, Initialised | RunEnded):
        return None
    values = {each.name: getattr(message, each.name) for each in fields(message)}
    if isinstance(message, Progress | Refreshed):
        values["terms"] = {name: float(term) for name, term in message.terms.items()}
    if isinstance(message, Refreshed):
        values["labels"] = ()
    return json.dumps({"type": type(message).__name__, **values}) + "\n"


def from_line(line: str) -> Event | Finished | Failed:
    """The message in a line of JSON.

    Args:
        line: from `as_line`.

    Raises:
        ValueError: the line is something else.

    Example:
        >>> from_line('{"type": "PhaseStarted", "phase": "cluster", "total": 9}')
        PhaseStarted(phase='cluster', total=9, done=0)
    """
    try:
        values = json.loads(line)
        message: Event | Finished | Failed = TYPES[values.pop("type")](**values)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a message: {line[:100]!r}") from error
    return message
