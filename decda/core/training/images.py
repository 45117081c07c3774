"""The images behind the trainer: on its device as one tensor, or streamed there by batch from memory or from a file."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import torch
from torch import Tensor

from decda.core.contracts import as_float
from decda.core.entry_reader import EntryReader, Rows

T = TypeVar("T")
ImagesMode = Literal["resident", "streamed"]
READERS = 2
"""Threads that read: while one waits for a disk, the other copies."""
AHEAD = 4
"""Batches that are read, or being read, before they are needed."""


@dataclass(frozen=True)
class Portion:
    """The images of a batch that this process computes: all of them, unless several processes share a run.

    Attributes:
        index: which images, int64 (B,), on the device.
        draws: the random parameters of their augmentation (B, P), on the device.
        total: images in the batch of all processes.
        weight: the share of the batch that these images are, in [0, 1].
    """

    index: Tensor
    draws: Tensor
    total: int
    weight: float = 1.0


class Images(Protocol):
    """What the trainer needs of the images.

    Attributes:
        shape: (N, C, H, W).
    """

    shape: tuple[int, ...]

    def ahead(self, portions: Iterable[Portion]) -> Iterator[Portion]:
        """The same portions, each once its images are ready.

        Args:
            portions: in the order in which they are needed.
        """
        ...

    def gather(self, index: Tensor) -> Tensor:
        """Images of the portion that is ready, or of any, where all are.

        Args:
            index: which, int64 (B,).

        Returns:
            (B, C, H, W), float32, on the device.
        """
        ...

    def parts(self, size: int) -> Iterator[Tensor]:
        """All images in their order.

        Args:
            size: at a time.

        Yields:
            (size, C, H, W), float32, on the device.
        """
        ...


def make_images(x: Tensor, mode: ImagesMode, device: torch.device, every: int = 1) -> Images:
    """The images behind a trainer.

    Args:
        x: (N, C, H, W), float32 or uint8, on the CPU or on the device.
        mode: `resident` or `streamed`.
        device: where they are needed.
        every: x holds every so many-th image of a set, and image i of it stands in row i // every.

    Returns:
        The same images.

    Example:
        >>> x = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
        >>> [part.item() for part in make_images(x, "streamed", torch.device("cpu")).parts(1)]
        [0.0, 1.0]
    """
    kind = StreamedImages if mode == "streamed" else ResidentImages
    return kind(x, device, every)


class ResidentImages:
    """Images that stay on the device as one tensor.

    Args:
        x: (N, C, H, W), float32 or uint8.
        device: where to.
        every: as of `make_images`.
    """

    def __init__(self, x: Tensor, device: torch.device, every: int = 1):
        self.x = x.to(device)
        self.shape = tuple(x.shape)
        self.every = every

    def ahead(self, portions: Iterable[Portion]) -> Iterator[Portion]:
        """The same portions: all images are there."""
        yield from portions

    def gather(self, index: Tensor) -> Tensor:
        """Any images."""
        rows = index if self.every == 1 else index // self.every
        return as_float(self.x[rows].contiguous())  # an array of users may be stored as (N, H, W, C)

    def parts(self, size: int) -> Iterator[Tensor]:
        """All images in their order."""
        for part in self.x.split(size):
            yield as_float(part.contiguous())


class StreamedImages:
    """Images that stay in memory or in a mapped file, read by batch in threads ahead of the step.

    Memory holds a few batches at any time, however large a file is.

    Args:
        x: (N, C, H, W), float32 or uint8, on the CPU.
        device: where batches are needed.
        every: as of `make_images`.
    """

    def __init__(self, x: Tensor, device: torch.device, every: int = 1):
        self.device = device
        self.every = every
        self.shape = tuple(x.shape)
        self._reader = EntryReader(x)
        self._copying = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._ready: dict[int, Tensor] = {}  # by size: a captured graph reads the same memory at each replay

    def ahead(self, portions: Iterable[Portion]) -> Iterator[Portion]:
        """Portions whose images are ready; those that follow are being read meanwhile."""
        portions = list(portions)
        sizes = [len(portion.index) for portion in portions]
        # All at once, because each copy from a GPU waits for the work that it still has.
        rows = torch.cat([portion.index for portion in portions]).cpu().split(sizes) if portions else ()
        wanted = zip(portions, (index.numpy() // self.every for index in rows), strict=True)
        for portion, batch in self._read_ahead(wanted):
            self._make_ready(batch)
            yield portion

    def gather(self, index: Tensor) -> Tensor:
        """The images of the portion that came last from `ahead`."""
        return as_float(self._ready[len(index)])

    def parts(self, size: int) -> Iterator[Tensor]:
        """All images in their order, the next of them being read meanwhile."""
        n = self.shape[0]
        for _, batch in self._read_ahead((None, slice(start, start + size)) for start in range(0, n, size)):
            yield as_float(batch.to(self.device))

    def _read_ahead(self, wanted: Iterable[tuple[T, Rows]]) -> Iterator[tuple[T, Tensor]]:
        """Read in threads, some batches ahead, and return in order what each batch was wanted for, and its images."""
        reading: deque[tuple[T, Future[Tensor]]] = deque()
        with ThreadPoolExecutor(READERS, "decda-images") as pool:
            try:
                for what, rows in wanted:
                    reading.append((what, pool.submit(self._read, rows)))
                    if len(reading) > AHEAD:
                        yield _first(reading)
                while reading:
                    yield _first(reading)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # those that nobody asks for any more

    def _read(self, rows: Rows) -> Tensor:
        read = self._reader.read(rows)
        return read if self._copying is None else read.pin_memory()

    def _make_ready(self, batch: Tensor) -> None:
        if self._copying is None:
            self._ready = {len(batch): batch.to(self.device)}
            return
        current = torch.cuda.current_stream(self.device)
        with torch.cuda.stream(self._copying):  # while the device is still busy with earlier steps
            copied = batch.to(self.device, non_blocking=True)
        current.wait_stream(self._copying)
        copied.record_stream(current)
        if len(batch) not in self._ready:
            self._ready[len(batch)] = torch.empty_like(copied)
        self._ready[len(batch)].copy_(copied)


def _first(reading: "deque[tuple[T, Future[Tensor]]]") -> tuple[T, Tensor]:
    what, future = reading.popleft()
    return what, future.result()
