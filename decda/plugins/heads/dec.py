"""The head of DEC."""

import torch
from torch import Tensor, nn

from decda.core.contracts import Batch, ClusteringHead
from decda.core.functional import kl_divergence, kmeans, student_t, target_distribution


class DEC(ClusteringHead):
    """Deep embedded clustering: KL divergence of the sharpened assignments, nothing else.

    loss = KL(p || q), q by Student's t from the augmented batch, p from the clean images of the whole set. The centers
    are trained with the encoder.

    Args:
        n_clusters: K.
        embedding_dim: D.

    Reference:
        Xie, Girshick, Farhadi: Unsupervised Deep Embedding for Clustering Analysis, ICML 2016; with augmentation:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 4.1.
    """

    def __init__(self, n_clusters: int, embedding_dim: int):
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(n_clusters, embedding_dim))

    @torch.no_grad()
    def init_centers(self, z: Tensor, seed: int) -> None:
        """K-means, 20 restarts."""
        self.centers.copy_(kmeans(z, len(self.centers), seed))

    def soft_assign(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> q (B, K), Student's t."""
        return student_t(z, self.centers)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        """Clean embeddings (N, D) -> the sharpened target p (N, K)."""
        return target_distribution(self.soft_assign(z))

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """`{"kl"}`."""
        return {"kl": kl_divergence(batch.target, self.soft_assign(batch.z))}
