"""k-means with all restarts batched, for devices on which launching an operation costs more than computing it.

N samples, K clusters, D embedding; R restarts, T candidates; S blocks of n samples, s of them processed at a time.

**Everything is float64.** If TF32 is enabled for the process, it rounds the factors of float32 products to 10 bits,
which would assign samples to the wrong clusters; autocast would do the same. Neither affects float64, so no global
switch has to be toggled while other threads run. Also, |z|^2 - 2zc + |c|^2 suffers from cancellation in float32 but is
accurate enough in float64 to compare centers.

**Everything is a matrix product.** A sample is the column (z, 1, |z|^2) and a center the row (-2c, |c|^2, 1), so one
product yields all distances. A one-hot row times (z, 1) yields a cluster's sum and size. Blocks are padded with columns
of zeros: these have distance 0 to every center and add nothing to the cluster they are assigned to.

**Results are repeatable.** Sums are computed as products, block by block, and cumulative sums only over integers.
Atomic additions and parallel cumulative sums of floats round differently from run to run and are not used.
"""

import math

import numpy as np
import torch
from torch import Tensor

BLOCK = 1024
"""Most samples per block. A single product that sums all samples into few centers would leave most of a GPU idle."""
CHUNK = 2**24
"""Most elements of a temporary (128 MiB); larger ones are computed in portions. Two or three are alive at once."""
CHECK_INTERVAL = 4
"""Iterations between two convergence checks; each check makes the host wait for the device."""
ROUNDING = 1e-24
"""Squared distance, relative to the mean variance, that counts as rounding error: float64 resolves 1e-16 of a length.
"""


def batched_kmeans(
    z: Tensor, n_clusters: int, seed: int, *, n_init: int = 20, max_iter: int = 300, tol: float = 1e-4
) -> Tensor:
    """Place centers by k-means: greedy k-means++ initialization, Lloyd's iterations, the best of several restarts.

    It draws the same random numbers as scikit-learn's KMeans does from the same seed, in the same order. On float64
    input both start from the same samples and end at the same centers, or these run a few iterations further. On
    float32 input scikit-learn accumulates in float32, which moves some draws to a neighbouring sample, the more often
    the more samples there are; which of the two then reaches the lower inertia is a matter of luck.

    Args:
        z: embeddings (N, D), finite, N >= n_clusters; on a device that supports float64.
        n_clusters: K.
        seed: equal z and seed give equal centers on the same device.
        n_init: R, the number of restarts.
        max_iter: most iterations of a restart.
        tol: a restart has converged when the squared displacements of its centers sum to at most this fraction of the
            mean variance. Convergence is checked every few iterations, so it may run up to three iterations longer.

    Returns:
        centers (K, D), of z's dtype and on its device.

    Raises:
        ValueError: there are fewer samples than clusters, or a sample is not finite.

    Reference:
        Arthur, Vassilvitskii: k-means++: The Advantages of Careful Seeding, SODA 2007. As in the authors' code, the
        best of several candidates becomes the next center.

    Example:
        >>> z = torch.tensor([[0.0], [1.0], [8.0], [9.0]], dtype=torch.float64)
        >>> batched_kmeans(z, 2, seed=0).sort(0).values.tolist()
        [[0.5], [8.5]]
    """
    if len(z) < n_clusters:
        raise ValueError(f"{len(z)} samples cannot form {n_clusters} clusters.")
    points = z.detach().double()
    mean = points.mean(0)
    points = points - mean
    variance = points.square().mean().item()
    if not math.isfinite(variance):
        raise ValueError("k-means needs finite samples; at least one is NaN or infinite.")
    blocks = _blocks(points)
    centers = _starts(points, blocks, n_clusters, *_draws(len(points), n_clusters, seed, n_init))
    centers = _lloyd(points, blocks, centers, max_iter, tol * variance, ROUNDING * variance)
    best = _to_nearest(blocks, centers).sum((0, 2)).argmin()
    return (centers[best] + mean).to(z)


def _blocks(points: Tensor) -> Tensor:
    """Samples as columns (z, 1, |z|^2), padded with columns of zeros: (S, D + 2, n)."""
    size, dimensions = points.shape
    count = math.ceil(size / BLOCK)
    width = math.ceil(size / count)
    rows = points.new_zeros(count * width, dimensions + 2)
    rows[:size, :dimensions] = points
    rows[:size, -2] = 1
    rows[:size, -1] = points.square().sum(1)
    return rows.view(count, width, -1).mT.contiguous()


