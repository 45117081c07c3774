"""The mathematics of the heads, compared with slow versions written from the equations."""

import math
import random
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from decda.core import functional
from decda.core.functional import (
    cluster_means,
    kl_divergence,
    kmeans,
    nearest_centers,
    squared_distances,
    student_t,
    target_distribution,
    target_distribution_,
)

Array = NDArray[np.float64]
SHAPES = [(1, 2, 1), (7, 3, 2), (5, 1, 4), (6, 10, 10)]


def slow_student_t(z: Array, centers: Array) -> Array:
    q = np.zeros((len(z), len(centers)))
    for i in range(len(z)):
        for j in range(len(centers)):
            q[i, j] = (1 + sum((a - b) ** 2 for a, b in zip(z[i], centers[j], strict=True))) ** -1.0
        q[i] /= math.fsum(q[i])
    return q


def slow_target(q: Array) -> Array:
    n, k = q.shape
    frequency = [math.fsum(q[i, j] for i in range(n)) for j in range(k)]
    p = np.zeros((n, k))
    for i in range(n):
        below = math.fsum(q[i, j] ** 2 / frequency[j] for j in range(k))
        for j in range(k):
            p[i, j] = q[i, j] ** 2 / frequency[j] / below
    return p


def slow_kl(p: Array, q: Array) -> float:
    rows = []
    for i in range(len(p)):
        total = 0.0
        for a, b in zip(p[i], q[i], strict=True):
            a, b = min(max(a, 1e-7), 1.0), min(max(b, 1e-7), 1.0)
            total += a * (math.log(a) - math.log(b))
        rows.append(total)
    return math.fsum(rows) / len(rows)


def slow_inertia(z: Array, centers: Array) -> float:
    return math.fsum(min(((point - center) ** 2).sum() for center in centers) for point in z)


def slow_kmeans(z: Array, k: int, starts: int) -> float:
    """The least inertia of plain Lloyd iterations from random images."""
    rng = np.random.default_rng(0)
    least = math.inf
    for _ in range(starts):
        centers = z[rng.choice(len(z), k, replace=False)]
        for _ in range(20):
            nearest = np.array([((point - centers) ** 2).sum(1).argmin() for point in z])
            centers = np.stack([z[nearest == j].mean(0) if (nearest == j).any() else centers[j] for j in range(k)])
        least = min(least, slow_inertia(z, centers))
    return least


def blobs(n: int, k: int, d: int, spread: float = 1.0) -> Array:
    rng = np.random.default_rng(3)
    return rng.normal(0, 4, (k, d))[rng.integers(0, k, n)] + rng.normal(0, spread, (n, d))


@pytest.mark.parametrize(("b", "k", "d"), SHAPES)
def test_student_t(b: int, k: int, d: int) -> None:
    """Soft assignments are Student's t with one degree of freedom, normalised over the clusters."""
    rng = np.random.default_rng(0)
    z, centers = rng.normal(0, 2, (b, d)), rng.normal(0, 2, (k, d))
    q = student_t(torch.from_numpy(z), torch.from_numpy(centers)).numpy()
    np.testing.assert_allclose(q, slow_student_t(z, centers), rtol=1e-12)
    np.testing.assert_allclose(q.sum(1), 1, rtol=1e-12)


def test_student_t_by_hand() -> None:
    """At distances 1 and 2 the kernel is 1/2 and 1/5, so the assignments are 5/7 and 2/7."""
    q = student_t(torch.zeros(1, 2), torch.tensor([[0.0, 1.0], [2.0, 0.0]]))
    torch.testing.assert_close(q, torch.tensor([[5 / 7, 2 / 7]]))


def test_squared_distances_near() -> None:
    """Distances between close points far from the origin do not suffer from cancellation in float32."""
    z = torch.tensor([[1000.25, -3000.5], [1000.0, -3000.0]])
    assert squared_distances(z, z[1:] + 0).tolist() == [[0.3125], [0.0]]


