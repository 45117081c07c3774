"""Entries of an array, wherever it lies, read into memory of their own.

Of a mapped file, they are read by the file's descriptor. A look at a mapped page takes in as many pages around it as
the system sees fit, up to megabytes; a batch of images from all over a file would look as if it held a good part of it.
"""

import os
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.errors import DataError
from decda.core.mapped_files import find_place, give_back

Rows = NDArray[np.int64] | slice


class EntryReader:
    """Reads entries of a tensor. Threads may share one.

    Args:
        x: (N, ...), on the CPU; it must not change.

    Example:
        >>> EntryReader(torch.arange(6).view(3, 2)).read(np.array([2, 0])).tolist()
        [[4, 5], [0, 1]]
    """

    def __init__(self, x: Tensor):
        self._array = x.numpy()
        place = find_place(x) if len(x) else None
        # Entries that lie in one piece, in whatever order of their axes.
        order = sorted(range(1, x.dim()), key=x.stride, reverse=True)
        whole = x[:1].permute(0, *order).is_contiguous()
        self._place = place if whole and hasattr(os, "preadv") else None
        self._shape = tuple(x.shape[axis] for axis in order)
        self._order = [0, *(1 + order.index(axis) for axis in range(1, x.dim()))]
        self._size = x[:1].numel() * x.element_size()
        self._step = x.stride(0) * x.element_size()

    def read(self, rows: Rows) -> Tensor:
        """Read some entries.

        Args:
            rows: their numbers, int64 (M,), or a slice with a step of 1.

        Returns:
            (M, ...), contiguous.

        Raises:
            DataError: the file has become shorter.
            IndexError: there is no such entry.
        """
        if self._place is None:
            # By NumPy, because PyTorch would copy on all of its threads, which are busy with the step.
            read = np.array(self._array[rows], order="C")
            give_back(self._array)
            return torch.from_numpy(read)
        return torch.from_numpy(np.ascontiguousarray(self._from_file(self._place, rows)))

    def _from_file(self, place: tuple[int, int], rows: Rows) -> NDArray[Any]:
        descriptor, start = place
        n = len(self._array)
        numbers = range(*rows.indices(n)) if isinstance(rows, slice) else rows.tolist()
        if not all(0 <= number < n for number in numbers):
            raise IndexError(f"There are {n} entries.")
        entries = np.empty((len(numbers), *self._shape), self._array.dtype)
        content = entries.view(np.uint8).reshape(len(numbers), self._size)
        if isinstance(numbers, range) and self._step == self._size and len(numbers):
            _fill(descriptor, content.reshape(-1), start + numbers[0] * self._step)
        else:
            for piece, number in zip(content, numbers, strict=True):
                _fill(descriptor, piece, start + number * self._step)
        return entries.transpose(self._order)


def _fill(descriptor: int, piece: NDArray[np.uint8], offset: int) -> None:
    done = 0
    while done < len(piece):
        n = os.preadv(descriptor, [piece[done:].data], offset + done)
        if n == 0:
            raise DataError("A file of images has become shorter while it was read. Restore it, and resume the run.")
        done += n
