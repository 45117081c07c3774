"""Random mirror images, compared with kornia."""

import pytest
import torch

from decda.plugins.augmentations.flip import RandomFlip
from decda.testing import check_augmentation

SHAPES = [(1, 1, 1), (1, 1, 5), (3, 7, 1), (3, 6, 5)]


def drawn(n: int, **parameters: float) -> torch.Tensor:
    return RandomFlip(**parameters).sample(n, torch.Generator().manual_seed(0))


def test_by_hand() -> None:
    """The first number mirrors left to right, the second top to bottom, and both turn by half a circle."""
    x = torch.tensor([[[[0.1, 0.2], [0.3, 0.4]]]]).expand(4, -1, -1, -1)
    y = RandomFlip(vertical=0.5).apply(x, torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    expected = [[0.1, 0.2, 0.3, 0.4], [0.2, 0.1, 0.4, 0.3], [0.3, 0.4, 0.1, 0.2], [0.4, 0.3, 0.2, 0.1]]
    assert torch.equal(y.flatten(1), torch.tensor(expected))


@pytest.mark.parametrize("shape", SHAPES)
def test_as_kornia_does(shape: tuple[int, int, int]) -> None:
    """Mirror images are kornia's, at any size."""
    from kornia.geometry.transform import hflip, vflip

    x = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    augment = RandomFlip(vertical=0.5)
    assert torch.equal(augment.apply(x, torch.tensor([[1.0, 0.0]] * 2)), hflip(x))
    assert torch.equal(augment.apply(x, torch.tensor([[0.0, 1.0]] * 2)), vflip(x))


@pytest.mark.parametrize(("horizontal", "vertical"), [(0.5, 0.0), (0.0, 0.2), (1.0, 0.7)])
def test_probabilities(horizontal: float, vertical: float) -> None:
    """As many images are mirrored as was asked for, all of them at 1 and none at 0, each way by itself."""
    draws = drawn(4000, horizontal=horizontal, vertical=vertical)
    assert set(draws.unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(draws.mean(0), torch.tensor([horizontal, vertical]), atol=0.03, rtol=0)
    assert draws[:, 0].sum() == {0.0: 0, 1.0: 4000}.get(horizontal, draws[:, 0].sum())
    both = (draws[:, 0] * draws[:, 1]).mean()
    assert both == pytest.approx(horizontal * vertical, abs=0.03)


def test_by_default_nothing_stands_on_its_head() -> None:
    """The default mirrors half of the images left to right, and none top to bottom."""
    assert torch.equal(drawn(500), drawn(500, horizontal=0.5, vertical=0.0))
    assert drawn(500)[:, 1].sum() == 0


@pytest.mark.parametrize("name", ["horizontal", "vertical"])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_out_of_range(name: str, value: float) -> None:
    """A probability outside [0, 1] is refused by name."""
    with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1\], it is {value}"):
        RandomFlip(**{name: value})


def test_contract() -> None:
    """It is an augmentation, also where it mirrors both ways."""
    check_augmentation(RandomFlip, horizontal=0.3, vertical=0.5)
