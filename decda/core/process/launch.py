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
    rank, size, _, port = (os.environ.get(name, "").strip() for name in VARIABLES)
    numbers = all(text.isascii() and text.isdecimal() and len(text) < 10 for text in (rank, size, port))
    if not numbers or not os.environ.get("MASTER_ADDR", "").strip() or int(rank) >= int(size):
        return 1
    return int(size)


def launched_rank() -> int:
    """The number of this process among them.

    Returns:
        From 0; process 0 writes the folder of the run, and the terminal.

    Example:
        >>> launched_rank()
        0
    """
    return int(os.environ["RANK"]) if launched_size() > 1 else 0


def processes_here() -> int:
    """How many of the processes that share a run are on this machine.

    Returns:
        At least 1.

    Example:
        >>> processes_here()
        1
    """
    text = os.environ.get("LOCAL_WORLD_SIZE", "").strip()
    return max(int(text), 1) if launched_size() > 1 and text.isascii() and text.isdecimal() else 1


def is_first_here() -> bool:
    """Whether this process is the first of its machine, which tells what all of them meet with.

    Returns:
        True for a process that is alone.

    Example:
        >>> is_first_here()
        True
    """
    return launched_rank() == 0 or os.environ.get("LOCAL_RANK", "") == "0"
