"""The start `invariant`: distances that ignore what augmentation changes, and the choice between maps."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from decda.core.training.metrics import accuracy
from decda.plugins.starts import invariant as module
from decda.plugins.starts.invariant import invariant, most_shared
from decda.plugins.starts.tsne import tsne


def test_the_least_distance_over_copies_counts() -> None:
    """By hand: clean points 0, 4 and 10; copies at 3, 4 and 10, then at 0, 9.5 and 10. No copy lengthens a distance."""
    z = torch.tensor([[0.0], [4.0], [10.0]])
    views = [torch.tensor([[3.0], [4.0], [10.0]]), torch.tensor([[0.0], [9.5], [10.0]])]
    # 0 and 4: the copy of the first lies at 3, 1 from the other. 4 and 10: the copy of the first at 9.5. 0 and 10: the
    # nearest copy of the first lies at 3, the one of the other at 10.
    expected = [[0.0, 1.0, 7.0], [1.0, 0.0, 0.5], [7.0, 0.5, 0.0]]
    assert module._least_distances(z, views).tolist() == expected


def test_most_shared_goes_by_the_others() -> None:
    """Of several clusterings, the one counts that agrees best with the others, however its clusters are numbered."""
    good, again, torn = np.array([0, 0, 1, 1, 2, 2]), np.array([2, 2, 0, 0, 1, 1]), np.array([0, 1, 1, 2, 2, 0])
    assert most_shared([torn, good, again]).tolist() == good.tolist()
    assert most_shared([torn]).tolist() == torn.tolist()


def shifted(n: int = 240) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings that augmentation moves far: four clusters, each at ten places along a line that copies walk."""
    generator = torch.Generator().manual_seed(0)
    which, place = torch.arange(n) % 4, torch.randint(0, 10, (n,), generator=generator)
    noise = 0.02 * torch.randn(n, 2, generator=generator)
    return torch.stack([3.0 * place, 0.5 * which], 1) + noise, which, place


def test_clusters_that_augmentation_spreads_are_found() -> None:
    """The same embeddings fall to pieces where copies are not looked at."""
    z, which, place = shifted()

    def views(n: int) -> Iterator[Tensor]:
        for number in range(n):
            moved = (place + number) % 10
            yield torch.stack([3.0 * moved, z[:, 1]], 1)

    found = invariant(z, 4, 0, views, n_layouts=3)
    assert accuracy(which, found) == 1
    assert accuracy(which, tsne(z, 4, 0)) < 0.7


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"n_views": 0}, "n_views 0 and n_layouts 5 must be at least 1"),
        ({"n_layouts": 0}, "n_views 16 and n_layouts 0 must be at least 1"),
        ({"perplexity": 0.0}, "perplexity must be above 0"),
        ({"max_samples": 2}, "max_samples must be at least the number of clusters"),
    ],
)
def test_parameters_out_of_range(parameters: dict[str, float], reason: str) -> None:
    """The error names the parameter and its value."""
    z, _, _ = shifted(20)
    with pytest.raises(ValueError, match=reason):
        invariant(z, 3, 0, lambda n: iter([z] * n), **parameters)  # type: ignore[arg-type]


def test_only_a_sample_is_mapped() -> None:
    """Of more embeddings, so many are drawn; the others follow their neighbours among them."""
    z, _, _ = shifted()
    asked: list[int] = []

    def views(n: int) -> Iterator[Tensor]:
        asked.append(n)
        return iter([z] * n)

    labels = invariant(z, 4, 0, views, n_views=2, n_layouts=1, max_samples=60)
    assert asked == [2]
    assert labels.shape == (240,)
