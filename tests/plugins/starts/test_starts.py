"""What the built-in starts have in common, and where they differ. `test_contracts.py` tries the rules of the kit."""

import builtins
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor

from decda.core.errors import ConfigError
from decda.core.functional import kmeans as kmeans_centers
from decda.core.functional import squared_distances
from decda.core.training.metrics import accuracy
from decda.plugins.starts import sampling
from decda.plugins.starts.gmm import gmm
from decda.plugins.starts.in_map import kmeans_in_map
from decda.plugins.starts.invariant import invariant
from decda.plugins.starts.kmeans import kmeans
from decda.plugins.starts.sampling import cluster_sample
from decda.plugins.starts.spectral import spectral
from decda.plugins.starts.tsne import tsne
from decda.plugins.starts.umap import umap
from decda.plugins.starts.ward import ward


def rings(n: int = 400) -> tuple[Tensor, Tensor]:
    """Two rings, one in the other (N, 2), which no method that wants round clusters can tell apart."""
    generator = torch.Generator().manual_seed(0)
    which = torch.arange(n) % 2
    angle = 2 * torch.pi * torch.rand(n, generator=generator)
    radius = 1 + 3 * which + 0.1 * torch.randn(n, generator=generator)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1), which


def stripes(n: int = 400) -> tuple[Tensor, Tensor]:
    """Two long Gaussians, one lying, one standing at its end (N, 2)."""
    generator = torch.Generator().manual_seed(0)
    which = torch.arange(n) % 2
    lying, standing = 4.0 * (which == 0) + 0.3, 4.0 * (which == 1) + 0.3
    noise = torch.randn(n, 2, generator=generator)
    return torch.stack([lying * noise[:, 0] + 6 * which, standing * noise[:, 1]], 1), which


def alone(start: Any) -> Any:
    """A start that asks for views, where there is no augmentation."""

    def without_views(z: Tensor, n_clusters: int, seed: int, **words: Any) -> Tensor:
        return start(z, n_clusters, seed, lambda n: (z for _ in range(n)), n_layouts=1, **words)

    return without_views


@pytest.mark.parametrize("start", [tsne, umap, spectral])
def test_starts_by_neighbours_follow_any_shape(start: Any) -> None:
    """They tell two rings apart, which k-means cuts in halves."""
    z, which = rings()
    assert accuracy(which, start(z, 2, 0)) == 1
    assert accuracy(which, kmeans(z, 2, 0)) < 0.7


def test_a_mixture_of_gaussians_finds_stretched_clusters() -> None:
    """With a covariance of its own for each; spherical ones cut the ends off, as k-means does."""
    z, which = stripes()
    assert accuracy(which, gmm(z, 2, 0)) > 0.95
    assert accuracy(which, gmm(z, 2, 0, covariance="spherical")) < 0.9


def test_kmeans_is_that_of_the_paper() -> None:
    """Labels are the nearest of the centers that `functional.kmeans` finds with 20 restarts."""
    z, _ = stripes()
    assert torch.equal(kmeans(z, 3, 5), squared_distances(z, kmeans_centers(z, 3, 5)).argmin(1))


def test_ward_joins_the_cheapest_pair() -> None:
    """Of points 0, 1, 3 and 10, the first two are joined first, then 3 with them."""
    z = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
    assert len({*ward(z, 3, 0)[:2].tolist()}) == 1
    assert len({*ward(z, 2, 0)[:3].tolist()}) == 1


def test_a_sample_decides_for_all() -> None:
    """Of a larger set a sample is clustered and keeps its labels; each other embedding follows 5 neighbours in it."""
    z, _ = rings()
    seen: list[np.ndarray] = []

    def cluster(points: Any) -> Any:
        seen.append(points)
        return np.arange(len(points)) % 2  # neighbours would outvote about half of them

    labels = cluster_sample(z, 2, 3, 50, cluster)
    (sample,) = seen
    assert sample.shape == (50, 2)
    known = {tuple(row): number % 2 for number, row in enumerate(sample.tolist())}
    by_neighbours = KNeighborsClassifier(5).fit(sample, np.arange(50) % 2).predict(z.numpy()).tolist()
    rows = [tuple(row) for row in z.tolist()]
    assert known.keys() <= set(rows)
    assert labels.tolist() == [known.get(row, label) for row, label in zip(rows, by_neighbours, strict=True)]
    assert labels.tolist() != by_neighbours
    again = cluster_sample(z, 2, 4, 50, cluster)
    assert not np.array_equal(seen[1], sample)
    assert again.dtype == torch.int64


