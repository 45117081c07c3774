"""Warnings silenced in the threads that ask for it, and in no other."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def quiet_warnings() -> Iterator[None]:
    """Silence every warning that this thread gives inside the block.

    `warnings.catch_warnings` replaces the filters of the whole process and puts old ones back: where two threads use it
    at once, one of them undoes what the other has set, for good. Here one more filter stands in front of the others
    while any thread is inside such a block, and looks up whether it is the thread that warns.

    Example:
        >>> with quiet_warnings():
        ...     warnings.warn("unheard")
    """
    global _inside
    with _LOCK:
        _inside += 1
        if not (warnings.filters and warnings.filters[0] is _FILTER):  # new filters are put in front
            warnings.filters.insert(0, _FILTER)  # type: ignore[attr-defined]
    depth = getattr(_THREAD, "depth", 0)
    _THREAD.depth = depth + 1
    try:
        yield
    finally:
        _THREAD.depth = depth
        with _LOCK:
            _inside -= 1
            if not _inside:
                warnings.filters[:] = [each for each in warnings.filters if each is not _FILTER]  # type: ignore[index]


class _InsideBlock:
    """Stands where a filter has a compiled pattern, and matches the names of all modules for some threads."""

    pattern = "(?!)"
    """What scikit-learn hands to its workers, with the other filters of the process: it matches nothing there."""

    def match(self, module: str) -> bool:
        """Whether this thread is inside a block.

        Args:
            module: that warns, whichever it is.
        """
        return getattr(_THREAD, "depth", 0) > 0


_THREAD = threading.local()
_LOCK = threading.Lock()
_inside = 0
_FILTER: Any = ("ignore", None, Warning, _InsideBlock(), 0)
