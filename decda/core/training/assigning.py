"""Labels and confidences of embeddings, found in parts: the soft assignments of the whole set are never held."""

import torch
from torch import Tensor

from decda.core.contracts import ClusteringHead

NUMBERS = 2**24
"""The most soft assignments (rows x K) held at once: 64 MiB in float32."""


@torch.no_grad()
def assign(head: ClusteringHead, z: Tensor) -> tuple[Tensor, Tensor]:
    """The cluster of each embedding, and how sure it is.

    Args:
        head: on the device of z.
        z: embeddings (N, D).

    Returns:
        The number of the largest soft assignment of each, int64 (N,), and that assignment, float32 (N,); it is not
        finite where one of the row is not.

    Example:
        >>> from decda.plugins.heads.dec import DEC
        >>> head = DEC(n_clusters=2, embedding_dim=1)
        >>> head.init_centers(torch.tensor([[0.0], [1.0]]), labels=torch.tensor([0, 1]))
        >>> assign(head, torch.tensor([[1.0], [0.0]]))
        (tensor([1, 0]), tensor([0.6667, 0.6667]))
    """
    rows = max(NUMBERS // len(head.centers), 1)
    parts = [head.soft_assign(part).max(1) for part in z.split(rows)]
    return torch.cat([labels for _, labels in parts]), torch.cat([confidence for confidence, _ in parts])
