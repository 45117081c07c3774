"""k-means with all restarts at once is compared with scikit-learn and with slow versions."""

import math
import random
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits
from torch import Tensor

from decda.core import batched_kmeans as inner
from decda.core import functional
from decda.core.batched_kmeans import CHECK_INTERVAL, batched_kmeans
from decda.core.functional import kmeans, squared_distances

Array = NDArray[np.float64]
SEEDS = range(4)
BOTH = pytest.mark.parametrize("find", [kmeans, batched_kmeans])


def mixture(n: int, k: int, d: int, spread: float, offset: float = 0.0) -> Array:
    """Gaussian clusters of unit width with normally distributed centers."""
    rng = np.random.default_rng(3)
    return offset + rng.normal(0, spread, (k, d))[rng.integers(0, k, n)] + rng.normal(0, 1, (n, d))


def noise(n: int, d: int) -> Array:
    return np.random.default_rng(4).random((n, d))


DATA: dict[str, tuple[Callable[[], Array], int]] = {
    "separated": (lambda: mixture(600, 10, 10, 10.0), 10),
    "overlapping": (lambda: mixture(1000, 10, 10, 1.0), 10),
    "far from the origin": (lambda: mixture(600, 8, 5, 1.5, 1e3), 8),
    "digits": (lambda: load_digits().data, 10),
    "noise": (lambda: noise(500, 8), 10),
    "noise in the plane": (lambda: noise(600, 2), 10),
    "noise on a line": (lambda: noise(400, 1), 6),
    "many clusters": (lambda: noise(600, 6), 30),
}
"""Samples, and the number of clusters to find."""


def inertia(z: Tensor, centers: Tensor) -> float:
    return squared_distances(z.double(), centers.double()).amin(1).sum().item()


def slow_step(z: Array, centers: Array) -> tuple[Array, NDArray[np.int64]]:
    """One iteration of Lloyd's algorithm, sample by sample."""
    labels = [min(range(len(centers)), key=lambda j: math.fsum((point - centers[j]) ** 2)) for point in z]
    moved, sizes = centers.copy(), np.zeros(len(centers), np.int64)
    for j in range(len(centers)):
        members = [point for point, label in zip(z, labels, strict=True) if label == j]
        sizes[j] = len(members)
        if members:
            moved[j] = [math.fsum(column) / len(members) for column in zip(*members, strict=True)]
    return moved, sizes


def blocks(z: Array) -> tuple[Tensor, Tensor]:
    points = torch.from_numpy(z)
    return points, inner._blocks(points)


def by_first(centers: Tensor) -> Tensor:
    return centers[centers[:, 0].argsort()]


@pytest.fixture(scope="module")
def inertias() -> dict[str, Array]:
    """The inertia per data set and seed: batched k-means, scikit-learn on float64, and `kmeans` on a CPU."""
    found = {}
    for name, (make, k) in DATA.items():
        z = torch.from_numpy(make()).float()
        rows = []
        for seed in SEEDS:
            with threadpool_limits(limits=1):
                theirs = KMeans(k, n_init=20, random_state=seed).fit(z.double().numpy()).cluster_centers_
            ours = batched_kmeans(z.double(), k, seed), torch.from_numpy(theirs), kmeans(z, k, seed)
            rows.append([inertia(z, centers) for centers in ours])
        found[name] = np.array(rows)
    return found


@pytest.mark.parametrize("name", DATA)
def test_as_good_as_scikit_learn(name: str, inertias: dict[str, Array]) -> None:
    """On float64 the inertia is at most scikit-learn's with the same restarts and seed."""
    ours, theirs, _ = inertias[name].T
    assert (ours <= theirs * (1 + 1e-9)).all()


