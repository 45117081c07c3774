"""Which images come in which batch, and what is drawn for their augmentation: all keyed by seed, stream and epoch."""

import torch
from torch import Tensor

from decda.core.config.train_config import TrainConfig
from decda.core.contracts import Augmentation
from decda.core.random_keys import keyed_generator
from decda.core.training.images import Portion
from decda.core.training.peers import ALONE, Peers


class Batches:
    """The batches of both phases. Nothing here depends on what was drawn before, so that training can go on anywhere.

    Args:
        n: number of images.
        config: with `drop_last` resolved.
        seed: of every draw.
        augment: draws its parameters on the CPU, the same for every device.
        device: where batches are needed.
        peers: the processes that share the batches; the size and the draws of a batch do not depend on them.

    Attributes:
        size: images in a whole batch.
    """

    def __init__(
        self,
        n: int,
        config: TrainConfig,
        seed: int,
        augment: Augmentation,
        device: torch.device,
        peers: Peers = ALONE,
    ):
        self.n = n
        self.size = min(config.batch_size, n)
        self.config = config
        self.seed = seed
        self.augment = augment
        self.device = device
        self.peers = peers

    @property
    def in_epoch(self) -> int:
        """Batches of an epoch of pretraining."""
        return self.n // self.size if self.config.drop_last else self.in_walk

    @property
    def in_walk(self) -> int:
        """Batches of one walk over the images while clustering, the last one partial."""
        return -(-self.n // self.size)

    def epoch(self, epoch: int) -> list[Portion]:
        """What this process computes of every batch of an epoch of pretraining, shuffled.

        Args:
            epoch: from 0.
        """
        order = torch.randperm(self.n, generator=keyed_generator(self.seed, "order", epoch))
        if self.config.drop_last:
            order = order[: self.in_epoch * self.size]
        draws = self.draw(len(order), "pretrain", epoch, self.config.augments("pretrain"))
        return self._portions(self._move(order), draws)

    def walk(self, walk: int) -> list[Portion]:
        """The same of one walk over the images while clustering, shuffled or as they are stored.

        Stored order on data sorted by class makes every batch a batch of one class, and clusters collapse.

        Args:
            walk: from 0.
        """
        if self.config.order == "stored":
            order = torch.arange(self.n, device=self.device)
        else:
            order = self._move(torch.randperm(self.n, generator=keyed_generator(self.seed, "cluster order", walk)))
        draws = self.draw(self.n, "cluster", walk, self.config.augments("cluster"))
        return self._portions(order, draws)

    def _portions(self, order: Tensor, draws: Tensor) -> list[Portion]:
        batches = zip(order.split(self.size), draws.split(self.size), strict=True)
        return [self.peers.portion_of(index, drawn) for index, drawn in batches]

    def draw(self, n: int, stream: str, epoch: int, augmented: bool) -> Tensor:
        """The draws of n images.

        Args:
            n: how many.
            stream: what they are for.
            epoch: which time.
            augmented: whether there is anything to draw.

        Returns:
            float32 (n, P) on the device; (n, 0) if there is nothing.
        """
        if not augmented:
            return torch.empty(n, 0, device=self.device)
        return self._move(self.augment.sample(n, keyed_generator(self.seed, stream, epoch)))

    def _move(self, drawn: Tensor) -> Tensor:
        """Copy to the device; to a GPU without waiting for the work it still has."""
        on_gpu = self.device.type == "cuda"
        return (drawn.pin_memory() if on_gpu else drawn).to(self.device, non_blocking=on_gpu)
