"""K-means looks at a sample of very many embeddings; the limits are lowered here, so that few are many."""

import pytest
import torch
from torch import Tensor

from decda.core import sampling
from decda.core.functional import kmeans, kmeans_labels, nearest_centers
from decda.core.sampling import sample, sample_size
from decda.core.training.metrics import accuracy


def groups(n: int) -> tuple[Tensor, Tensor]:
    """Three round clusters (N, 2), and the cluster of each."""
    which = torch.arange(n) % 3
    noise = torch.randn(n, 2, generator=torch.Generator().manual_seed(0))
    return 10.0 * which.unsqueeze(1) + noise, which


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than 500 embeddings 60 are drawn, or 30 for each cluster."""
    monkeypatch.setattr(sampling, "MAX_WHOLE", 500)
    monkeypatch.setattr(sampling, "LEAST_SAMPLED", 60)
    monkeypatch.setattr(sampling, "SAMPLED_BY_CLUSTER", 30)


@pytest.mark.usefixtures("few_are_many")
def test_sizes() -> None:
    """Up to the limit all are clustered; above it the sample grows with the clusters, and never above the set."""
    assert [sample_size(n, 2) for n in (2, 500, 501, 10**9)] == [2, 500, 60, 60]
    assert [sample_size(600, k) for k in (3, 10, 600)] == [90, 300, 600]


@pytest.mark.usefixtures("few_are_many")
def test_the_sample_is_drawn_by_the_seed() -> None:
    """It holds different embeddings in their order; the same seed draws the same, another one others."""
    z = torch.arange(1000.0).unsqueeze(1)
    first = sample(z, 3, 0)
    assert first.shape == (90, 1)
    assert bool((first.diff(dim=0) > 0).all())
    assert torch.equal(first, sample(z, 3, 0))
    assert not torch.equal(first, sample(z, 3, 1))
    few = z[:500]
    assert sample(few, 3, 0) is few


@pytest.mark.usefixtures("few_are_many")
def test_kmeans_of_many() -> None:
    """The centers are those of the sample, and every embedding joins the nearest one."""
    z, which = groups(900)
    centers = kmeans(z, 3, 5)
    assert torch.equal(centers, kmeans(sample(z, 3, 5), 3, 5))
    labels = kmeans_labels(z, 3, 5)
    assert torch.equal(labels, nearest_centers(z, centers))
    assert accuracy(which, labels) == 1
