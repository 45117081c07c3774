"""The start `kmeans`."""

from typing import Annotated

from torch import Tensor

from decda.core.functional import kmeans_labels


def kmeans(
    z: Tensor, n_clusters: int, seed: int, *, n_init: Annotated[int, "restarts, of which the best counts"] = 20
) -> Tensor:
    """K-means on the embedding, the paper's start: fast, but it splits and merges clusters that are not round.

    Args:
        z: embeddings (N, D).
        n_clusters: K.
        seed: of the restarts.

    Returns:
        Labels, int64 (N,).

    Raises:
        ValueError: n_init is below 1.

    Example:
        >>> import torch
        >>> labels = kmeans(torch.tensor([[0.0], [0.2], [5.0]]), 2, seed=0)
        >>> (labels[0] == labels[1]).item(), (labels[0] == labels[2]).item()
        (True, False)
    """
    if n_init < 1:
        raise ValueError(f"n_init must be at least 1, it is {n_init}")
    return kmeans_labels(z, n_clusters, seed, n_init=n_init)
