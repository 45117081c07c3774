"""The start `medoids`."""

from typing import Annotated

import torch
from torch import Tensor

from decda.core.functional import squared_distances


def medoids(
    z: Tensor,
    n_clusters: int,
    seed: int,
    *,
    max_iter: Annotated[int, "most rounds of moving the medoids, at least 1"] = 50,
    max_members: Annotated[int, "members of a cluster among which its medoid is looked for"] = 500,
) -> Tensor:
    """K-medoids: like k-means, but each center is an embedding, and distances are not squared, so outliers count less.

    Args:
        z: embeddings (N, D), float32.
        n_clusters: K.
        seed: of the first medoids and of the members that are looked at.

    Returns:
        Labels from 0 to K - 1, int64 (N,).

    Raises:
        ValueError: max_iter or max_members is below 1.

    Reference:
        Park, Jun: A simple and fast algorithm for K-medoids clustering, Expert Systems with Applications 2009; first
        medoids as in k-means++ (Arthur, Vassilvitskii, SODA 2007).

    Example:
        >>> labels = medoids(torch.tensor([[0.0], [0.2], [5.0], [5.1]]), 2, seed=0)
        >>> (labels[0] == labels[1]).item(), (labels[0] == labels[2]).item()
        (True, False)
    """
    if max_iter < 1 or max_members < 1:
        raise ValueError(f"max_iter {max_iter} and max_members {max_members} must be at least 1")
    generator = torch.Generator().manual_seed(seed % 2**32)  # not the global one
    points = z.detach().cpu()
    centers = _first(points, n_clusters, generator)
    labels = squared_distances(points, centers).argmin(1)
    for _ in range(max_iter):
        moved = centers.clone()
        for cluster in range(n_clusters):
            members = points[labels == cluster]
            members = members[torch.randperm(len(members), generator=generator)[:max_members]]
            if len(members):
                moved[cluster] = members[squared_distances(members, members).sqrt().sum(1).argmin()]
        if torch.equal(moved, centers):
            break
        centers = moved
        labels = squared_distances(points, centers).argmin(1)
    return labels.to(z.device)


def _first(points: Tensor, n_clusters: int, generator: torch.Generator) -> Tensor:
    """K of the points (K, D), each drawn with a chance that grows with its distance from those before."""
    chosen = [int(torch.randint(len(points), (1,), generator=generator))]
    for _ in range(n_clusters - 1):
        distances = squared_distances(points, points[chosen]).amin(1).double()
        total = distances.sum()
        if total > 0:
            chosen.append(int(torch.multinomial(distances / total, 1, generator=generator)))
        else:  # fewer distinct embeddings than clusters
            chosen.append(int(torch.randint(len(points), (1,), generator=generator)))
    return points[chosen]
