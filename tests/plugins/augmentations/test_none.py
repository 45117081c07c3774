"""No augmentation."""

import torch

from decda.plugins.augmentations.none import NoAugmentation


def test_nothing_is_drawn() -> None:
    """There are no parameters, and neither the given nor the global generator is used."""
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state(), torch.get_rng_state()
    draws = NoAugmentation().sample(5, generator)
    assert draws.shape == (5, 0)
    assert draws.dtype == torch.float32
    assert torch.equal(generator.get_state(), before[0])
    assert torch.equal(torch.get_rng_state(), before[1])


def test_it_takes_tables() -> None:
    """The rows of a table, whose values have no range, pass as images do."""
    rows = torch.tensor([[[[-3.0, 250.0]]]])
    augment = NoAugmentation(value_range=None)
    assert torch.equal(augment.apply(rows, augment.sample(1, torch.Generator())), rows)


def test_images_are_unchanged() -> None:
    """Images are returned unchanged."""
    x = torch.rand(5, 3, 8, 9)
    before = x.clone()
    y = NoAugmentation().apply(x, torch.empty(5, 0))
    assert torch.equal(y, before)
    assert y.dtype == x.dtype