def test_as_good_as_on_the_cpu(inertias: dict[str, Array]) -> None:
    """Compared with scikit-learn on float32, 95 % are at most 1e-4 worse, and none is more than 1e-3 worse."""
    ours, _, theirs = np.concatenate(list(inertias.values())).T
    worse = ours / theirs - 1
    assert (worse <= 1e-4).mean() >= 0.95
    assert worse.max() <= 1e-3


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**32 + 5])
def test_starts(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The restarts begin at the samples that successive runs of scikit-learn's greedy k-means++ pick."""
    monkeypatch.setattr(inner, "BLOCK", 100)
    z = mixture(501, 12, 3, 2.0)
    points, columns = blocks(z)
    stream = np.random.RandomState(seed % 2**32)
    slow = np.stack([kmeans_plusplus(z, 12, random_state=stream)[0] for _ in range(5)])
    starts = inner._starts(points, columns, 12, *inner._draws(len(z), 12, seed, 5))
    np.testing.assert_array_equal(starts.numpy(), slow)


def test_draws_in_proportion() -> None:
    """With weights 0, 1, 3, 0, 4, draws up to 1/8, 4/8 and 1 pick items 1, 2 and 4; weight 0 is never picked."""
    weights = torch.tensor([0.0, 1, 3, 0, 4], dtype=torch.float64).view(1, 1, 1, 5)
    where = torch.tensor([[0.0, 0.12, 0.13, 0.49, 0.51, 1 - 2**-53]], dtype=torch.float64)
    assert inner._proportional(weights, where).tolist() == [[1, 1, 2, 2, 4, 4]]


@pytest.mark.parametrize("block", [7, 16, 1000])
def test_step(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step moves the centers of each restart to the means of their samples; a center without samples stays."""
    monkeypatch.setattr(inner, "BLOCK", block)
    z = mixture(61, 4, 3, 1.0)
    centers = np.random.default_rng(0).normal(0, 2, (3, 4, 3))
    centers[1, 2] = 1e3
    moved, sizes = inner._step(blocks(z)[1], torch.from_numpy(centers))
    for restart in range(3):
        slow_moved, slow_sizes = slow_step(z, centers[restart])
        np.testing.assert_allclose(moved[restart].numpy(), slow_moved, rtol=1e-12)
        np.testing.assert_array_equal(sizes[restart].numpy(), slow_sizes)
    assert sizes[1, 2] == 0
    assert moved[1, 2].tolist() == [1e3] * 3


def test_to_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Squared distances are those to the nearest center, and 0 for the padding of the blocks."""
    monkeypatch.setattr(inner, "BLOCK", 16)
    z = mixture(61, 4, 3, 1.0)
    centers = np.random.default_rng(0).normal(0, 2, (2, 5, 3))
    found = inner._to_nearest(blocks(z)[1], torch.from_numpy(centers)).transpose(0, 1).flatten(1)
    slow = [[min(((point - center) ** 2).sum() for center in each) for point in z] for each in centers]
    np.testing.assert_allclose(found[:, : len(z)].numpy(), slow, rtol=1e-12)
    assert (found[:, len(z) :] == 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_one_restart(seed: int) -> None:
    """A single restart ends with the centers of slow iterations from scikit-learn's start, run to convergence."""
    z = mixture(150, 6, 2, 1.5)
    centers, before = kmeans_plusplus(z, 6, random_state=np.random.RandomState(seed))[0], None
    while before is None or not np.allclose(centers, before, rtol=1e-13):
        before = centers
        centers, _ = slow_step(z, centers)
    found = batched_kmeans(torch.from_numpy(z), 6, seed, n_init=1, tol=0)
    np.testing.assert_allclose(found.numpy(), centers, rtol=1e-9)


def test_restarts_are_independent() -> None:
    """A restart has the same result alone as among others, some of which converge earlier."""
    z = mixture(400, 8, 2, 0.7)
    points, columns = blocks(z)
    starts = torch.from_numpy(z[np.random.default_rng(0).choice(len(z), (12, 8))])
    together = inner._lloyd(points, columns, starts, 300, 1e-6, 1e-24)
    alone = torch.cat([inner._lloyd(points, columns, start[None], 300, 1e-6, 1e-24) for start in starts])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("max_iter", "tol", "steps"), [(1, 0.0, 1), (6, 0.0, 6), (300, math.inf, CHECK_INTERVAL)])
def test_when_it_ends(max_iter: int, tol: float, steps: int) -> None:
    """Iterations end at `max_iter`, or at the first check at which the centers have converged."""
    z = mixture(400, 8, 2, 0.7)
    points, columns = blocks(z)
    slow = starts = z[None, :8]
    for _ in range(steps):
        slow = slow_step(z, slow[0])[0][None]
    found = inner._lloyd(points, columns, torch.from_numpy(starts), max_iter, tol, 1e-24)
    np.testing.assert_allclose(found.numpy(), slow, rtol=1e-10)


def test_no_cluster_stays_empty() -> None:
    """A center without samples moves to the farthest sample, and the clusters are still found."""
    corners = np.array([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    z = np.repeat(corners, 20, 0) + np.random.default_rng(0).normal(0, 1, (60, 2))
    points, columns = blocks(z)
    starts = torch.tensor([[[0.0, 0.0], [1e4, 1e4], [50.0, 0.0]], [[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]]]).double()
    lost, found = inner._lloyd(points, columns, starts, 300, 1e-6, 1e-24)
    torch.testing.assert_close(lost[[0, 2, 1]], found)


def test_farthest_fill() -> None:
    """Empty clusters move to the farthest samples, farthest first, unless all samples are at their centers."""
    points, columns = blocks(np.array([[0.0], [1.0], [-7.0], [5.0]]))
    centers = torch.tensor([[0.0], [90.0], [99.0]], dtype=torch.float64)
    empty = torch.tensor([False, True, True])
    assert inner._fill(points, columns, centers, empty, 1e-24)
    assert centers.flatten().tolist() == [0, -7, 5]
    points, columns = blocks(np.zeros((4, 1)))
    assert not inner._fill(points, columns, centers, empty, 1e-24)
    assert centers.flatten().tolist() == [0, -7, 5]


@pytest.mark.parametrize("name", ["overlapping", "noise"])
def test_repeats(name: str) -> None:
    """The same seed and embeddings lead to the same bits, independently of global generators, which stay untouched."""
    make, k = DATA[name]
    z = torch.from_numpy(make()).float()
    found = []
    for other in (1, 2):
        random.seed(other)
        np.random.seed(other)
        torch.manual_seed(other)
        states = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()
        found.append(batched_kmeans(z, k, 3, n_init=4))
        assert random.getstate() == states[0]
        np.testing.assert_equal(np.random.get_state(legacy=False), states[1])
        assert torch.equal(torch.get_rng_state(), states[2])
    assert torch.equal(*found)


def test_seeds_differ() -> None:
    """The seed matters: on hard data, single restarts with different seeds do not all end in the same centers."""
    z = torch.from_numpy(noise(200, 4))
    assert len({by_first(batched_kmeans(z, 8, seed, n_init=1)).numpy().tobytes() for seed in range(5)}) > 1


@pytest.mark.parametrize(("block", "chunk"), [(1024, 1), (64, 1), (64, 2**24), (64, 64 * 80 * 3)])
def test_portions(block: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of blocks, and the number of blocks processed together, affect nothing but rounding."""
    z = torch.from_numpy(mixture(1500, 10, 10, 1.0))
    whole = batched_kmeans(z, 10, 0, n_init=8)
    monkeypatch.setattr(inner, "BLOCK", block)
    monkeypatch.setattr(inner, "CHUNK", chunk)
    torch.testing.assert_close(batched_kmeans(z, 10, 0, n_init=8), whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("rows", [1, 200, 6000])
def test_temporaries(rows: int) -> None:
    """For up to 20 restarts of 300 clusters, a temporary fits in a chunk of 128 MiB, whatever the number of samples."""
    columns = torch.empty(1, device="meta").expand(70, 12, 1000)
    portions = inner._portions(columns, rows)
    assert sum(len(portion) for portion in portions) == 70
    assert max(len(portion) * rows * 1000 for portion in portions) <= inner.CHUNK


def test_switches_of_precision() -> None:
    """Neither autocast nor a lower precision of float32 products affects the distances."""
    z = torch.from_numpy(mixture(500, 10, 10, 1.0, 100.0)).float()
    expected = batched_kmeans(z, 10, 0, n_init=2)
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(batched_kmeans(z, 10, 0, n_init=2), expected)
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_like_z(dtype: torch.dtype) -> None:
    """Centers have the dtype of the embeddings and no gradient; the embeddings are not changed."""
    z = torch.from_numpy(mixture(30, 3, 2, 2.0)).to(dtype).requires_grad_()
    before = z.detach().clone()
    centers = batched_kmeans(z, 3, 0)
    assert centers.dtype == dtype
    assert centers.shape == (3, 2)
    assert not centers.requires_grad
    assert torch.equal(z, before)


@BOTH
def test_fewer_distinct_than_clusters(find: Callable[..., Tensor]) -> None:
    """With fewer distinct samples than clusters, each distinct sample is a center, some repeatedly."""
    distinct = torch.tensor([[0.1, 0.2], [1.3, -0.4], [5.0, 5.1]]) + 1e3
    centers = find(distinct.repeat(20, 1), 6, 0)
    assert centers.shape == (6, 2)
    torch.testing.assert_close(by_first(centers.unique(dim=0)), distinct, rtol=0, atol=1e-4)


@BOTH
def test_one_point(find: Callable[..., Tensor]) -> None:
    """If all samples are equal, so are all centers."""
    assert find(torch.full((30, 2), 7.5), 4, 0).tolist() == [[7.5, 7.5]] * 4


@BOTH
def test_as_many_as_samples(find: Callable[..., Tensor]) -> None:
    """With as many clusters as samples, every sample is a center, and there is no warning."""
    z = torch.from_numpy(noise(12, 3)).float()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(by_first(find(z, 12, 0)), by_first(z))


@BOTH
def test_one_cluster(find: Callable[..., Tensor]) -> None:
    """A single center is the mean."""
    z = torch.from_numpy(noise(50, 3)).float()
    torch.testing.assert_close(find(z, 1, 0), z.mean(0, keepdim=True))


@BOTH
def test_far_from_the_origin(find: Callable[..., Tensor]) -> None:
    """Clusters are found even if they are a thousand times farther from the origin than from each other."""
    z = torch.tensor([-3.0, -2.5, -3.5, 0.0, 0.5, -0.5, 4.0, 4.5, 3.5]).unsqueeze(1) * 1e-1 + 1e3
    torch.testing.assert_close(by_first(find(z, 3, 0)), z.view(3, 3).mean(1, keepdim=True), rtol=0, atol=1e-3)


@BOTH
@pytest.mark.parametrize("z", [torch.zeros(3, 2), torch.full((9, 2), math.nan), torch.full((9, 2), math.inf)])
def test_refuses(find: Callable[..., Tensor], z: Tensor) -> None:
    """Fewer samples than clusters, and samples that are not finite, are refused."""
    with pytest.raises(ValueError, match="samples|contains"):
        find(z, 4, 0)


@pytest.mark.parametrize(("device", "stays"), [("cuda", True), ("cuda:1", True), ("mps", False), ("cpu", False)])
def test_by_device(device: str, stays: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Embeddings on a CUDA device stay there; those on any other device are passed to scikit-learn."""

    class Elsewhere(Tensor):
        pass

    Elsewhere.device = torch.device(device)
    seen = []
    monkeypatch.setattr(functional, "batched_kmeans", lambda *args, **options: seen.append((args, options)))
    z = torch.from_numpy(noise(20, 2)).as_subclass(Elsewhere)
    kmeans(z, 3, 5, n_init=7)
    assert [(args[0] is z, args[1:], options) for args, options in seen] == [(True, (3, 5), {"n_init": 7})] * stays


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", DATA)
def test_on_a_gpu(name: str) -> None:
    """On a CUDA device, centers are as good as on a CPU, and bit-identical with TF32 allowed or not."""
    make, k = DATA[name]
    z = torch.from_numpy(make()).float()
    before = torch.get_float32_matmul_precision()
    try:
        found = []
        for precision in ("highest", "high"):
            torch.set_float32_matmul_precision(precision)
            found.append(kmeans(z.cuda(), k, 0))
    finally:
        torch.set_float32_matmul_precision(before)
    assert found[0].is_cuda
    assert torch.equal(*found)
    there, here = found[0].cpu(), batched_kmeans(z, k, 0)
    # Integer samples, like the pixels of digits, can be equally far from two centers; rounding then decides.
    assert inertia(z, there) == pytest.approx(inertia(z, here), rel=1e-3)
    if name in ("separated", "overlapping", "far from the origin"):
        torch.testing.assert_close(by_first(there), by_first(here), rtol=1e-4, atol=1e-4)
