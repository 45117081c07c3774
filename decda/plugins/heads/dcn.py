"""The head `dcn`."""

from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from decda.core.contracts import Batch, ClusteringHead
from decda.core.functional import cluster_means, nearest_centers, student_t


class DCN(ClusteringHead):
    """Deep clustering network as in DEC-DA: pulls each image towards the center of its cluster.

    loss = mean |z_i - c_s(i)|^2 / D, where z_i is the embedding of the augmented image, and s(i) the cluster that its
    clean version belonged to at the last refresh. The optimizer trains only the network; the centers move in `refresh`,
    or not at all. Unlike the original DCN, the loss has no reconstruction term, and the centers do not move with each
    batch.

    The paper does not say how often the centers move. `frozen` keeps them where the start put them, as the authors'
    later work does (ASPC-DA, TKDE 2020), from which the mean over the D dimensions is also taken; `refreshed` moves
    each center to the mean of its cluster at every refresh.

    Args:
        n_clusters: number of clusters K.
        embedding_dim: dimension of the embedding D.

    Reference:
        Yang, Fu, Sidiropoulos, Hong: Towards K-means-friendly Spaces, ICML 2017; with augmentation:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 4.3.

    Example:
        >>> head = DCN(n_clusters=2, embedding_dim=1)
        >>> z = torch.tensor([[0.0], [0.2], [5.0], [5.2]])
        >>> head.init_centers(z, labels=torch.tensor([0, 0, 1, 1]))
        >>> labels = head.soft_assign(z).argmax(1)
        >>> (labels[0] == labels[1]).item(), (labels[0] == labels[2]).item()
        (True, False)
    """

    def __init__(
        self,
        n_clusters: int,
        embedding_dim: int,
        *,
        centers: Annotated[
            Literal["frozen", "refreshed"], "whether the centers stay where the start put them or move at each refresh"
        ] = "frozen",
    ):
        super().__init__()
        self.moves = centers == "refreshed"
        self.centers: Tensor
        self.register_buffer("centers", torch.zeros(n_clusters, embedding_dim))

    @torch.no_grad()
    def init_centers(self, z: Tensor, labels: Tensor) -> None:
        """Place each center at the mean of its cluster.

        Args:
            z: clean embeddings of the whole set (N, D).
            labels: the clusters of the start, int64 (N,).
        """
        self.centers.copy_(cluster_means(z, labels, len(self.centers)))

    def soft_assign(self, z: Tensor) -> Tensor:
        """Assign embeddings to clusters by Student's t-distribution; the loss uses hard assignments instead.

        Args:
            z: embeddings (B, D).

        Returns:
            q (B, K); each row sums to 1, and its largest entry belongs to the nearest center.
        """
        return student_t(z, self.centers)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        """Assign each embedding to its nearest center; then, if they are not frozen, move the centers.

        Args:
            z: clean embeddings of the whole set (N, D).

        Returns:
            Hard assignments (N, K), a one-hot row for each image.
        """
        nearest = nearest_centers(z, self.centers)  # (N,)
        p = z.new_zeros(len(z), len(self.centers)).scatter_(1, nearest.unsqueeze(1), 1)
        if self.moves:
            count = p.sum(0).unsqueeze(1)  # (K, 1)
            # Summed in a fixed order on every device; a product with the one-hot target would be rounded to tf32.
            members = ((nearest == cluster).to(z.dtype) for cluster in range(len(self.centers)))
            total = torch.stack([(z * member.unsqueeze(1)).sum(0) for member in members])  # (K, D)
            # The center of an empty cluster stays where it is.
            self.centers.copy_(torch.where(count > 0, total / count.clamp(min=1), self.centers))
        return p

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the squared distance of each embedding to the center of its cluster.

        Args:
            batch: its `z` and `target` are used.

        Returns:
            The term `kmeans`, averaged over the batch and the D dimensions.
        """
        # Indexed, because a product with the one-hot target would round the centers to tf32.
        return {"kmeans": F.mse_loss(batch.z, self.centers[batch.target.argmax(1)])}
