"""The processes that share one run: each computes a portion of every batch, and all of them hold the same model."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from torch import Tensor

from decda.core.training.images import Portion


class Peers(Protocol):
    """What the trainer asks of the processes that share a run. All of them must call the same methods in turn.

    Attributes:
        rank: of this process, from 0.
        size: number of processes. Process r holds the images r, r + size, r + 2 size and so on, so that batches in
            stored order divide as evenly as shuffled ones.
    """

    rank: int
    size: int

    def share_of(self, values: Tensor) -> Tensor:
        """What belongs to the images of this process.

        Args:
            values: of all images (N, ...).

        Returns:
            (M, ...).
        """
        ...

    def portion_of(self, index: Tensor, draws: Tensor) -> Portion:
        """The images of a batch that this process computes.

        Args:
            index: of the batch of all processes, int64 (B,).
            draws: of their augmentation (B, P).

        Returns:
            At least one image; one of no weight where the batch holds none of this process, so that the loss has the
            same terms everywhere.
        """
        ...

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Sum each tensor over the processes, in place.

        Args:
            tensors: the same shapes in all processes.

        Raises:
            PeerLost: another process has ended.
        """
        ...

    def gather(self, values: Tensor, n: int) -> Tensor:
        """What the processes have computed of their images, in the order of the images.

        Args:
            values: of the images of this process (M, D).
            n: number of all images.

        Returns:
            (N, D), equal in all processes.

        Raises:
            PeerLost: another process has ended.
        """
        ...

    def follow(self, tensors: Iterable[Tensor]) -> None:
        """Take over what process 0 has, in place: another machine may round otherwise.

        Args:
            tensors: the same shapes in all processes.

        Raises:
            PeerLost: another process has ended.
        """
        ...


class Alone:
    """One process: everything is its own."""

    rank = 0
    size = 1

    def share_of(self, values: Tensor) -> Tensor:
        """All of them."""
        return values

    def portion_of(self, index: Tensor, draws: Tensor) -> Portion:
        """The whole batch."""
        return Portion(index, draws, len(index))

    def sum(self, tensors: Sequence[Tensor]) -> None:
        """Nothing to add."""

    def gather(self, values: Tensor, n: int) -> Tensor:
        """The values themselves."""
        return values

    def follow(self, tensors: Iterable[Tensor]) -> None:
        """Nobody to follow."""


ALONE = Alone()
