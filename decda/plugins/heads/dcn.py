"""The head of DCN."""

from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from decda.core.contracts import Batch, ClusteringHead
from decda.core.functional import kmeans, squared_distances, student_t


class DCN(ClusteringHead):
    """Deep clustering network as in DEC-DA: each image is drawn to the center of the cluster it lies in.

    loss = mean |z_i - c_s(i)|^2 / D, the embedding of the augmented image against the center of the cluster s(i) where
    its clean version lay at the last refresh. The optimizer moves the network alone; the centers move in `refresh`, or
    not at all. Unlike DCN at its origin there is no reconstruction term, and the centers do not move batch by batch.

    How often the centers move the paper does not say. `frozen` keeps them where k-means put them, as the authors'
    later work does (ASPC-DA, TKDE 2020), whose mean over the D dimensions is taken here, too; `refreshed` moves
    each to the mean of its cluster at every refresh.

    Args:
        n_clusters: K.
        embedding_dim: D.

    Reference:
        Yang, Fu, Sidiropoulos, Hong: Towards K-means-friendly Spaces, ICML 2017; with augmentation:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 4.3.
    """

    def __init__(
        self,
        n_clusters: int,
        embedding_dim: int,
        *,
        centers: Annotated[
            Literal["frozen", "refreshed"], "whether the centers stay as k-means put them or move at each refresh"
        ] = "frozen",
    ):
        super().__init__()
        self.moves = centers == "refreshed"
        self.centers: Tensor
        self.register_buffer("centers", torch.zeros(n_clusters, embedding_dim))

    @torch.no_grad()
    def init_centers(self, z: Tensor, seed: int) -> None:
        """K-means, 20 restarts."""
        self.centers.copy_(kmeans(z, len(self.centers), seed))

    def soft_assign(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> q (B, K), Student's t, for confidence; its largest is the nearest center."""
        return student_t(z, self.centers)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        """Clean embeddings (N, D) -> hard assignments (N, K), one 1 a row; then the centers move, if they do."""
        nearest = squared_distances(z, self.centers).argmin(1)  # (N,)
        p = F.one_hot(nearest, len(self.centers)).to(z.dtype)
        if self.moves:
            count = p.sum(0).unsqueeze(1)  # (K, 1)
            # Sums, not a product with the one-hot target, which tf32 would round; in a fixed order on every device.
            total = torch.stack([(z * member.unsqueeze(1)).sum(0) for member in p.unbind(1)])  # (K, D)
            # A cluster that lost all its images stays where it is.
            self.centers.copy_(torch.where(count > 0, total / count.clamp(min=1), self.centers))
        return p

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """`{"kmeans"}`, mean over the batch and the D dimensions."""
        # Indexed, not multiplied by the one-hot target: a product in tf32 would round the centers.
        return {"kmeans": F.mse_loss(batch.z, self.centers[batch.target.argmax(1)])}
