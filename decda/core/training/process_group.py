"""Several processes that share one run, started by `torchrun`: torch.distributed, gloo on CPUs and nccl on GPUs."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from decda.core.errors import ConfigError, PeerLost, in_a_line
from decda.core.mapped_files import find_mapping
from decda.core.training.images import Portion

T = TypeVar("T")
PATIENCE = timedelta(days=1)
"""How long processes wait for each other: a start of millions of embeddings may keep one of them busy for hours. By
gloo, one that has ended is noticed at once; otherwise `torchrun` ends the others."""
JOIN_PATIENCE = timedelta(minutes=10)
"""How long they wait until all are there."""
_numbers = count()


@contextmanager
def joined(device: torch.device) -> Iterator["Group"]:
    """Join the processes that `torchrun` has started, and leave them at the end.

    Args:
        device: on which this process computes.

    Yields:
        The processes.

    Raises:
        ConfigError: the program has a process group already.
        PeerLost: another process has ended before all had joined.
    """
    if dist.is_initialized():
        raise ConfigError(
            "This program has a process group of its own, in which decda cannot share a run. End it first, by "
            "torch.distributed.destroy_process_group()."
        )
    if device.type == "cuda":
        torch.cuda.set_device(device)  # what objects are sent by
    with _noticing():
        store, rank, size = next(rendezvous("env://", timeout=JOIN_PATIENCE))
        # Runs that follow each other in one program must not find the addresses of those before.
        store = PrefixStore(f"decda-{next(_numbers)}", store)
        backend = "nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    try:
        yield Group()
    finally:
        dist.destroy_process_group()


class Group:
    """The processes of a run, as `Peers` says; of torch.distributed's default group.

    Attributes:
        rank: of this process.
        size: number of processes.
        asked: set where this process was asked to end.
        ending: whether any process had been asked, at the last sum; equal in all of them.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.asked = self.ending = False

    def share_of(self, values: Tensor) -> Tensor:
        """Every `size`-th row, beginning at `rank`: a copy, so that the whole can be freed, unless it is a file."""
        share = values[self.rank :: self.size]
        return share if find_mapping(values) is not None else share.clone()

    def portion_of(self, index: Tensor, draws: Tensor) -> Portion:
        """The images of the batch that are this process's, weighted by their number."""
        mine = index % self.size == self.rank
        n = int(mine.sum())
        if n == 0:
            return Portion(index.new_tensor([self.rank]), draws[:1], len(index), 0.0)
        return Portion(index[mine], draws[mine], len(index), n / len(index))

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Sum each tensor in place, all of them in one message, which also carries who was asked to end."""
        asked = tensors[0].new_tensor([float(self.asked)])
        message = torch.cat([tensor.reshape(-1) for tensor in (*tensors, asked)])
        with _noticing():
            dist.all_reduce(message)
        parts = message.split([tensor.numel() for tensor in (*tensors, asked)])
        for tensor, part in zip(tensors, parts, strict=False):
            tensor.copy_(part.view_as(tensor))
        self.ending = bool(parts[-1] > 0)

    def gather(self, values: Tensor, n: int) -> Tensor:
        """The values of all images; shares differ by one image at most."""
        rows = -(-n // self.size)
        own = values.new_zeros(rows, *values.shape[1:])
        own[: len(values)] = values
        found = values.new_empty(self.size, *own.shape)
        with _noticing():
            dist.all_gather(list(found.unbind(0)), own)
        return found.transpose(0, 1).reshape(rows * self.size, *values.shape[1:])[:n]

    def agree(self, asked: str | None) -> str | None:
        """Find out whether any process was asked to end, so that all end after the same step.

        Args:
            asked: the name of the signal that asked this one; None: nobody did.

        Returns:
            The name of a signal; None if at the last sum nobody had been asked.
        """
        self.asked = asked is not None
        return (asked or "SIGTERM") if self.ending else None

    def follow(self, tensors: Iterable[Tensor]) -> None:
        """Take over the tensors of process 0."""
        with _noticing():
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def tell(self, value: T) -> T:
        """What process 0 has to say.

        Args:
            value: any object that can be pickled; that of the other processes is ignored.

        Returns:
            That of process 0.
        """
        told: list[Any] = [value]
        with _noticing():
            dist.broadcast_object_list(told, 0)
        said: T = told[0]
        return said

    def exchange(self, value: T) -> list[T]:
        """What each process has to say.

        Args:
            value: any object that can be pickled.

        Returns:
            One by process, in the order of their ranks.
        """
        said: list[Any] = [None] * self.size
        with _noticing():
            dist.all_gather_object(said, value)
        return said


@contextmanager
def _noticing() -> Iterator[None]:
    """Turn what torch.distributed raises when a process has ended into an error for users."""
    try:
        yield
    except RuntimeError as error:  # also DistError and its kinds
        raise PeerLost(
            f"Another process of this run has ended, or cannot be reached ({in_a_line(error)}). Its own message says "
            "why, unless it was killed."
        ) from error
