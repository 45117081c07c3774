"""The processor of this machine."""

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux describes it."""


def processor_name() -> str:
    """The model of the processor.

    Returns:
        Its name, where the system tells it; else its architecture.

    Example:
        >>> processor_name() != ""
        True
    """
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
