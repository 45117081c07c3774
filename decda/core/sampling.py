"""The embeddings that k-means looks at where there are millions: a sample, whose centers serve all of them."""

import numpy as np
import torch
from torch import Tensor

MAX_WHOLE = 1_000_000
"""Of more embeddings than this, a sample is clustered."""
LEAST_SAMPLED, SAMPLED_BY_CLUSTER = 100_000, 100
"""Embeddings in that sample: so many, or so many for each cluster where that is more. The mean of 100 embeddings is off
by a tenth of their spread."""


def sample_size(n: int, n_clusters: int) -> int:
    """How many of the embeddings are clustered: all, up to a million.

    Args:
        n: how many there are.
        n_clusters: K.

    Returns:
        At most n.

    Example:
        >>> sample_size(1_000_000, 10), sample_size(1_000_001, 10), sample_size(10_000_000, 2000)
        (1000000, 100000, 200000)
    """
    return n if n <= MAX_WHOLE else min(n, max(LEAST_SAMPLED, SAMPLED_BY_CLUSTER * n_clusters))


def sample(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    """The embeddings that are clustered.

    Args:
        z: embeddings (N, D).
        n_clusters: K.
        seed: of the draw.

    Returns:
        z itself, where that is few enough; else some of it (M, D), drawn without replacement, in their order.

    Example:
        >>> z = torch.zeros(5, 2)
        >>> sample(z, 2, seed=0) is z
        True
    """
    size = sample_size(len(z), n_clusters)
    if size == len(z):
        return z
    drawn = np.sort(np.random.default_rng(seed).choice(len(z), size, replace=False))
    return z[torch.from_numpy(drawn).to(z.device)]
