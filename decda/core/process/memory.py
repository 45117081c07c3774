"""How much memory this process may use."""

import os
from contextlib import suppress
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
"""Where Linux tells."""
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where a container's limit stands, in both versions of cgroups."""


def read_memory() -> tuple[int | None, int | None]:
    """The memory of this machine, or of the container that the process is in.

    Returns:
        All of it and what is free, in bytes; each None where the system does not tell.

    Example:
        >>> total, free = read_memory()
        >>> total is None or free is None or 0 <= free <= total
        True
    """
    known = dict.fromkeys(("MemTotal", "MemAvailable"))
    with suppress(OSError, ValueError):
        for line in MEMINFO.read_text(encoding="ascii", errors="replace").splitlines():
            name, _, size = line.partition(":")
            if name in known:
                known[name] = int(size.split()[0]) * 1024
    total, free = known.values()
    if total is None:
        with suppress(AttributeError, OSError, ValueError):  # Windows has no such function
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in LIMITS:
        with suppress(OSError, ValueError):  # there is no limit, or it is "max"
            limit = int(path.read_text(encoding="ascii"))
            total, free = (None if size is None else min(size, limit) for size in (total, free))
    return total, free
