"""k-means with all restarts at once, for devices on which starting an operation costs more than doing it.

N samples, K clusters, D embedding; R restarts, T candidates; S blocks of n samples, s of them at a time.

**In float64.** TF32, where somebody has turned it on for the process, cuts the factors of float32 products to 10 bits
and would put samples into wrong clusters; so would autocast. Neither touches float64, so that no switch has to be
turned back and forth under other threads. And |z|^2 - 2zc + |c|^2, which cancels in float32, is then sharp enough to
compare centers by.

**In products.** A sample is the column (z, 1, |z|^2), a center the row (-2c, |c|^2, 1): one product gives all
distances. A one-hot row times (z, 1) gives a cluster's sum and size. The blocks are filled up with columns of zeros:
they are at distance 0 of everything, and whichever cluster takes them they add nothing.

**Repeatable.** Sums are products, block by block, and running sums are of whole numbers. Atomic additions and parallel
running sums of floats, which round differently from run to run, are not used.
"""

import math

import numpy as np
import torch
from torch import Tensor

BLOCK = 1024
"""Samples of a block at most. A product that sums all samples into few centers would leave most of a device idle."""
CHUNK = 2**24
"""Numbers in a temporary, 128 MiB; what needs more takes the blocks in turns. Two or three are alive at once."""
LOOK = 4
"""Iterations from one look at what is done to the next; each makes the host wait for the device."""
NOTHING = 1e-24
"""Squared length, in units of the mean variance, that is rounding: float64 carries 1e-16 of a length."""


def batched_kmeans(
    z: Tensor, n_clusters: int, seed: int, *, n_init: int = 20, max_iter: int = 300, tol: float = 1e-4
) -> Tensor:
    """Centers by k-means: greedy k-means++ starts, Lloyd's iterations, the best of the restarts.

    The draws are those that scikit-learn's KMeans makes from the same seed, in its order: on float64 both start from
    the same samples and end in the same centers, or these a few iterations further. Given float32, scikit-learn adds up
    in float32, which moves draws to a neighbouring sample, the more of them the more samples there are; which of both
    then finds less is luck.

    Args:
        z: (N, D), finite, N >= n_clusters; on a device that has float64.
        n_clusters: K.
        seed: equal z and seed give equal centers on the same device.
        n_init: R.
        max_iter: iterations of a restart at most.
        tol: a restart is done when the squared moves of its centers sum to this share of the mean variance at most. As
            many as three iterations more do no harm.

    Returns:
        centers (K, D) of z's dtype and device.

    Raises:
        ValueError: fewer samples than clusters, or a sample that is not finite.

    Reference:
        Arthur, Vassilvitskii: k-means++: The Advantages of Careful Seeding, SODA 2007; of several candidates for a
        center the best is taken, as in the authors' code.
    """
    if len(z) < n_clusters:
        raise ValueError(f"{len(z)} samples do not make {n_clusters} clusters.")
    points = z.detach().double()
    mean = points.mean(0)
    points = points - mean
    variance = points.square().mean().item()
    if not math.isfinite(variance):
        raise ValueError("k-means needs finite samples.")
    blocks = _blocks(points)
    centers = _starts(points, blocks, n_clusters, *_draws(len(points), n_clusters, seed, n_init))
    centers = _lloyd(points, blocks, centers, max_iter, tol * variance, NOTHING * variance)
    best = _to_nearest(blocks, centers).sum((0, 2)).argmin()
    return (centers[best] + mean).to(z)


def _blocks(points: Tensor) -> Tensor:
    """Samples as columns (z, 1, |z|^2), filled up with columns of zeros: (S, D + 2, n)."""
    size, dimensions = points.shape
    count = math.ceil(size / BLOCK)
    width = math.ceil(size / count)
    rows = points.new_zeros(count * width, dimensions + 2)
    rows[:size, :dimensions] = points
    rows[:size, -2] = 1
    rows[:size, -1] = points.square().sum(1)
    return rows.view(count, width, -1).mT.contiguous()