def test_the_others_are_assigned_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their labels do not depend on how many of them are looked up together."""
    z, _ = rings()
    labels = ward(z, 2, 0, max_samples=50)
    monkeypatch.setattr(sampling, "ROWS", 30)
    assert torch.equal(ward(z, 2, 0, max_samples=50), labels)


def test_a_small_cluster_in_the_sample_is_kept() -> None:
    """A cluster of fewer embeddings than vote is not outvoted by the others."""
    z, _ = rings(200)
    z[:2] = torch.tensor([[90.0, 0.0], [90.1, 0.0]])
    assert ward(z, 2, 0, max_samples=199).unique(return_counts=True)[1].min() == 2


@pytest.mark.parametrize("start", [kmeans, gmm, tsne, umap, spectral, ward, alone(invariant)])
def test_embeddings_may_have_one_dimension(start: Any) -> None:
    """Two groups on a line are told apart."""
    which = torch.arange(40) % 2
    z = 5.0 * which + torch.linspace(0, 1, 40)
    assert accuracy(which, start(z.unsqueeze(1), 2, 0)) == 1


@pytest.mark.parametrize("start", [tsne, umap, spectral, ward, gmm])
def test_too_small_a_sample_is_refused(start: Any) -> None:
    """A sample must hold at least as many embeddings as there are clusters."""
    with pytest.raises(ValueError, match="max_samples must be at least the number of clusters, 3; it is 2"):
        start(rings()[0], 3, 0, max_samples=2)
    with pytest.raises(ValueError, match="2 embeddings cannot make 3 clusters"):
        start(rings(2)[0], 3, 0)


@pytest.mark.parametrize(
    ("start", "parameters", "reason"),
    [
        (kmeans, {"n_init": 0}, "n_init must be at least 1, it is 0"),
        (gmm, {"n_init": 0}, "n_init must be at least 1, it is 0"),
        (tsne, {"perplexity": 0.0}, "perplexity must be above 0"),
        (tsne, {"max_iter": 100}, "max_iter must be at least 250"),
        (umap, {"n_neighbors": 1}, "n_neighbors must be at least 2"),
        (umap, {"n_components": 0}, "n_components must be at least 1"),
        (spectral, {"n_neighbors": 1}, "n_neighbors must be at least 2"),
    ],
)
def test_parameters_out_of_range(start: Any, parameters: dict[str, Any], reason: str) -> None:
    """The error names the parameter and its value."""
    with pytest.raises(ValueError, match=reason):
        start(rings(20)[0], 2, 0, **parameters)


def threads() -> dict[str, int]:
    """How many threads each library computes with at present."""
    return {info["filepath"]: info["num_threads"] for info in threadpool_info()}


@pytest.mark.parametrize("start", [kmeans, tsne, umap, gmm, spectral, ward, alone(invariant)])
def test_everything_is_computed_on_one_thread(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of sums depends on the number of threads, so every method gets one; afterwards there are as many again.

    Equal labels would prove nothing: they seldom show in which order sums were added up.
    """
    seen: dict[str, int] = {}

    def watch(owner: Any, method: str) -> None:
        real = getattr(owner, method)

        def watched(*args: Any, **words: Any) -> Any:
            seen[owner.__name__] = max(threads().values())
            return real(*args, **words)

        monkeypatch.setattr(owner, method, watched)

    for owner in (KMeans, TSNE, GaussianMixture, AgglomerativeClustering):
        watch(owner, "fit_transform" if owner is TSNE else "fit_predict" if owner is GaussianMixture else "fit")
    watch(KNeighborsClassifier, "predict")
    z, _ = stripes(120)
    sample = {} if start is kmeans else {"max_samples": 90}
    with threadpool_limits(limits=2):
        before = threads()
        assert 2 in before.values()
        start(z, 3, 1, **sample)
        assert threads() == before
    method = {gmm: "GaussianMixture", ward: "AgglomerativeClustering", tsne: "TSNE"}.get(start, "KMeans")
    assert {method} | ({"KNeighborsClassifier"} if sample else set()) <= seen.keys()
    assert set(seen.values()) == {1}


def test_umap_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without umap-learn the error says how to install it, and what does without."""
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "umap":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match="python -m pip install umap-learn .* The start tsne needs no further"):
        umap(rings(20)[0], 2, 0)


def test_kmeans_in_a_map_restarts() -> None:
    """Equal positions make no more clusters than there are places, and no warning."""
    labels = kmeans_in_map(np.array([[0.0], [0.0], [1.0], [1.0]]), 3, 2**40)
    assert labels[0] == labels[1] != labels[2] == labels[3]
