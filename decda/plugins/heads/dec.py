"""The head `dec`."""

import torch
from torch import Tensor, nn

from decda.core.contracts import Batch, ClusteringHead
from decda.core.functional import cluster_means, kl_divergence, student_t, target_distribution_


class DEC(ClusteringHead):
    """Deep embedded clustering: KL divergence between the sharpened target and the soft assignments, nothing else.

    loss = KL(p || q), where q are the soft assignments of the augmented batch by Student's t-distribution, and p is
    computed from the clean images of the whole set. The centers are trained together with the encoder.

    Args:
        n_clusters: number of clusters K.
        embedding_dim: dimension of the embedding D.

    Reference:
        Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016; with augmentation:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 4.1.

    Example:
        >>> head = DEC(n_clusters=2, embedding_dim=1)
        >>> z = torch.tensor([[0.0], [0.2], [5.0], [5.2]])
        >>> head.init_centers(z, labels=torch.tensor([0, 0, 1, 1]))
        >>> labels = head.soft_assign(z).argmax(1)
        >>> (labels[0] == labels[1]).item(), (labels[0] == labels[2]).item()
        (True, False)
    """

    def __init__(self, n_clusters: int, embedding_dim: int):
        super().__init__()
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
        """Compute the KL divergence.

        Args:
            batch: its `z` and `target` are used.

        Returns:
            The term `kl`, averaged over the batch.
        """
        return {"kl": kl_divergence(batch.target, self.soft_assign(batch.z))}
