"""What can go wrong, by kind: every error that a user may meet, with the exit code of the program it ends."""

import errno
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class DecdaError(Exception):
    """An error with a message for users: what happened, why, and what to do.

    Args:
        message: the sentences that are shown.
        parameter: the Python parameter that would change the outcome (`"out"`, `"n_clusters"`), if there is one. The
            command line adds the option of that name; the message itself names no option.

    Attributes:
        exit_code: what the program exits with.
        parameter: as given.
    """

    exit_code = 1

    def __init__(self, message: str = "", *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.parameter = parameter


class ConfigError(DecdaError):
    """What the user asked for (options, configuration file, Python arguments) does not make sense."""

    exit_code = 2


class FolderInUse(ConfigError):
    """Another process is at work in the folder."""


class UnknownComponent(ConfigError):
    """No registered part of that kind has that name."""


class AmbiguousComponent(ConfigError):
    """Several packages provide a part of that name, and none was picked."""


class InvalidParameter(ConfigError):
    """A parameter is unknown, of the wrong type, or out of range."""


class DataError(DecdaError):
    """Images, labels or files are missing, damaged or in the wrong format."""

    exit_code = 3


class MissingFile(DataError):
    """A data file is missing and cannot be downloaded."""


class TrainingDiverged(DecdaError):
    """A loss or an embedding is no longer a finite number."""

    exit_code = 4


class BrokenComponent(DecdaError):
    """A registered part cannot be imported, or is not what its entry point says."""

    exit_code = 5


class ContractViolation(DecdaError):
    """A part was loaded, but does not do what `decda.core.contracts` requires of it."""

    exit_code = 5


class UnusableCheckpoint(DecdaError):
    """What was saved of a run is damaged, or belongs to other parts or images, so that it cannot be resumed."""

    exit_code = 6


class EngineError(DecdaError):
    """The engine that several runs were given to cannot be reached, has gone away, or is not set up as they need it.

    Args:
        message: the sentences that are shown.
        folder: of the runs, where they can go on once the engine serves again.

    Attributes:
        folder: as given.
    """

    exit_code = 7

    def __init__(self, message: str = "", *, folder: Path | None = None) -> None:
        super().__init__(message)
        self.folder = folder


class OutputError(DecdaError):
    """A result cannot be written: the disk is full, a limit is reached, the folder is read-only or gone."""


class OutOfMemory(DecdaError):
    """The machine or the device has no memory left for what was asked."""


class PeerLost(DecdaError):
    """Another of the processes that share a run has ended, so that this one cannot go on."""

    exit_code = 7


NO_MEMORY = (
    *("can't allocate memory", "not enough memory", "Cannot allocate memory", "bad_alloc"),
    *("error: out of memory", "_STATUS_ALLOC_FAILED"),  # CUDA's, and its libraries'
    *("Storage size calculation overflowed", "Invalid buffer size"),  # PyTorch's, of sizes that no machine has
    *("array is too big", "Maximum allowed dimension exceeded"),  # NumPy's
    "cannot fit 'int' into an index-sized integer",  # Python's
)
"""What plain exceptions say where memory, or the largest size there can be, does not suffice."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception means that memory ran out: Python's own, a device's, PyTorch's or NumPy's.

    PyTorch's CPU allocator, and NumPy where a size is beyond any machine, raise plain exceptions, which only their text
    tells apart.

    Args:
        error: any exception; the exceptions that caused it are looked at, too.

    Returns:
        True if it, or one of its causes, says that memory ran out.

    Example:
        >>> is_out_of_memory(MemoryError())
        True
        >>> is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
        False
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or type(seen).__name__ == "OutOfMemoryError":  # torch's, without torch
            return True
        if isinstance(seen, OSError) and seen.errno == errno.ENOMEM:
            return True
        if isinstance(seen, RuntimeError | ValueError | OverflowError) and any(
            text in _message(seen) for text in NO_MEMORY
        ):
            return True
        seen = seen.__cause__  # not __context__: the caller may be handling an error of its own
    return False


def in_a_line(error: BaseException) -> str:
    """An exception as `"ValueError: its message"`, in one line.

    PyTorch appends its own stack to its messages, and a plugin's exception may fail to produce one.

    Args:
        error: any exception.

    Returns:
        Its type and the first line of its message, if it has one.

    Example:
        >>> in_a_line(ValueError("too small"))
        'ValueError: too small'
    """
    message = next(iter(_message(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message cannot be read)"


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """A hint at the nearest of several names.

    Args:
        name: what was typed.
        choices: the names that exist.

    Returns:
        `" Did you mean 'x'?"` with a leading blank, or "" if none is near.

    Example:
        >>> did_you_mean("idecc", ["dec", "idec", "dcn"])
        " Did you mean 'idec'?"
    """
    by_lower = {choice.lower(): choice for choice in choices}
    near = get_close_matches(str(name).lower(), list(by_lower), n=1)
    return f" Did you mean '{by_lower[near[0]]}'?" if near else ""
