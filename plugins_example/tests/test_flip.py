"""The part keeps decda's contract."""

import torch
from decda_plugin_example import RandomFlip

from decda.core.contracts import Augmentation


def test_flip_mirrors_what_was_drawn() -> None:
    """Images whose draw is 1 are mirrored left to right, the others pass."""
    flip = RandomFlip(p=0.5)
    assert isinstance(flip, Augmentation)
    x = torch.arange(12.0).view(2, 1, 2, 3)
    assert torch.equal(flip.apply(x, torch.tensor([[1.0], [0.0]])), torch.stack([x[0].flip(2), x[1]]))


def test_draws_follow_the_generator() -> None:
    """Equal generators give equal draws, at about the probability asked for."""
    draws = [RandomFlip(p=0.3).sample(1000, torch.Generator().manual_seed(0)) for _ in range(2)]
    assert torch.equal(*draws)
    assert 0.25 < draws[0].mean() < 0.35
