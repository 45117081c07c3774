"""What `torchrun` says of the processes that it has started for one run, in their environment."""

import os

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""Each process has all of these."""


def launched_size() -> int:
    """How many processes share a run.

    Returns:
        1 if `torchrun` has not started this one.

    Example:
        >>> launched_size()
        1
    """
    if not all(os.environ.get(name, "").strip() for name in VARIABLES):
        return 1
    return max(_number("WORLD_SIZE"), 1)


def launched_rank() -> int:
    """The number of this process among them.

    Returns:
        From 0; process 0 writes the folder of the run, and the terminal.

    Example:
        >>> launched_rank()
        0
    """
    return _number("RANK") if launched_size() > 1 else 0


def _number(name: str) -> int:
    value = os.environ[name].strip()
    return int(value) if value.isascii() and value.isdecimal() else 0
