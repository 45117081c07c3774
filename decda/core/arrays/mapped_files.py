"""Arrays in mapped files: the operating system reads them as they are looked at, and what was looked at is given back.

Pages of a mapped file count as memory of the process until the system needs them elsewhere. Going once through a file
that is larger than memory would thus look as if all of it were held.
"""

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray


class MappedFile(np.memmap[Any, Any]):
    """An array in a file that is never written to: changes are lost, and its pages can be given back at any time."""


def give_back(values: NDArray[Any]) -> None:
    """Give back the memory that a mapped file has taken so far; it is read again if it is looked at again.

    Does nothing for other arrays, for mapped ones of the caller that hold changes of their own (copy on write), and
    where the operating system has no such call.

    Args:
        values: an array, or a view of one.

    Example:
        >>> give_back(np.zeros(3))
    """
    base: Any = values
    mapped: np.memmap[Any, Any] | None = None
    while base is not None and not isinstance(base, mmap.mmap):
        mapped = base if isinstance(base, np.memmap) else mapped
        base = getattr(base, "base", None)
    if base is None or mapped is None or not hasattr(mmap, "MADV_DONTNEED"):
        return
    if isinstance(mapped, MappedFile) or mapped.mode != "c":
        base.madvise(mmap.MADV_DONTNEED)
