"""Where clustering starts: a start clusters the pretrained embeddings; the head places its centers by the labels."""

import inspect
from collections.abc import Iterator

import torch
from torch import Tensor

from decda.core.contracts import ClusteringHead, Start, Views
from decda.core.errors import ContractViolation
from decda.core.functional import kmeans_labels

CERTAINTY = 0.8
"""The share of the target on the cluster of the start: not all of it, for the start errs, too."""


def by_kmeans(z: Tensor, n_clusters: int, seed: int, views: Views) -> Tensor:
    """The paper's start, for a trainer that is given no other.

    Args:
        z: embeddings (N, D).
        n_clusters: K.
        seed: of the restarts.
        views: not used.

    Returns:
        Labels, int64 (N,).
    """
    return kmeans_labels(z, n_clusters, seed)


def no_views(n: int) -> Iterator[Tensor]:
    """Where there is no augmentation, and nothing to embed: no copies.

    Args:
        n: how many are asked for.
    """
    yield from ()


def start_target(labels: Tensor, n_clusters: int) -> Tensor:
    """A target by the labels of the start, for the first refreshes: most of each row on its cluster.

    Args:
        labels: int64 (N,).
        n_clusters: K.

    Returns:
        p (N, K); rows sum to 1.

    Example:
        >>> start_target(torch.tensor([1]), 3)
        tensor([[0.1000, 0.8000, 0.1000]])
    """
    if n_clusters == 1:
        return torch.ones(len(labels), 1, device=labels.device)
    p = torch.full((len(labels), n_clusters), (1 - CERTAINTY) / (n_clusters - 1), device=labels.device)
    return p.scatter_(1, labels.unsqueeze(1), CERTAINTY)


def takes_seed(head: ClusteringHead | type[ClusteringHead]) -> bool:
    """Whether a head places its centers by itself, as in version 2 of the contract: `init_centers(z, seed)`.

    Args:
        head: the head, or its class.
    """
    try:
        names = list(inspect.signature(head.init_centers).parameters)
    except (TypeError, ValueError):
        return False
    return names[-1:] == ["seed"]


def place_centers(head: ClusteringHead, z: Tensor, start: Start, seed: int, views: Views = no_views) -> Tensor | None:
    """Cluster the embeddings, and have the head place its centers.

    Args:
        head: on the device of z.
        z: clean embeddings of the whole set (N, D).
        start: the start.
        seed: of its draws.
        views: embeds augmented copies of the images.

    Returns:
        The labels of the start, int64 (N,); None for a head of version 2, which needs none.

    Raises:
        ContractViolation: the start returned something else.
    """
    if takes_seed(head):
        head.init_centers(z, seed)  # type: ignore[arg-type]
        return None
    n_clusters = len(head.centers)
    labels = start(z, n_clusters, seed, views)
    require_labels(labels, len(z), n_clusters)
    labels = labels.to(z.device)
    with torch.no_grad():
        head.init_centers(z, labels)
    return labels


def require_labels(labels: object, n: int, n_clusters: int, owner: str = "The start") -> None:
    """Require that a start returned what its contract demands.

    Args:
        labels: what it returned.
        n: number of embeddings.
        n_clusters: K.
        owner: how the error names it.

    Raises:
        ContractViolation: it is something else.

    Example:
        >>> require_labels(torch.tensor([0, 2]), 2, 2)
        Traceback (most recent call last):
        decda.core.errors.ContractViolation: The start returned labels from 0 to 2; of 2 clusters they must be 0 to 1.
    """
    if not isinstance(labels, Tensor) or labels.dtype != torch.int64 or labels.shape != (n,):
        seen = type(labels).__name__
        if isinstance(labels, Tensor):
            seen = f"{labels.dtype} of shape {tuple(labels.shape)}"
        raise ContractViolation(f"{owner} must return int64 labels of shape ({n},), not {seen}.")
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= n_clusters:
        raise ContractViolation(
            f"{owner} returned labels from {low} to {high}; of {n_clusters} clusters they must be 0 to "
            f"{n_clusters - 1}."
        )