@pytest.mark.parametrize(("n", "k"), [(1, 2), (7, 3), (40, 10)])
def test_target(n: int, k: int) -> None:
    """The target is q squared, divided by the cluster's frequency in the whole set, normalised over the clusters."""
    q = np.random.default_rng(0).dirichlet(np.full(k, 0.5), n)
    p = target_distribution(torch.from_numpy(q)).numpy()
    np.testing.assert_allclose(p, slow_target(q), rtol=1e-12)
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)


def test_target_by_hand() -> None:
    """Every row uses the frequencies 5/4 and 3/4 of the whole set."""
    q = torch.tensor([[3 / 4, 1 / 4], [1 / 2, 1 / 2]], dtype=torch.float64)
    # Row 1: 9/16 / (5/4) = 9/20 and 1/16 / (3/4) = 1/12; row 2: 1/4 / (5/4) = 1/5 and 1/4 / (3/4) = 1/3.
    expected = torch.tensor([[27 / 32, 5 / 32], [3 / 8, 5 / 8]], dtype=torch.float64)
    torch.testing.assert_close(target_distribution(q), expected)


def test_target_is_global() -> None:
    """The target of an image depends on images outside its batch."""
    q = torch.from_numpy(np.random.default_rng(0).dirichlet(np.ones(3), 8))
    assert not torch.allclose(target_distribution(q)[:4], target_distribution(q[:4]))


@pytest.mark.parametrize(
    ("p", "q"),
    [
        pytest.param([[0.7, 0.3]], [[0.2, 0.8]], id="one image"),
        pytest.param([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]], [[0.2, 0.5, 0.3], [0.3, 0.3, 0.4]], id="two images"),
        pytest.param([[1.0, 0.0], [0.5, 0.5]], [[0.5, 0.5], [1.0, 0.0]], id="zeros"),
        pytest.param([[1.0, 0.0]], [[0.0, 1.0]], id="opposite"),
        pytest.param([[1e-9, 1.0]], [[1.0, 1e-9]], id="below the clip"),
        pytest.param([[1.5, 0.5]], [[0.5, 1.5]], id="above one"),
    ],
)
def test_kl(p: list[list[float]], q: list[list[float]]) -> None:
    """KL is summed over clusters and averaged over the batch, both sides clipped to [1e-7, 1]."""
    fast = kl_divergence(torch.tensor(p, dtype=torch.float64), torch.tensor(q, dtype=torch.float64))
    assert fast.shape == ()
    assert fast.item() == pytest.approx(slow_kl(np.array(p), np.array(q)), rel=1e-12)


def test_kl_of_many() -> None:
    """KL is the mean over the images of the sums over clusters, for batches of any size."""
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.full(10, 0.1), 30), rng.dirichlet(np.ones(10), 30)
    fast = [kl_divergence(torch.from_numpy(p[at]), torch.from_numpy(q[at])).item() for at in (slice(30), slice(7))]
    assert fast == pytest.approx([slow_kl(p, q), slow_kl(p[:7], q[:7])], rel=1e-12)


def test_kl_of_equals() -> None:
    """Equal distributions have no divergence, with or without zeros."""
    p = torch.tensor([[0.7, 0.3], [1.0, 0.0]])
    assert kl_divergence(p, p).item() == 0


def test_kl_gradient() -> None:
    """The gradient is -p / q divided by the batch size where nothing is clipped, and finite at zeros."""
    p = torch.tensor([[0.75, 0.25], [1.0, 0.0]], dtype=torch.float64)
    q = torch.tensor([[0.5, 0.5], [1.0, 0.0]], dtype=torch.float64, requires_grad=True)
    kl_divergence(p, q).backward()
    assert q.grad is not None
    assert q.grad.isfinite().all()
    torch.testing.assert_close(q.grad[0], torch.tensor([-0.75, -0.25], dtype=torch.float64))