def _portions(blocks: Tensor, rows: int) -> tuple[Tensor, ...]:
    """The blocks in portions (s, ..., n) of which a temporary of so many rows fits into a chunk."""
    portions: tuple[Tensor, ...] = blocks.split(max(1, CHUNK // (rows * blocks.shape[-1])))
    return portions


def _distances(portion: Tensor, centers: Tensor) -> Tensor:
    """Squared distances of centers (R, K, D) to the samples of a portion, (s, R, K, n); may round to below 0."""
    squares = centers.square().sum(2, keepdim=True)
    rows = torch.cat([-2 * centers, squares, torch.ones_like(squares)], 2).flatten(0, 1)
    return torch.bmm(rows.expand(len(portion), -1, -1), portion).view(len(portion), *centers.shape[:2], -1)


def _draws(size: int, n_clusters: int, seed: int, n_init: int) -> tuple[Tensor, Tensor]:
    """Which samples come first, (R,), and where in [0, 1) each next center's candidates lie, (K - 1, R, T).

    From NumPy's RandomState, whose stream is frozen, because scikit-learn draws from it.
    """
    trials = 2 + int(math.log(n_clusters))
    draws = np.random.RandomState(seed % 2**32).random_sample((n_init, 1 + (n_clusters - 1) * trials))
    first = torch.from_numpy((draws[:, 0] * size).astype(np.int64))
    further = draws[:, 1:].reshape(n_init, n_clusters - 1, trials).transpose(1, 0, 2)
    return first, torch.from_numpy(further.copy())


def _starts(points: Tensor, blocks: Tensor, n_clusters: int, first: Tensor, further: Tensor) -> Tensor:
    """Centers (R, K, D) by greedy k-means++.

    Of T candidates, drawn in proportion to the squared distance to the nearest center so far, that one becomes the next
    center which leaves the least sum of these distances.
    """
    centers = points[first.to(points.device)].unsqueeze(1)
    nearest = _to_one(blocks, centers)
    for where in further.to(points.device):
        candidates = points[_proportional(nearest, where).clamp_(max=len(points) - 1)]  # (R, T, D)
        rows = where.numel()
        left = torch.zeros_like(where)
        for portion, near in zip(_portions(blocks, rows), _portions(nearest, rows), strict=True):
            left += torch.minimum(_distances(portion, candidates), near).sum((0, 3))
        center = candidates.take_along_dim(left.argmin(1)[:, None, None], 1)  # (R, 1, D)
        centers = torch.cat([centers, center], 1)
        nearest = torch.minimum(nearest, _to_one(blocks, center))
    return centers


def _to_one(blocks: Tensor, center: Tensor) -> Tensor:
    """Squared distances of one center each, (R, 1, D), to the samples, (S, R, 1, n)."""
    return torch.cat([_distances(portion, center).clamp_(min=0) for portion in _portions(blocks, len(center))])


def _proportional(weights: Tensor, where: Tensor) -> Tensor:
    """Samples drawn in proportion to weights (S, R, 1, n), at shares where (R, T) of the whole; (R, T).

    Weights become whole numbers that sum to about 2^52: those are added up alike in any order.
    """
    weights = weights.squeeze(2).transpose(0, 1).flatten(1)  # (R, S n)
    whole = weights.sum(1, keepdim=True).clamp_(min=1e-200)  # all weights 0: the samples differ no more, any will do
    reached = (weights * (2**52 / whole)).long().cumsum(1)
    return torch.searchsorted(reached, (where * reached[:, -1:]).long(), right=True)


def _lloyd(points: Tensor, blocks: Tensor, centers: Tensor, max_iter: int, enough: float, nothing: float) -> Tensor:
    """Centers (R, K, D) after Lloyd's iterations; restarts that are done leave the batch."""
    final = centers.clone()
    going = torch.arange(len(centers), device=centers.device)
    for iteration in range(1, max_iter + 1):
        moved, sizes = _step(blocks, centers)
        # Labels that stay as they are leave the centers where they were: no need to compare labels.
        unsettled = (moved - centers).square().sum((1, 2)) > max(enough, nothing)
        centers = moved
        if iteration % LOOK and iteration < max_iter:
            continue
        go_on, gaps = torch.stack([unsettled, (sizes == 0).any(1)]).tolist()
        for restart in range(len(centers)):
            if gaps[restart]:
                go_on[restart] |= _fill(points, blocks, centers[restart], sizes[restart] == 0, nothing)
        final[going] = centers
        keep = torch.tensor([i for i, more in enumerate(go_on) if more], dtype=torch.long, device=centers.device)
        if not len(keep):
            break
        centers, going = centers[keep], going[keep]
    return final


def _step(blocks: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (R, K, D) of the samples that each center is nearest to, and their number (R, K).

    A center that is nearest to none stays.
    """
    rows = centers.shape[:2].numel()
    totals = centers.new_zeros(rows, blocks.shape[1] - 1)
    for portion in _portions(blocks, rows):
        distances = _distances(portion, centers)
        labels = distances.argmin(2, keepdim=True)
        one_hot = distances.zero_().scatter_(2, labels, 1.0)  # in place: the largest temporary serves twice
        totals += torch.bmm(one_hot.flatten(1, 2), portion[:, :-1].mT).sum(0)
    sums, sizes = totals.view(*centers.shape[:2], -1).split([centers.shape[2], 1], 2)
    return torch.where(sizes > 0, sums / sizes.clamp(min=1), centers), sizes.squeeze(2)


def _fill(points: Tensor, blocks: Tensor, centers: Tensor, empty: Tensor, nothing: float) -> bool:
    """Move the empty (K,) of a restart's centers (K, D), in place, to the samples that are farthest from theirs.

    Returns:
        Whether any moved: none does where all samples are at a center, there being no more distinct ones than centers.
    """
    away = _to_nearest(blocks, centers.unsqueeze(0)).flatten()[: len(points)]
    distance, farthest = away.sort(descending=True, stable=True)
    gaps = empty.nonzero().squeeze(1)
    far = distance[: len(gaps)] > nothing
    centers[gaps[far]] = points[farthest[: len(gaps)][far]]
    return bool(far.any())


def _to_nearest(blocks: Tensor, centers: Tensor) -> Tensor:
    """Squared distance of each sample to the nearest of centers (R, K, D), from the difference: (S, R, n)."""
    restarts, _, dimensions = centers.shape
    restart = torch.arange(restarts, device=centers.device).unsqueeze(1)
    found = []
    for portion in _portions(blocks, restarts * max(centers.shape[1:])):
        labels = _distances(portion, centers).argmin(2)  # (s, R, n)
        difference = portion[:, None, :dimensions].mT - centers[restart, labels]  # (s, R, n, D)
        found.append(difference.square_().sum(3) * portion[:, None, -2])  # 0 for what fills up
    return torch.cat(found)
