"""Several runs: what each is to do, and what is told of it while it goes on and at its end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import print_exception
from typing import TYPE_CHECKING, Any

from decda.core.config.run_config import RunConfig
from decda.core.errors import DecdaError
from decda.core.events import Event

if TYPE_CHECKING:
    from decda.core.runs.experiment import Result


@dataclass(frozen=True)
class Job:
    """One of several runs.

    Attributes:
        key: what listeners know it by.
        config: with the seed.
        out: the run's folder.
    """

    key: Any
    config: RunConfig
    out: Path


@dataclass(frozen=True)
class Finished:
    """What one run came to.

    Attributes:
        seed: of the run.
        result: what `--json` prints of a single run.
        sizes: images in each cluster.
    """

    seed: int
    result: Mapping[str, Any]
    sizes: Sequence[int]

    @classmethod
    def of(cls, result: "Result") -> "Finished":
        """From the result of a run, without its tensors."""
        sizes = result.labels.bincount(minlength=result.config.n_clusters or 0).tolist()
        return cls(result.config.seed, result.as_mapping(), sizes)


@dataclass(frozen=True)
class Failed:
    """Why one run has no result.

    Attributes:
        seed: of the run.
        error: the message.
        exit_code: that the run alone would have ended with.
    """

    seed: int
    error: str
    exit_code: int = 1

    @classmethod
    def of(cls, seed: int, error: Exception) -> "Failed":
        """From what the run raised; the traceback of what no user can mend goes to stderr."""
        if isinstance(error, DecdaError):
            return cls(seed, str(error), error.exit_code)
        if isinstance(error, OSError):  # a full disk, a folder removed while it was written to
            return cls(seed, f"{error.filename or 'output'}: {error.strerror or error}")
        print_exception(error)
        return cls(seed, f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}")


@dataclass(frozen=True)
class Said:
    """A line that the process of a run wrote, by whichever part of it."""

    text: str


Outcome = Finished | Failed
Told = Event | Said | Outcome
Notify = Callable[[Any, Told], None]
"""A listener to several runs: gets which run (its seed, or the key it was given) and what is told, its outcome last."""
