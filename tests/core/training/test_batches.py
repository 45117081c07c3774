"""Which images come in which batch. `test_trainer.py` looks at what training makes of them."""

import pytest
import torch
from torch import Generator, Tensor

from decda.core.config.train_config import TrainConfig
from decda.core.training.batches import Batches

N = 22


class Numbers:
    """Draws one number for each image."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.rand(n, 1, generator=generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return x


def batches(seed: int = 1, **settings: object) -> Batches:
    config = TrainConfig(**{"batch_size": 8, **settings}).resolved(N)  # type: ignore[arg-type]
    return Batches(N, config, seed, Numbers(), torch.device("cpu"))


@pytest.mark.parametrize(("drop_last", "sizes"), [(True, [8, 8]), (False, [8, 8, 6])])
def test_an_epoch_holds_each_image_at_most_once(drop_last: bool, sizes: list[int]) -> None:
    """Shuffled, with the partial batch or without; as many batches as are announced."""
    plan = batches(drop_last=drop_last)
    epoch = plan.epoch(0)
    assert [len(portion.index) for portion in epoch] == [len(portion.draws) for portion in epoch] == sizes
    assert plan.in_epoch == len(sizes)
    seen = torch.cat([portion.index for portion in epoch]).tolist()
    assert len(set(seen)) == sum(sizes)
    assert seen != sorted(seen)


@pytest.mark.parametrize("order", ["shuffled", "stored"])
def test_a_walk_holds_every_image_once(order: str) -> None:
    """In stored order, or in another one in each walk."""
    plan = batches(order=order)
    walks = [torch.cat([portion.index for portion in plan.walk(walk)]).tolist() for walk in range(2)]
    assert [sorted(walk) for walk in walks] == [list(range(N))] * 2
    assert (walks[0] == list(range(N))) is (order == "stored")
    assert (walks[0] == walks[1]) is (order == "stored")
    assert plan.in_walk == 3


def test_draws_are_keyed_by_seed_stream_and_epoch() -> None:
    """Equal keys give equal draws, whatever was drawn before; any other key gives others."""
    plan = batches()
    first = plan.draw(N, "views", 3, True)
    plan.epoch(7)
    assert torch.equal(plan.draw(N, "views", 3, True), first)
    others = [batches(2).draw(N, "views", 3, True), plan.draw(N, "cluster", 3, True), plan.draw(N, "views", 4, True)]
    assert not any(torch.equal(other, first) for other in others)


def test_without_augmentation_nothing_is_drawn() -> None:
    """The draws are empty, (n, 0)."""
    epoch = batches(augment_in="neither").epoch(0)
    assert [tuple(portion.draws.shape) for portion in epoch] == [(8, 0), (8, 0), (6, 0)]
    assert batches().draw(5, "views", 0, False).shape == (5, 0)


def test_a_batch_is_at_most_the_whole_set() -> None:
    """A larger batch size than images makes one batch of all of them."""
    plan = batches(batch_size=512)
    assert (plan.size, plan.in_epoch, plan.in_walk) == (N, 1, 1)
