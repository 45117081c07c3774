"""An image source -> a set of images: read with progress, kept for the next time, without what is unreadable."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from decda.core.contracts import ImageSet, ImageSource
from decda.core.errors import (
    BrokenComponent,
    ContractViolation,
    DataError,
    DecdaError,
    OutOfMemory,
    in_a_line,
    is_out_of_memory,
)
from decda.core.events import Event, ImagesRead, ImagesSkipped
from decda.core.runs.image_cache import ImageCache, Kept
from decda.core.runs.naming import printable

CHUNK = 2**22
"""Numbers that are read together."""
TRIED_AGAIN = 100
"""Unreadable images that are tried again at the next start; if these are still unreadable, so are the others."""


def collect(source: ImageSource, cache: Path, owner: str, notify: Callable[[Event], None]) -> ImageSet:
    """Read all images of a source.

    Args:
        source: of the images.
        cache: the folder in which images are kept whose source has a key.
        owner: what errors call the data set.
        notify: gets `ImagesRead` and `ImagesSkipped` events.

    Returns:
        The images, mapped from a file or in memory, without those that cannot be read.

    Raises:
        DataError: no image can be read.
        OutOfMemory: they do not fit.
    """
    x = source.whole()
    failures: Mapping[int, str] = {}
    if x is None:
        kept = ImageCache(cache).find(source) if source.key is not None else None
        if kept is not None and _is_outdated(kept, source, owner):
            kept = None
        x, failures = (kept.x, kept.failures) if kept is not None else _read(source, cache, owner, notify)
    n = source.shape[0]
    unread = ((source.names[i] if source.names else f"image {i}", reason) for i, reason in failures.items())
    skipped = sorted([*source.skipped, *unread])
    if len(failures) == n:
        name, reason = skipped[0]
        raise DataError(f"{owner}: none of its {len(skipped)} images can be read; of {printable(name)}: {reason}.")
    if skipped:
        notify(ImagesSkipped(skipped, n + len(source.skipped)))
    complete = not failures
    good = [] if complete else [position for position in range(n) if position not in failures]
    return ImageSet(
        x,
        source.y if complete or source.y is None else source.y[good],
        source.names if complete or source.names is None else [source.names[position] for position in good],
        dict(source.settings),
        source.value_range,
        skipped,
    )


def _is_outdated(kept: Kept, source: ImageSource, owner: str) -> bool:
    """Whether an image can be read now that could not be then, for lack of memory, say."""
    return any(
        position not in read_checked(source, position, position + 1, owner)[1]
        for position in islice(kept.failures, TRIED_AGAIN)
    )


def _read(
    source: ImageSource, cache: Path, owner: str, notify: Callable[[Event], None]
) -> tuple[Tensor, Mapping[int, str]]:
    if source.key is None:
        return _read_into_memory(source, owner, notify)
    with ImageCache(cache).writer(source) as writer:
        if writer is None:
            return _read_into_memory(source, owner, notify)
        failures: dict[int, str] = {}
        for part, failed in _parts(source, owner, notify):
            writer.add(part)
            failures |= failed
            if writer.failed:  # the disk is full
                break
        kept = writer.finish(failures) if len(failures) < source.shape[0] else None
        if len(failures) == source.shape[0]:
            return torch.empty(0, *source.shape[1:], dtype=source.dtype), failures
    return (kept.x, kept.failures) if kept is not None else _read_into_memory(source, owner, notify)


def _read_into_memory(
    source: ImageSource, owner: str, notify: Callable[[Event], None]
) -> tuple[Tensor, Mapping[int, str]]:
    try:
        x = torch.empty(source.shape, dtype=source.dtype)
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"Out of memory: the images of {owner} do not fit. Choose a smaller size.") from error
        raise
    failures: dict[int, str] = {}
    done = 0
    for part, failed in _parts(source, owner, notify):
        x[done : done + len(part)] = part
        done += len(part)
        failures |= failed
    return x[:done], failures


def _parts(
    source: ImageSource, owner: str, notify: Callable[[Event], None]
) -> Iterator[tuple[Tensor, Mapping[int, str]]]:
    """The images of a source that can be read, some at a time, and what is wrong with the others."""
    n, *shape = source.shape
    size = max(CHUNK // max(int(torch.Size(shape).numel()), 1), 1)
    for start in range(0, n, size):
        stop = min(start + size, n)
        x, failed = read_checked(source, start, stop, owner)
        good = torch.tensor([position not in failed for position in range(start, stop)])
        notify(ImagesRead(stop, n))
        yield (x[good] if failed else x).contiguous(), failed


def read_checked(source: ImageSource, start: int, stop: int, owner: str) -> tuple[Tensor, Mapping[int, str]]:
    """What a source reads, if it is what it promised: else rows would be mixed up, or numbers cut off, unnoticed.

    Args:
        source: of the images.
        start: position of the first image.
        stop: position after the last one.
        owner: what errors call the source.

    Returns:
        As `ImageSource.read`.

    Raises:
        ContractViolation: shape, dtype or positions are not as promised.
        BrokenComponent: the source failed.
        OutOfMemory: for lack of memory.
    """
    try:
        x, failed = source.read(start, stop)
    except DecdaError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise OutOfMemory(f"Out of memory: {owner} cannot read its images ({in_a_line(error)}).") from error
        raise BrokenComponent(f"{owner} failed while it read images: {in_a_line(error)}.") from error
    wanted = (stop - start, *source.shape[1:])
    if not (isinstance(x, Tensor) and x.dtype == source.dtype and tuple(x.shape) == wanted and x.device.type == "cpu"):
        found = f"{x.dtype} {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise ContractViolation(f"{owner} must read images as {source.dtype} {wanted} on the CPU; it returned {found}.")
    if not isinstance(failed, Mapping) or not all(start <= position < stop for position in failed):
        raise ContractViolation(f"{owner} must tell what it cannot read by its position, from {start} to {stop - 1}.")
    return x.detach(), failed
