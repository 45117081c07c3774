"""How many clusters there are, as far as embeddings tell without classes: modularity of the graph of neighbours.

Each image is joined to its nearest neighbours. For each number of clusters K, spectral clustering divides that graph,
and modularity says how much more of its edges lie within the clusters than chance would put there. It is low where K
merges what lies apart, and where K cuts through what lies together, so that it has a maximum by itself. Around the
maximum it is flat; the rule takes the smallest K that is as good as the best one, as far as another sample of the
images would show.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import kneighbors_graph
from threadpoolctl import threadpool_limits
from torch import Tensor

from decda.core.random_keys import derive_seed

RULE = "modularity of spectral clusters, smallest within one standard deviation of the best"
"""The rule in a few words, for the record."""
N_SAMPLES = 10
"""Samples of the embeddings, over which the figure is averaged."""
PER_CLUSTER = 50
"""Embeddings in a sample for each cluster of the largest candidate, so that each cluster holds enough of them."""
LEAST, MOST = 1_000, 3_000
"""Embeddings in a sample, if there are as many; the time grows with the third power."""
SHARE = 0.8
"""The most of all embeddings that a sample holds: samples of a small set must differ, too."""
FEWEST_NEIGHBORS, MOST_NEIGHBORS = 10, 20
"""Neighbours in the graph: 2% of the sample, within these; with fewer, a graph falls to pieces by chance."""
N_INIT = 3
"""Restarts of k-means on the rows of the eigenvectors, which lie in narrow bundles where there are clusters."""
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Count:
    """A number of clusters, and what speaks for it.

    Attributes:
        n_clusters: the chosen one.
        curve: each candidate K with its modularity, the mean over the samples; higher is better.
        tolerance: how far below the best a figure may lie and count as equal: the standard deviation of the best one
            over the samples.
    """

    n_clusters: int
    curve: tuple[tuple[int, float], ...]
    tolerance: float


def count_clusters(z: Tensor, seed: int, candidates: Iterable[int]) -> Count:
    """Choose a number of clusters by embeddings alone.

    On each of 10 samples of at most 80% of the embeddings, and for each candidate K: the symmetric graph of nearest
    neighbours with weights A; the K first eigenvectors of D^-1/2 A D^-1/2, rows scaled to length 1; k-means on the
    rows; and of these clusters the modularity

    Q = sum_ij (A_ij - d_i d_j / 2m) [i and j in one cluster] / 2m,   d_i = sum_j A_ij,   2m = sum_i d_i

    The smallest K is chosen whose mean Q is within one standard deviation, over the samples, of the best mean. It tends
    to find too many where there are fewer than five, where embeddings have only two or three dimensions, or where
    groups are long, which it cuts into pieces; and it cannot tell that there is only one.

    Everything is computed on the CPU and on one thread, because the order of sums would depend on their number.

    Args:
        z: embeddings (N, D), finite, N at least 2.
        seed: of the samples and of k-means.
        candidates: numbers of clusters, each at least 1; those above the size of a sample are left out, unless there
            is no smaller one.

    Returns:
        The chosen number, with the curve.

    Raises:
        ValueError: there is no candidate, or none that N embeddings could make.

    Reference:
        Newman, Girvan: Finding and evaluating community structure in networks, Physical Review E 2004 (modularity);
        Ng, Jordan, Weiss: On spectral clustering, NIPS 2001; Breiman et al.: Classification and Regression Trees, 1984
        (the smallest that is within one standard error of the best).

    Example:
        >>> z = 3 * torch.eye(3, 8).repeat_interleave(60, 0)
        >>> z = z + 0.3 * torch.randn(180, 8, generator=torch.Generator().manual_seed(0))
        >>> count_clusters(z, seed=0, candidates=range(2, 9)).n_clusters
        3
    """
    wanted = sorted(set(candidates))
    if not wanted or not 1 <= wanted[0] <= len(z):
        raise ValueError(f"{len(z)} embeddings cannot make any of these numbers of clusters: {wanted}")
    size = min(max(PER_CLUSTER * wanted[-1], LEAST), MOST, int(np.ceil(SHARE * len(z))))
    size = max(size, wanted[0])
    counts = [k for k in wanted if k <= size]
    threads = torch.get_num_threads()
    try:
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters
            figures = np.stack([_try_sample(z, size, counts, seed, n) for n in range(N_SAMPLES)])
    finally:
        torch.set_num_threads(threads)  # which some libraries change
    means = figures.mean(0)
    best = int(means.argmax())
    tolerance = float(figures[:, best].std(ddof=1))
    chosen = int(np.flatnonzero(means >= means[best] - tolerance)[0])
    return Count(counts[chosen], tuple(zip(counts, means.tolist(), strict=True)), tolerance)


def modularity(graph: Matrix, labels: NDArray[np.integer[Any]]) -> float:
    """How much more of the weight of a graph lies within clusters than by chance.

    Args:
        graph: weights (n, n), symmetric, at least 0, not all 0.
        labels: the cluster of each node (n,), numbered from 0.

    Returns:
        A number below 1; 0 for a single cluster.

    Example:
        >>> pairs = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]], float)
        >>> modularity(pairs, np.array([0, 0, 1, 1])), modularity(pairs, np.array([0, 0, 0, 0]))
        (0.5, 0.0)
    """
    degrees = graph.sum(1)
    total = degrees.sum()
    within = graph[labels[:, None] == labels].sum() / total
    return float(within - np.square(np.bincount(labels, degrees) / total).sum())


def _try_sample(z: Tensor, size: int, counts: list[int], seed: int, number: int) -> Matrix:
    """The modularity of each number of clusters on one sample (len(counts),)."""
    drawn = np.random.default_rng(derive_seed(seed, "count", number)).choice(len(z), size, replace=False)
    sample = z.detach()[torch.from_numpy(np.sort(drawn)).to(z.device)]
    graph = _neighbour_graph(sample.to("cpu", torch.float64).numpy())
    scale = np.sqrt(graph.sum(1))
    # A dense solver: it finds every eigenvector of a graph of several pieces, where iterative ones may miss some.
    last = counts[-1]
    vectors = eigh(graph / scale[:, None] / scale, subset_by_index=(size - last, size - 1))[1][:, ::-1]
    random_state = derive_seed(seed, "count k-means", number) % 2**32
    figures = []
    for k in counts:
        rows = vectors[:, :k]
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        labels = KMeans(k, n_init=N_INIT, random_state=random_state).fit_predict(rows)
        figures.append(modularity(graph, labels))
    return np.array(figures)


def _neighbour_graph(points: Matrix) -> Matrix:
    """Weights (n, n): 1 where both are among the nearest neighbours of each other, 1/2 where one is."""
    n = len(points)
    n_neighbors = min(max(n // PER_CLUSTER, FEWEST_NEIGHBORS), MOST_NEIGHBORS, n - 1)
    directed: Matrix = kneighbors_graph(points, n_neighbors).toarray()
    return (directed + directed.T) / 2
