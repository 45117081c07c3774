"""Several runs: what each is to do, and what is reported while it runs and at its end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import print_exception
from typing import TYPE_CHECKING, Any

from decda.core.config.run_config import RunConfig
from decda.core.errors import DecdaError, FolderInUse, OutOfMemory, in_a_line, is_out_of_memory
from decda.core.events import Event

if TYPE_CHECKING:
    from decda.core.runs.run import Run


@dataclass(frozen=True)
class Job:
    """One of several runs.

    Attributes:
        key: what listeners know it by.
        config: with the seed.
        out: the run's folder.
        data_sha256: of its images; "" if nobody has looked at them.
    """

    key: Any
    config: RunConfig
    out: Path
    data_sha256: str = ""


@dataclass(frozen=True)
class Finished:
    """What one run came to.

    Attributes:
        seed: of the run.
        result: what `--json` prints for a single run.
        sizes: images in each cluster.
    """

    seed: int
    result: Mapping[str, Any]
    sizes: Sequence[int]

    @classmethod
    def from_run(cls, run: "Run") -> "Finished":
        """The same without tensors.

        Args:
            run: a finished run.
        """
        return cls(run.config.seed, run.as_mapping(), run.sizes)


@dataclass(frozen=True)
class Failed:
    """Why one run has no result.

    Attributes:
        seed: of the run.
        error: the message.
        exit_code: with which the run alone would have ended the program.
        in_use: whether another process is at work in its folder.
    """

    seed: int
    error: str
    exit_code: int = 1
    in_use: bool = False

    @classmethod
    def from_error(cls, seed: int, error: Exception) -> "Failed":
        """From what a run raised; the traceback of what no user can fix goes to stderr.

        Args:
            seed: of the run.
            error: what it raised.
        """
        if isinstance(error, DecdaError):
            return cls(seed, str(error), error.exit_code, isinstance(error, FolderInUse))
        if is_out_of_memory(error):
            return cls(seed, f"Out of memory: {in_a_line(error)}. Run fewer jobs at once.", OutOfMemory.exit_code)
        if isinstance(error, OSError):  # a full disk, a folder removed while it was written to
            return cls(seed, f"{error.filename or 'output'}: {error.strerror or error}")
        print_exception(error)
        return cls(seed, in_a_line(error))


@dataclass(frozen=True)
class OutputLine:
    """A line that the process of a run wrote, whichever part of it did.

    Attributes:
        text: without its end.
    """

    text: str


Outcome = Finished | Failed
Message = Event | OutputLine | Outcome
Notify = Callable[[Any, Message], None]
"""A listener to several runs: gets the key of a run and a message, the outcome last."""
