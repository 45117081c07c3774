"""The head `dkm`."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from decda.core.contracts import Batch, ClusteringHead
from decda.core.functional import cluster_means, squared_distances


class DKM(ClusteringHead):
    """Deep k-Means: soft k-means with gradually hardening assignments, and reconstruction.

    loss = mean |decode(z) - x|^2 + weight sum_k G_k |z - c_k|^2,    G = softmax_k(-alpha |z - c_k|^2)

    Both norms are sums, over pixels and over dimensions. Both terms are then divided by the number of pixels, so that
    the first is the mean that other heads use, and `weight` is the paper's lambda for any image size. The centers are
    trained together with the network.

    alpha grows at each refresh as in the paper, alpha_(n+1) = 2^(1 / ln(n + 1)^2) alpha_n. As in the paper, it takes 40
    values by default, the last of them 281 times the first; after that it stays constant.

    Deviations:
        G is computed from clean images in `refresh` and held until the next refresh, not computed from the augmented
        images in every batch; no gradient flows through it.
        The paper anneals alpha, starting at .1, only for networks with random weights. For a pretrained network, such
        soft assignments would undo the k-means result, so the paper uses a constant alpha = 1000, whatever the scale of
        the embedding. Here alpha is annealed after pretraining, too, and starts at 1 in units of 1 / (2 s^2), where s^2
        is the mean of |z - c|^2 / D over the embeddings and their nearest centers, as k-means leaves them. At that
        value G is the posterior of a mixture of equal Gaussians with variance s^2.

    Args:
        n_clusters: number of clusters K.
        embedding_dim: dimension of the embedding D.

    Raises:
        ValueError: weight is negative, alpha is not positive, or steps is below 1.

    Reference:
        Moradi Fard, Thonet, Gaussier: Deep k-Means: Jointly clustering with k-Means and learning representations,
        Pattern Recognition Letters 138, 2020, arXiv:1806.10069; alpha as in the authors' code.

    Example:
        >>> head = DKM(n_clusters=2, embedding_dim=1)
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
        weight: Annotated[float, "weight of the k-means term, the paper's lambda"] = 1.0,
        alpha: Annotated[float, "initial alpha; 1 stands for Gaussians with the variance of the k-means result"] = 1.0,
        steps: Annotated[int, "number of values alpha takes, one per refresh; 1 keeps it constant"] = 40,
    ):
        super().__init__()
        if weight < 0 or alpha <= 0 or steps < 1:
            raise ValueError(
                f"weight {weight} must not be negative, alpha {alpha} positive and steps {steps} at least 1"
            )
        self.weight = weight
        self.first_alpha = alpha
        self.steps = steps
        self.centers = nn.Parameter(torch.zeros(n_clusters, embedding_dim))
        self.alpha: Tensor
        self.register_buffer("alpha", torch.tensor(float(alpha)))
        self.refreshes: Tensor
        self.register_buffer("refreshes", torch.zeros(()))

    @torch.no_grad()
    def init_centers(self, z: Tensor, labels: Tensor) -> None:
        """Place the centers at the means of the clusters, and reset alpha.

        Args:
            z: clean embeddings of the whole set (N, D).
            labels: the clusters of the start, int64 (N,).
        """
        self.centers.copy_(cluster_means(z, labels, len(self.centers)))
        variance = squared_distances(z, self.centers).amin(1).mean() / z.shape[1]
        # Clamped, because the variance of constant images is zero up to rounding.
        self.alpha.copy_(self.first_alpha / (2 * variance).clamp(min=1e-12))
        self.refreshes.zero_()

    def soft_assign(self, z: Tensor) -> Tensor:
        """Compute the paper's G.

        Args:
            z: embeddings (B, D).

        Returns:
            q (B, K); each row sums to 1, and its largest entry belongs to the nearest center.
        """
        return F.softmax(-self.alpha * squared_distances(z, self.centers), 1)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        """Compute the soft assignments, then increase alpha.

        Args:
            z: clean embeddings of the whole set (N, D).

        Returns:
            G (N, K), for the alpha before the increase; each row sums to 1.
        """
        target = self.soft_assign(z)
        self.refreshes.add_(1)
        growth = 2 ** (1 / (self.refreshes + 1).log().square())
        self.alpha.mul_(torch.where(self.refreshes < self.steps, growth, 1))
        return target

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the reconstruction error and the weighted k-means loss.

        Args:
            batch: its `z`, `target`, `x` and `decode` are used.

        Returns:
            The terms `reconstruction` and `kmeans`, both averaged over the batch and divided by the number of pixels.
        """
        distance = (batch.target * squared_distances(batch.z, self.centers)).sum(1)  # (B,)
        return {
            "reconstruction": F.mse_loss(batch.decode(batch.z), batch.x),
            "kmeans": self.weight / batch.x[0].numel() * distance.mean(),
        }
