"""The head of IDEC."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from decda.core.contracts import Batch, ClusteringHead
from decda.core.functional import kl_divergence, kmeans, student_t, target_distribution


class IDEC(ClusteringHead):
    """Improved DEC: KL divergence and reconstruction, which keeps the structure of the images.

    loss = mean (decode(z) - x)^2 + gamma KL(p || q). Both the input and the target of the reconstruction are the
    augmented image; p comes from the clean images of the whole set. The centers are trained with the network.

    Args:
        n_clusters: K.
        embedding_dim: D.

    Raises:
        ValueError: gamma is negative.

    Reference:
        Guo, Gao, Liu, Yin: Improved Deep Embedded Clustering with Local Structure Preservation, IJCAI 2017; with
        augmentation: Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 4.2.
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
        """`{"reconstruction", "kl"}`; the reconstruction is a mean over pixels, as gamma expects."""
        return {
            "reconstruction": F.mse_loss(batch.decode(batch.z), batch.x),
            "kl": self.gamma * kl_divergence(batch.target, self.soft_assign(batch.z)),
        }
