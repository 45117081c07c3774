"""k-means of embeddings: scikit-learn's, and all restarts at once, in seconds and in inertia."""

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
    """Ten overlapping Gaussian clusters, (N, 10) float32: about one sample in seven is nearer to another center."""
    generator = torch.Generator().manual_seed(0)
    centers = torch.randn(CLUSTERS, DIMENSIONS, generator=generator)
    own = torch.randint(CLUSTERS, (size,), generator=generator)
    return 3.0 * (centers[own] + torch.randn(size, DIMENSIONS, generator=generator))


def inertia(z: Tensor, centers: Tensor) -> float:
    """Sum of squared distances to the nearest center, in float64."""
    portions = z.double().split(4096)
    return sum(squared_distances(portion, centers.double().cpu()).amin(1).sum().item() for portion in portions)


def by_scikit_learn(z: Tensor, n_init: int, threads: int) -> Tensor:
    """Its centers, with that many threads."""
    with threadpool_limits(limits=threads):
        return torch.from_numpy(KMeans(CLUSTERS, n_init=n_init, random_state=0).fit(z.numpy()).cluster_centers_)


def by_batches(z: Tensor, n_init: int, threads: int) -> Tensor:
    """Centers with all restarts at once, with that many threads where z is on the CPU."""
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
        found = {which: inertia(z, call()) for which, call in calls.items()}  # and warms up
        taken: dict[str, list[float]] = {which: [] for which in calls}
        for _ in range(repeats):
            for which, call in calls.items():
                taken[which].append(once(call, options.device))
        # Both batched ways are compared with one thread, the way by the CPU that `functional.kmeans` takes.
        ratios = [f"{found[which] / found[columns[0]] - 1:+.1e}" for which in columns[2:]]
        rows.append([name, f"{size:,}", *(_seconds(Timing.of(taken[which])) for which in columns), *ratios])
    more = [f"inertia / scikit-learn's - 1, {which.split()[1].strip(',')}" for which in columns[2:]]
    title = f"k-means, D = {DIMENSIONS}, K = {CLUSTERS}, {restarts} restarts; seconds, median (quartiles) of {repeats}"
    print_table(title, ["as large as", "N", *columns, *more], rows)


def _seconds(timing: Timing) -> str:
    return f"{timing.median:.3f} ({timing.low:.3f}-{timing.high:.3f})"


if __name__ == "__main__":
    main()
