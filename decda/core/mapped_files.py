"""Arrays in mapped files: the operating system reads them as they are looked at, and what was looked at is given back.

Pages of a mapped file count as memory of the process until the system needs them elsewhere. Going once through a file
that is larger than memory would thus look as if all of it were held.
"""

import io
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self
from weakref import ReferenceType, finalize, ref

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

LOOKED_AT = 2**26
"""Bytes of a mapped file that are looked at before they are given back."""


@dataclass(frozen=True)
class _Mapping:
    address: int
    mapped: "ReferenceType[mmap.mmap]"
    descriptor: int | None
    offset: int  # of the file, where the mapping begins

    def holds(self, address: int) -> bool:
        mapped = self.mapped()
        return mapped is not None and not mapped.closed and self.address <= address < self.address + len(mapped)


_mappings: dict[int, _Mapping] = {}
"""The mappings whose pages hold nothing but what the file holds, by their address in this process."""


class MappedFile(np.memmap[Any, Any]):
    """An array in an open file that is never written to: changes are lost; its pages can be given back at any time."""

    def __new__(
        cls, file: io.FileIO, dtype: Any, offset: int, shape: tuple[int, ...], order: Literal["C", "F"] = "C"
    ) -> Self:
        """Map an array.

        Args:
            file: may be closed afterwards.
            dtype: of the array.
            offset: of its first byte.
            shape: of the array.
            order: of its numbers in the file.
        """
        # Copy on write: the file is never changed, and PyTorch, which knows no read-only tensors, does not warn.
        mapped: Self = super().__new__(cls, file, dtype, "c", offset, shape, order)  # type: ignore[assignment]
        _remember(mapped, os.dup(file.fileno()))
        return mapped


def remember_mapping(values: NDArray[Any]) -> None:
    """Take note of the file that an array of the caller is mapped from, so that a tensor over it is known, too.

    Does nothing for other arrays, and for mapped ones that hold changes of their own (copy on write).

    Args:
        values: an array, or a view of one.

    Example:
        >>> remember_mapping(np.zeros(3))
    """
    base: Any = values
    mapped: np.memmap[Any, Any] | None = None
    while base is not None and not isinstance(base, mmap.mmap):
        mapped = base if isinstance(base, np.memmap) else mapped
        base = getattr(base, "base", None)
    if base is not None and mapped is not None and mapped.mode != "c":
        _remember(mapped, None)


def _remember(mapped: np.memmap[Any, Any], descriptor: int | None) -> None:
    """Keep the address of a mapping as long as there is an array over it, and its file open as long."""
    mapping: mmap.mmap = mapped._mmap  # type: ignore[attr-defined]
    address: int = np.frombuffer(mapping, np.uint8).ctypes.data
    if address in _mappings and _mappings[address].mapped() is mapping:
        return
    start = mapped.offset - mapped.offset % mmap.ALLOCATIONGRANULARITY
    _mappings[address] = _Mapping(address, ref(mapping), descriptor, start)
    finalize(mapping, _forget, address, descriptor)


def _forget(address: int, descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
    found = _mappings.get(address)
    if found is not None and found.mapped() is None:  # else another file lies there by now
        del _mappings[address]


def _find(values: NDArray[Any] | Tensor) -> _Mapping | None:
    address = values.data_ptr() if isinstance(values, Tensor) else values.ctypes.data
    return next((mapping for mapping in list(_mappings.values()) if mapping.holds(address)), None)


def find_mapping(values: NDArray[Any] | Tensor) -> mmap.mmap | None:
    """The mapping of a file that an array or a tensor lies in.

    Args:
        values: an array, a tensor, or a view of one.

    Returns:
        The mapping; None if the values lie in memory, or may differ from what the file holds.

    Example:
        >>> find_mapping(np.zeros(3)) is None
        True
    """
    found = _find(values)
    return None if found is None else found.mapped()


def find_place(values: NDArray[Any] | Tensor) -> tuple[int, int] | None:
    """Where in which open file an array or a tensor begins.

    Args:
        values: an array, a tensor, or a view of one.

    Returns:
        The descriptor of the file, open as long as the values are, and the byte; None if they lie in memory, or in a
        file that the caller has mapped, of which nothing but its name is known.

    Example:
        >>> find_place(np.zeros(3)) is None
        True
    """
    found = _find(values)
    if found is None or found.descriptor is None:
        return None
    address: int = values.data_ptr() if isinstance(values, Tensor) else values.ctypes.data
    return found.descriptor, found.offset + address - found.address


def give_back(values: NDArray[Any] | Tensor) -> None:
    """Give back the memory that a mapped file has taken so far; it is read again if it is looked at again.

    Does nothing for other arrays, and where the operating system has no such call.

    Args:
        values: an array, a tensor, or a view of one.

    Example:
        >>> give_back(np.zeros(3))
    """
    mapping = find_mapping(values)
    if mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapping.madvise(mmap.MADV_DONTNEED)


def parts(x: Tensor, size: int) -> Iterator[Tensor]:
    """Views of consecutive entries; what they have taken of a mapped file is given back on the way.

    Args:
        x: (N, ...), on the CPU.
        size: entries of a part, the last of which may be smaller.

    Yields:
        (size, ...).

    Example:
        >>> import torch
        >>> [part.tolist() for part in parts(torch.arange(5), 2)]
        [[0, 1], [2, 3], [4]]
    """
    looked_at = 0
    for part in x.split(size):
        yield part
        looked_at += part.numel() * part.element_size()
        if looked_at >= LOOKED_AT:
            give_back(x)
            looked_at = 0
    give_back(x)