@pytest.mark.parametrize(("n", "k", "d", "spread"), [(60, 3, 2, 0.3), (80, 5, 3, 2.0), (4, 4, 2, 1.0)])
def test_kmeans_inertia(n: int, k: int, d: int, spread: float) -> None:
    """The centers are no worse than those of plain Lloyd iterations from ten random starts."""
    z = blobs(n, k, d, spread)
    centers = kmeans(torch.from_numpy(z), k, seed=0)
    assert centers.shape == (k, d)
    assert slow_inertia(z, centers.numpy()) <= slow_kmeans(z, k, starts=10) * (1 + 1e-6) + 1e-9


def test_kmeans_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default is 20 restarts."""
    seen = []

    class Spy(functional.KMeans):  # type: ignore[misc]
        def fit(self, *args: object) -> object:
            seen.append((self.n_init, self.n_clusters))
            return super().fit(*args)

    monkeypatch.setattr(functional, "KMeans", Spy)
    kmeans(torch.from_numpy(blobs(30, 3, 2)), 3, seed=0)
    assert seen == [(20, 3)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kmeans_like_z(dtype: torch.dtype) -> None:
    """Centers have the dtype of the embeddings and no gradient; the embeddings are not changed."""
    z = torch.from_numpy(blobs(30, 3, 2)).to(dtype).requires_grad_()
    before = z.detach().clone()
    centers = kmeans(z, 3, seed=0)
    assert centers.dtype == dtype
    assert not centers.requires_grad
    assert torch.equal(z, before)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32 + 5])
def test_kmeans_repeats(seed: int) -> None:
    """The same seed and embeddings lead to the same bits, independently of global generators, which stay untouched."""
    z = torch.from_numpy(blobs(100, 8, 3, 3.0))
    found = []
    for other in (1, 2):
        random.seed(other)
        np.random.seed(other)
        torch.manual_seed(other)
        states = random.getstate(), np.random.get_state(legacy=False), torch.get_rng_state()
        found.append(kmeans(z, 8, seed, n_init=1))
        assert random.getstate() == states[0]
        np.testing.assert_equal(np.random.get_state(legacy=False), states[1])
        assert torch.equal(torch.get_rng_state(), states[2])
    assert torch.equal(*found)


def test_kmeans_seeds_differ() -> None:
    """The seed matters: on hard data, single restarts with different seeds do not all end in the same centers."""
    z = torch.from_numpy(blobs(100, 8, 3, 3.0))
    assert len({kmeans(z, 8, seed, n_init=1).sort(0).values.numpy().tobytes() for seed in range(5)}) > 1


def test_kmeans_threads() -> None:
    """The number of threads does not affect the result, and is left as it was."""
    z = torch.from_numpy(blobs(3000, 10, 10, 4.0)).float()
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with threadpool_limits(limits=threads):
                given = {info["filepath"]: info["num_threads"] for info in threadpool_info()}
                found.append(kmeans(z, 10, seed=0, n_init=2))
                assert {info["filepath"]: info["num_threads"] for info in threadpool_info()} == given
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_kmeans_as_many_as_images() -> None:
    """With as many clusters as images, every image is a center, and there is no warning."""
    z = torch.tensor([[0.0, 1.0], [2.0, 3.0], [-4.0, 5.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sorted(kmeans(z, 3, seed=0).tolist()) == sorted(z.tolist())


class _Largest(TorchDispatchMode):
    """Records the size of the largest tensor that is created."""

    numel = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.numel = max(self.numel, result.numel())
        return result


def test_distances_are_computed_in_chunks() -> None:
    """Distances in chunks equal those at once bit for bit, have gradients, and never need N x K x D numbers."""
    z = torch.randn(20_000, 8, generator=torch.Generator().manual_seed(0))
    centers = torch.randn(100, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    with _Largest() as largest:
        chunked = squared_distances(z, centers)
    assert largest.numel <= functional.CHUNK < 20_000 * 100 * 8
    assert torch.equal(chunked, (z.unsqueeze(1) - centers).square().sum(2))
    (gradient,) = torch.autograd.grad(chunked.sum(), centers)
    assert torch.allclose(gradient, 2 * (len(z) * centers - z.sum(0)), rtol=1e-3)


def test_large_sets_take_the_memory_of_their_result() -> None:
    """Soft assignments and target of a whole set, computed in place, equal those of the formulas bit for bit."""
    z = torch.randn(20_000, 8, generator=torch.Generator().manual_seed(0))
    centers = torch.randn(100, 8, generator=torch.Generator().manual_seed(1))
    kernel = 1 / (1 + (z.unsqueeze(1) - centers).square().sum(2))
    expected = kernel / kernel.sum(1, keepdim=True)
    q = student_t(z, centers)
    assert torch.equal(q, expected)
    p = target_distribution(q)
    assert torch.equal(q, expected)
    assert target_distribution_(q) is q
    assert torch.equal(q, p)


def test_soft_assignments_in_chunks_have_gradients() -> None:
    """They are those of the formula, for embeddings and for centers."""
    z = torch.randn(30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    centers = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(student_t, (z, centers))


def test_nearest_centers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunk by chunk they are those of all distances, and the first of several; no N x K distances are held."""
    z = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    centers = torch.randn(50, 8, generator=torch.Generator().manual_seed(1))
    expected = squared_distances(z, centers).argmin(1)
    monkeypatch.setattr(functional, "CACHED", 4000)
    with _Largest() as largest:
        assert torch.equal(nearest_centers(z, centers), expected)
    assert largest.numel <= 4000
    assert nearest_centers(torch.zeros(1, 1), torch.tensor([[1.0], [-1.0]])).tolist() == [0]
    assert nearest_centers(z[:0], centers).shape == (0,)


