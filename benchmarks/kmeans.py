"""Time and inertia of k-means on embeddings: by scikit-learn, and with all restarts batched."""

import os
from collections.abc import Callable

import torch
from measure import Timing, arguments, once, print_table, wait_until_quiet
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor

from decda.core.batched_kmeans import batched_kmeans
from decda.core.functional import squared_distances

SIZES = {"digits": 1_797, "mnist-test": 10_000, "mnist": 70_000}
CLUSTERS = 10
DIMENSIONS = 10


def embeddings(size: int) -> Tensor:
    """Draw samples from ten overlapping Gaussian clusters; about one in seven is nearer to another center than its own.

    Args:
        size: N.

    Returns:
        Samples (N, 10), float32.
    """
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(CLUSTERS, DIMENSIONS, generator=generator)
    own = torch.randint(CLUSTERS, (size,), generator=generator)
    return 3.0 * (centers[own] + torch.randn(size, DIMENSIONS, generator=generator))


def inertia(z: Tensor, centers: Tensor) -> float:
    """Compute the inertia in float64.

    Args:
        z: samples (N, D).
        centers: (K, D).

    Returns:
        The sum of squared distances to the nearest center.
    """
    portions = z.double().split(4096)
    return sum(squared_distances(portion, centers.double().cpu()).amin(1).sum().item() for portion in portions)


def by_scikit_learn(z: Tensor, n_init: int, threads: int) -> Tensor:
    """Place the centers by scikit-learn.

    Args:
        z: samples (N, D).
        n_init: number of restarts.
        threads: number of threads.

    Returns:
        centers (K, D).
    """
    with threadpool_limits(limits=threads):
        return torch.from_numpy(KMeans(CLUSTERS, n_init=n_init, random_state=0).fit(z.numpy()).cluster_centers_)


def by_batches(z: Tensor, n_init: int, threads: int) -> Tensor:
    """Place the centers with all restarts batched.

    Args:
        z: samples (N, D).
        n_init: number of restarts.
        threads: number of threads, if z is on the CPU.

    Returns:
        centers (K, D).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return batched_kmeans(z, CLUSTERS, 0, n_init=n_init)
    finally:
        torch.set_num_threads(before)


def main() -> None:
    """Measure, and print the table."""
    options = arguments(__doc__ or "", repeats=5, restarts=20)
    sizes, repeats, restarts = SIZES, options.repeats, options.restarts
    if options.quick:
        sizes, repeats, restarts = {"tiny": 300, "small": 900}, 3, 3
    else:
        wait_until_quiet()
    threads = os.cpu_count() or 1
    columns = ["scikit-learn, 1 thread", f"scikit-learn, {threads} threads", f"batched, CPU, {threads} threads"]
    if options.device != "cpu":
        columns.append(f"batched, {options.device}")
    rows = []
    for name, size in sizes.items():
        z = embeddings(size)
        there = z.to(options.device)
        calls: dict[str, Callable[[], Tensor]] = {
            columns[0]: lambda z=z: by_scikit_learn(z, restarts, 1),
            columns[1]: lambda z=z: by_scikit_learn(z, restarts, threads),
            columns[2]: lambda z=z: by_batches(z, restarts, threads),
        }
        if options.device != "cpu":
            calls[columns[3]] = lambda there=there: by_batches(there, restarts, threads)
        found = {which: inertia(z, call()) for which, call in calls.items()}  # also the warm-up
        taken: dict[str, list[float]] = {which: [] for which in calls}
        for _ in range(repeats):
            for which, call in calls.items():
                taken[which].append(once(call, options.device))
        # Both are compared with scikit-learn on one thread, which is what `functional.kmeans` uses on a CPU.
        ratios = [f"{found[which] / found[columns[0]] - 1:+.1e}" for which in columns[2:]]
        rows.append([name, f"{size:,}", *(_seconds(Timing.of(taken[which])) for which in columns), *ratios])
    more = [f"inertia / scikit-learn's - 1, {which.split()[1].strip(',')}" for which in columns[2:]]
    title = f"k-means, D = {DIMENSIONS}, K = {CLUSTERS}, {restarts} restarts; seconds, median (quartiles) of {repeats}"
    print_table(title, ["as large as", "N", *columns, *more], rows)


def _seconds(timing: Timing) -> str:
    return f"{timing.median:.3f} ({timing.low:.3f}-{timing.high:.3f})"


if __name__ == "__main__":
    main()
