"""Random noise."""

import pickle
from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import kstest

from decda.plugins.augmentations.noise import RandomNoise

SHAPE = (3, 4, 5)


def drawn(n: int, seed: int = 0, std: float = 0.1) -> NDArray[np.float64]:
    draws = RandomNoise(SHAPE, (0.0, 1.0), std=std).sample(n, torch.Generator().manual_seed(seed))
    return np.asarray(draws.double().numpy())


@pytest.mark.parametrize("std", [0.1, 0.7])
def test_noise_is_normal(std: float) -> None:
    """Every value gets noise of its own: normal, of mean 0 and the given deviation."""
    draws = drawn(200, std=std)
    assert draws.shape == (200, 60)
    assert kstest(draws.ravel(), "norm", args=(0, std)).pvalue > 0.01
    assert len(np.unique(draws)) > 0.99 * draws.size
    assert np.abs(np.corrcoef(draws.T) - np.eye(60)).max() < 0.35


def test_the_default_is_a_tenth() -> None:
    """Without a setting, the deviation is .1."""
    assert RandomNoise(SHAPE, None).std == 0.1


def test_noise_is_added_in_the_order_of_the_pixels() -> None:
    """Each pixel gets the number that stands at its own place, channel by channel and row by row."""
    x = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(2, 60, generator=torch.Generator().manual_seed(1))
    before = x.clone(), noise.clone()
    y = RandomNoise(SHAPE, None).apply(x, noise)
    for image in range(2):
        for c in range(3):
            for h in range(4):
                for w in range(5):
                    assert y[image, c, h, w] == x[image, c, h, w] + noise[image, c * 20 + h * 5 + w]
    assert torch.equal(x, before[0])
    assert torch.equal(noise, before[1])


def test_pixels_stay_in_their_range_and_values_of_tables_go_free() -> None:
    """With a range, what leaves it is moved to its edge; without one, nothing is."""
    x, noise = torch.tensor([[[[0.1, 0.5, 0.9]]]]), torch.tensor([[-0.5, 0.25, 0.5]])
    assert RandomNoise((1, 1, 3), (0.0, 1.0)).apply(x, noise).flatten().tolist() == [0, 0.75, 1]
    torch.testing.assert_close(RandomNoise((1, 1, 3), None).apply(x, noise).flatten(), torch.tensor([-0.4, 0.75, 1.4]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_types_are_kept(dtype: torch.dtype) -> None:
    """Noise is drawn as float32 and added in the type of the images."""
    augment = RandomNoise(SHAPE, (0.0, 1.0))
    draws = augment.sample(2, torch.Generator().manual_seed(0))
    assert draws.dtype == torch.float32
    assert augment.apply(torch.rand(2, *SHAPE).to(dtype), draws).dtype == dtype


def test_draws_are_fixed() -> None:
    """Draws are the generator's normal numbers times the deviation, and must never change."""
    numbers = torch.randn(6, 60, generator=torch.Generator().manual_seed(7))
    augment = RandomNoise(SHAPE, (0.0, 1.0), std=0.3)
    assert torch.equal(augment.sample(6, torch.Generator().manual_seed(7)), numbers * 0.3)


def test_draws_repeat() -> None:
    """Draws depend on the given generator alone; neither drawing nor adding touches the global one."""
    before = torch.get_rng_state()
    np.testing.assert_array_equal(drawn(5), drawn(5))
    assert not np.array_equal(drawn(5), drawn(5, seed=1))
    RandomNoise(SHAPE, None).apply(torch.ones(5, *SHAPE), torch.zeros(5, 60))
    assert torch.equal(torch.get_rng_state(), before)


def test_no_noise() -> None:
    """A deviation of 0 leaves images as they are."""
    x = torch.rand(2, *SHAPE)
    augment = RandomNoise(SHAPE, (0.0, 1.0), std=0)
    assert torch.equal(augment.apply(x, augment.sample(2, torch.Generator())), x)


def test_copies() -> None:
    """The part can be copied and pickled, and its copies add the same noise."""
    augment = RandomNoise(SHAPE, None, std=0.2)
    x, draws = torch.rand(2, *SHAPE), torch.rand(2, 60)
    for copy in (deepcopy(augment), pickle.loads(pickle.dumps(augment))):
        assert torch.equal(copy.apply(x, draws), augment.apply(x, draws))
        assert copy.std == 0.2


@pytest.mark.parametrize("std", [-0.1, float("nan"), float("inf")])
def test_out_of_range(std: float) -> None:
    """A deviation that is negative or not finite is refused."""
    with pytest.raises(ValueError, match="std must"):
        RandomNoise(SHAPE, None, std=std)