def test_means_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Means of a large set are added up part by part, in the order in which all would be: the bits are the same."""
    z, labels = torch.from_numpy(blobs(500, 3, 2)).float(), torch.arange(500) % 3
    whole = cluster_means(z, labels, 5)  # two of them empty
    monkeypatch.setattr(functional, "ROWS", 64)
    assert torch.equal(cluster_means(z, labels, 5), whole)


class _OnMps(Tensor):
    """A tensor that says it is on mps; its values are on the CPU."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        return torch.device("mps")


class _Mps(TorchFunctionMode):
    """Stands in for Apple's GPU: copies to it and from it, and float64 there is the error that it is on the device."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        targets = args[1:] if function is Tensor.to else ()
        to_mps = any(isinstance(target, _OnMps) or target == torch.device("mps") for target in targets)
        if to_mps and not isinstance(args[0], _OnMps):
            result = args[0].as_subclass(_OnMps)
        else:
            result = function(*args, **(kwargs or {}))
        if function is Tensor.cpu:
            return result.as_subclass(Tensor)
        if isinstance(result, _OnMps) and result.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64")
        return result


def test_means_on_a_device_without_float64() -> None:
    """Means are added up on the CPU; no tensor in float64 ever is on the device of the embeddings."""
    z, labels = torch.from_numpy(blobs(30, 3, 2)).float(), torch.arange(30) % 3
    with _Mps():
        means = cluster_means(z.as_subclass(_OnMps), labels.as_subclass(_OnMps), 4)  # one of them empty
    assert isinstance(means, _OnMps)
    assert torch.equal(means.as_subclass(Tensor), cluster_means(z, labels, 4))


def test_a_cluster_without_weight_has_no_target() -> None:
    """If a cluster is empty (f_j = 0), its target is 0 and the others are unaffected, instead of NaN."""
    q = torch.tensor([[0.75, 0.25, 0.0], [0.5, 0.5, 0.0]])
    p = target_distribution(q)
    assert torch.equal(p[:, 2], torch.zeros(2))
    assert torch.equal(p[:, :2], target_distribution(q[:, :2]))
