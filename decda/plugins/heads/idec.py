"""The head `idec`."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from decda.core.contracts import Batch, ClusteringHead
from decda.core.functional import cluster_means, kl_divergence, student_t, target_distribution_


class IDEC(ClusteringHead):
    """Improved DEC: KL divergence, and a reconstruction term that preserves the local structure of the data.

    loss = mean (decode(z) - x)^2 + gamma KL(p || q). The augmented image is both input and target of the
    reconstruction; p is computed from the clean images of the whole set. The centers are trained together with the
    network.

    Args:
        n_clusters: number of clusters K.
        embedding_dim: dimension of the embedding D.

    Raises:
        ValueError: gamma is negative.

    Reference:
        Guo, Gao, Liu, Yin: Improved Deep Embedded Clustering with Local Structure Preservation, IJCAI 2017; with
        augmentation: Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 4.2.

    Example:
        >>> head = IDEC(n_clusters=2, embedding_dim=1, gamma=0.5)
        >>> z = torch.tensor([[0.0], [0.2], [5.0], [5.2]])
        >>> head.init_centers(z, labels=torch.tensor([0, 0, 1, 1]))
        >>> labels = head.soft_assign(z).argmax(1)
        >>> (labels[0] == labels[1]).item(), (labels[0] == labels[2]).item()
        (True, False)
    """

    def __init__(
        self, n_clusters: int, embedding_dim: int, *, gamma: Annotated[float, "weight of the clustering term"] = 0.1
    ):
        super().__init__()
        if gamma < 0:
            raise ValueError(f"gamma must not be negative, it is {gamma}")
        self.gamma = gamma
        self.centers = nn.Parameter(torch.zeros(n_clusters, embedding_dim))

    @torch.no_grad()
    def init_centers(self, z: Tensor, labels: Tensor) -> None:
        """Place each center at the mean of its cluster.

        Args:
            z: clean embeddings of the whole set (N, D).
            labels: the clusters of the start, int64 (N,).
        """
        self.centers.copy_(cluster_means(z, labels, len(self.centers)))

    def soft_assign(self, z: Tensor) -> Tensor:
        """Assign embeddings to clusters by Student's t-distribution.

        Args:
            z: embeddings (B, D).

        Returns:
            q (B, K); each row sums to 1.
        """
        return student_t(z, self.centers)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        """Compute the sharpened target.

        Args:
            z: clean embeddings of the whole set (N, D).

        Returns:
            p (N, K); each row sums to 1.
        """
        return target_distribution_(self.soft_assign(z))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the reconstruction error and the KL divergence.

        Args:
            batch: its `z`, `target`, `x` and `decode` are used.

        Returns:
            The term `reconstruction`, averaged over batch and pixels (the scale that gamma is meant for), and the term
            `kl`, averaged over the batch and multiplied by gamma.
        """
        return {
            "reconstruction": F.mse_loss(batch.decode(batch.z), batch.x),
            "kl": self.gamma * kl_divergence(batch.target, self.soft_assign(batch.z)),
        }
