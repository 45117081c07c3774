"""What can go wrong, by kind: every error a user may meet, with the exit code it ends the program with."""

from collections.abc import Iterable
from difflib import get_close_matches


class DecdaError(Exception):
    """An error with a message fit for users: what happened, why, what to do."""

    exit_code = 1


class ConfigError(DecdaError):
    """The words of the user (options, configuration file, Python arguments) do not make sense."""

    exit_code = 2


class UnknownComponent(ConfigError):
    """No registered part of that kind has that name."""


class AmbiguousComponent(ConfigError):
    """Several packages give that name, and none of them was picked."""


class InvalidParameter(ConfigError):
    """A parameter is unknown, of another type, or out of range."""


class DataError(DecdaError):
    """Images, labels or files are missing, damaged or of another format."""

    exit_code = 3


class MissingFile(DataError):
    """A data file is not there, and cannot be had."""


class TrainingDiverged(DecdaError):
    """Losses or embeddings are no longer finite numbers."""

    exit_code = 4


class BrokenComponent(DecdaError):
    """A registered part cannot be imported or is not what its entry point says."""

    exit_code = 5


class ContractViolation(DecdaError):
    """A part was loaded, but does not keep what `decda.core.contracts` promises of it."""

    exit_code = 5


def in_a_line(error: BaseException) -> str:
    """`"ValueError: its message"`; PyTorch's go on with its own stack, and a stranger's may fail to say theirs."""
    try:
        message = next(iter(str(error).strip().splitlines()), "")
    except Exception:
        message = "(its message cannot be read)"
    return f"{type(error).__name__}: {message}"


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """`" Did you mean 'x'?"` if one of the choices is near to the name, else nothing."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = get_close_matches(str(name).lower(), list(by_lower), n=1)
    return f" Did you mean '{by_lower[near[0]]}'?" if near else ""
