"""The number of clusters, counted on embeddings alone."""

from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor

from decda.core.training import cluster_count
from decda.core.training.cluster_count import count_clusters, modularity


def groups(n_clusters: int, each: int = 60, spread: float = 0.3, seed: int = 0) -> Tensor:
    """Round groups of points, (n_clusters * each, 8), around corners that lie far apart."""
    generator = torch.Generator().manual_seed(seed)
    centers = 3 * torch.randn(n_clusters, 8, generator=generator)
    return centers.repeat_interleave(each, 0) + spread * torch.randn(n_clusters * each, 8, generator=generator)


@pytest.mark.parametrize("n_clusters", [2, 3, 5, 9])
def test_finds_separate_groups(n_clusters: int) -> None:
    """Groups that lie apart are counted, however many they are."""
    assert count_clusters(groups(n_clusters), 0, range(2, 13)).n_clusters == n_clusters


def test_long_groups_are_counted_in_pieces() -> None:
    """A limit of the rule: two long stripes that no edge joins are cut into more, for each cut crosses few edges."""
    generator = torch.Generator().manual_seed(0)
    along = torch.rand(300, generator=generator) * 4
    stripes = torch.stack([along, torch.arange(300) % 2 + 0.01 * torch.randn(300, generator=generator)], 1)
    count = count_clusters(stripes, 0, range(2, 13))
    figures = dict(count.curve)
    assert figures[2] == pytest.approx(0.5, abs=0.02)  # what two halves without an edge between them reach
    assert figures[2] < figures[4] < figures[8]
    assert count.n_clusters > 4


def test_curve_holds_every_candidate_and_peaks_at_the_chosen() -> None:
    """The curve names each candidate in order; where clusters are clear, the chosen one has the highest figure."""
    count = count_clusters(groups(4), 0, range(2, 9))
    assert [k for k, _ in count.curve] == list(range(2, 9))
    assert max(count.curve, key=lambda point: point[1])[0] == count.n_clusters == 4


def test_smallest_within_the_tolerance_is_chosen() -> None:
    """Of the candidates whose figure is within the tolerance of the best, the smallest is taken."""
    z = torch.randn(400, 5, generator=torch.Generator().manual_seed(0))  # without groups, the curve is flat
    count = count_clusters(z, 0, range(2, 15))
    best = max(figure for _, figure in count.curve)
    assert count.n_clusters == min(k for k, figure in count.curve if figure >= best - count.tolerance)
    assert count.n_clusters < max(count.curve, key=lambda point: point[1])[0]


def test_everything_is_computed_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums have one order, so that figures are the same to the last bit; afterwards there are as many threads again."""

    def threads() -> dict[str, int]:
        return {info["filepath"]: info["num_threads"] for info in threadpool_info()}

    seen: list[int] = []

    def watched(real: Any) -> Any:
        def watch(*args: Any, **words: Any) -> Any:
            seen.append(max(threads().values()))
            return real(*args, **words)

        return watch

    for name in ("eigh", "kneighbors_graph", "KMeans"):
        monkeypatch.setattr(cluster_count, name, watched(getattr(cluster_count, name)))
    counts = []
    for limit in (1, 2):
        with threadpool_limits(limits=limit):
            before = threads()
            counts.append(count_clusters(groups(6), 3, range(2, 9)))
            assert threads() == before
    assert set(seen) == {1}
    assert counts[0] == counts[1]


def test_seed_draws_the_samples() -> None:
    """Another seed draws other samples, so that the figures differ a little."""
    one, other = (count_clusters(groups(3), seed, range(2, 6)) for seed in (0, 1))
    assert one.curve != other.curve
    assert one.n_clusters == other.n_clusters == 3


def test_embeddings_stay_as_they_are() -> None:
    """Counting changes neither the embeddings nor the state of the global generators."""
    z = groups(3)
    kept, state, numpy_state = z.clone(), torch.get_rng_state(), np.random.get_state()[1].copy()
    count_clusters(z, 0, range(2, 4))
    assert torch.equal(z, kept)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)


@pytest.mark.parametrize("n", [2, 3, 5, 12])
def test_works_from_two_embeddings_up(n: int) -> None:
    """A few embeddings are enough; candidates that are more than a sample holds are left out."""
    z = torch.randn(n, 3, generator=torch.Generator().manual_seed(n))
    count = count_clusters(z, 0, range(2, 21))
    assert 2 <= count.n_clusters <= n
    assert [k for k, _ in count.curve] == list(range(2, max(int(np.ceil(0.8 * n)), 2) + 1))


def test_smallest_candidate_stays_where_samples_are_smaller() -> None:
    """A single candidate is tried even if 80% of the embeddings are fewer."""
    assert count_clusters(torch.eye(5), 0, [5]).n_clusters == 5


def test_equal_embeddings_are_one_cluster_at_most() -> None:
    """Embeddings that are all alike warn of nothing, and give the smallest candidate."""
    assert count_clusters(torch.ones(50, 3), 0, range(1, 4)).n_clusters == 1


@pytest.mark.parametrize("candidates", [[], [0, 2], [7, 8]])
def test_impossible_candidates_are_refused(candidates: list[int]) -> None:
    """No candidate, one below 1, or only such as exceed the number of embeddings, is an error."""
    with pytest.raises(ValueError, match="6 embeddings cannot make any of these numbers of clusters"):
        count_clusters(torch.randn(6, 2), 0, candidates)


def test_modularity_by_the_equation() -> None:
    """Modularity is the sum over all pairs in one cluster of (A_ij - d_i d_j / 2m) / 2m."""
    rng = np.random.default_rng(0)
    graph = rng.random((12, 12))
    graph = graph + graph.T
    labels = rng.integers(0, 3, 12)
    degrees, total = graph.sum(1), graph.sum()
    slow = sum(
        (graph[i, j] - degrees[i] * degrees[j] / total) / total
        for i in range(12)
        for j in range(12)
        if labels[i] == labels[j]
    )
    assert modularity(graph, labels) == pytest.approx(slow)