def _portions(blocks: Tensor, rows: int) -> tuple[Tensor, ...]:
    """Split the blocks into portions (s, ..., n) for which a temporary with that many rows fits into a chunk."""
    portions: tuple[Tensor, ...] = blocks.split(max(1, CHUNK // (rows * blocks.shape[-1])))
    return portions


def _distances(portion: Tensor, centers: Tensor) -> Tensor:
    """Squared distances of centers (R, K, D) to the samples of a portion, (s, R, K, n); rounding may make them < 0."""
    squares = centers.square().sum(2, keepdim=True)
    rows = torch.cat([-2 * centers, squares, torch.ones_like(squares)], 2).flatten(0, 1)
    return torch.bmm(rows.expand(len(portion), -1, -1), portion).view(len(portion), *centers.shape[:2], -1)


def _draws(size: int, n_clusters: int, seed: int, n_init: int) -> tuple[Tensor, Tensor]:
    """Indices of the first centers, (R,), and uniform draws in [0, 1) for the candidates of the others, (K - 1, R, T).

    They come from NumPy's RandomState, whose stream is frozen, because scikit-learn draws from it.
    """
    trials = 2 + int(math.log(n_clusters))
    draws = np.random.RandomState(seed % 2**32).random_sample((n_init, 1 + (n_clusters - 1) * trials))
    first = torch.from_numpy((draws[:, 0] * size).astype(np.int64))
    further = draws[:, 1:].reshape(n_init, n_clusters - 1, trials).transpose(1, 0, 2)
    return first, torch.from_numpy(further.copy())


def _starts(points: Tensor, blocks: Tensor, n_clusters: int, first: Tensor, further: Tensor) -> Tensor:
    """Centers (R, K, D) by greedy k-means++.

    T candidates are drawn in proportion to the squared distance to the nearest center so far. The candidate that leaves
    the smallest sum of these distances becomes the next center.
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
    """Squared distances of one center per restart, (R, 1, D), to all samples, (S, R, 1, n)."""
    return torch.cat([_distances(portion, center).clamp_(min=0) for portion in _portions(blocks, len(center))])


def _proportional(weights: Tensor, where: Tensor) -> Tensor:
    """Indices (R, T) of samples drawn in proportion to weights (S, R, 1, n), given uniform draws `where` (R, T).

    Weights are scaled to integers that sum to about 2^52, because integers add up to the same sum in any order.
    """
    weights = weights.squeeze(2).transpose(0, 1).flatten(1)  # (R, S n)
    whole = weights.sum(1, keepdim=True).clamp_(min=1e-200)  # all weights 0: every sample is at a center
    reached = (weights * (2**52 / whole)).long().cumsum(1)
    return torch.searchsorted(reached, (where * reached[:, -1:]).long(), right=True)


def _lloyd(points: Tensor, blocks: Tensor, centers: Tensor, max_iter: int, tol: float, rounding: float) -> Tensor:
    """Centers (R, K, D) after Lloyd's iterations; restarts that have converged leave the batch."""
    final = centers.clone()
    active = torch.arange(len(centers), device=centers.device)
    for iteration in range(1, max_iter + 1):
        moved, sizes = _step(blocks, centers)
        # Unchanged labels mean unmoved centers, so there is no need to compare labels.
        unsettled = (moved - centers).square().sum((1, 2)) > max(tol, rounding)
        centers = moved
        if iteration % CHECK_INTERVAL and iteration < max_iter:
            continue
        go_on, gaps = torch.stack([unsettled, (sizes == 0).any(1)]).tolist()
        for restart in range(len(centers)):
            if gaps[restart]:
                go_on[restart] |= _fill(points, blocks, centers[restart], sizes[restart] == 0, rounding)
        final[active] = centers
        keep = torch.tensor([i for i, more in enumerate(go_on) if more], dtype=torch.long, device=centers.device)
        if not len(keep):
            break
        centers, active = centers[keep], active[keep]
    return final


def _step(blocks: Tensor, centers: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (R, K, D) and number (R, K) of the samples that are nearest to each center.

    The center of an empty cluster stays where it is.
    """
    rows = centers.shape[:2].numel()
    totals = centers.new_zeros(rows, blocks.shape[1] - 1)
    for portion in _portions(blocks, rows):
        distances = _distances(portion, centers)
        labels = distances.argmin(2, keepdim=True)
        one_hot = distances.zero_().scatter_(2, labels, 1.0)  # in place: reuses the largest temporary
        totals += torch.bmm(one_hot.flatten(1, 2), portion[:, :-1].mT).sum(0)
    sums, sizes = totals.view(*centers.shape[:2], -1).split([centers.shape[2], 1], 2)
    return torch.where(sizes > 0, sums / sizes.clamp(min=1), centers), sizes.squeeze(2)


def _fill(points: Tensor, blocks: Tensor, centers: Tensor, empty: Tensor, rounding: float) -> bool:
    """Move the centers (K, D) of empty clusters, in place, to the samples that are farthest from their own centers.

    Args:
        points: samples (N, D), minus their mean.
        blocks: the same as blocks.
        centers: of one restart (K, D).
        empty: which of its clusters are empty, bool (K,).
        rounding: squared distance that counts as rounding error.

    Returns:
        Whether any center moved. None does if every sample is at a center: there are too few distinct samples then.
    """
    away = _to_nearest(blocks, centers.unsqueeze(0)).flatten()[: len(points)]
    distance, farthest = away.sort(descending=True, stable=True)
    gaps = empty.nonzero().squeeze(1)
    far = distance[: len(gaps)] > rounding
    centers[gaps[far]] = points[farthest[: len(gaps)][far]]
    return bool(far.any())


def _to_nearest(blocks: Tensor, centers: Tensor) -> Tensor:
    """Squared distance of each sample to the nearest of centers (R, K, D), computed from the difference: (S, R, n)."""
    restarts, _, dimensions = centers.shape
    restart = torch.arange(restarts, device=centers.device).unsqueeze(1)
    found = []
    for portion in _portions(blocks, restarts * max(centers.shape[1:])):
        labels = _distances(portion, centers).argmin(2)  # (s, R, n)
        difference = portion[:, None, :dimensions].mT - centers[restart, labels]  # (s, R, n, D)
        found.append(difference.square_().sum(3) * portion[:, None, -2])  # 0 for padding
    return torch.cat(found)
