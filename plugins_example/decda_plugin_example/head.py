"""The head of Deep k-Means."""

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from decda.core.contracts import Batch, ClusteringHead
from decda.core.functional import kmeans, squared_distances


class DKM(ClusteringHead):
    """Deep k-Means: soft k-means whose assignments harden step by step, and reconstruction.

    loss = mean |decode(z) - x|^2 + weight sum_k G_k |z - c_k|^2,    G = softmax_k(-alpha |z - c_k|^2)

    Both norms are sums, over pixels and dimensions; both terms are then divided by the number of pixels, so that the
    first is the mean that other heads have, and `weight` the paper's lambda at any size of image. The centers are
    trained with the network.

    alpha grows at each refresh as in the paper, alpha_(n+1) = 2^(1 / ln(n + 1)^2) alpha_n. The paper takes 40 values,
    the last of them 281 times the first; after so many it stays.

    Deviations:
        G is taken from the clean image in `refresh` and held, not from the augmented one in every batch, and no
        gradient runs through it.
        The paper anneals a network with random weights, from alpha = .1 on. A pretrained one, whose k-means such soft
        assignments would undo, it gives alpha = 1000 at once, whatever the scale of its embedding. Here alpha starts
        at 1 in units of 1 / (2 s^2), s^2 the mean of |z - c|^2 / D to the nearest center as k-means left it: there G is
        the posterior of a mixture of equal Gaussians of that variance.

    Args:
        n_clusters: K.
        embedding_dim: D.

    Raises:
        ValueError: weight is negative, alpha is not above 0, or steps below 1.

    Reference:
        Moradi Fard, Thonet, Gaussier: Deep k-Means: Jointly clustering with k-Means and learning representations,
        Pattern Recognition Letters 138, 2020, arXiv:1806.10069; alpha as in the authors' code.
    """

    def __init__(
        self,
        n_clusters: int,
        embedding_dim: int,
        *,
        weight: Annotated[float, "weight of the k-means term, the paper's lambda"] = 1.0,
        alpha: Annotated[float, "hardness at first; 1: as of Gaussians with the variance that k-means left"] = 1.0,
        steps: Annotated[int, "how many values alpha takes, one a refresh; 1: it stays"] = 40,
    ):
        super().__init__()
        if weight < 0 or alpha <= 0 or steps < 1:
            raise ValueError(f"weight {weight} must be from 0 up, alpha {alpha} above 0 and steps {steps} from 1 up")
        self.weight = weight
        self.first_alpha = alpha
        self.steps = steps
        self.centers = nn.Parameter(torch.zeros(n_clusters, embedding_dim))
        self.alpha: Tensor
        self.register_buffer("alpha", torch.tensor(float(alpha)))
        self.refreshes: Tensor
        self.register_buffer("refreshes", torch.zeros(()))

    @torch.no_grad()
    def init_centers(self, z: Tensor, seed: int) -> None:
        """K-means, 20 restarts; alpha starts anew."""
        self.centers.copy_(kmeans(z, len(self.centers), seed))
        variance = squared_distances(z, self.centers).amin(1).mean() / z.shape[1]
        # Not below the rounding of k-means: constant images have none.
        self.alpha.copy_(self.first_alpha / (2 * variance).clamp(min=1e-12))
        self.refreshes.zero_()

    def soft_assign(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> q (B, K), the paper's G; its largest is the nearest center."""
        return F.softmax(-self.alpha * squared_distances(z, self.centers), 1)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        """Clean embeddings (N, D) -> their soft assignments (N, K); then alpha grows."""
        target = self.soft_assign(z)
        self.refreshes.add_(1)
        growth = 2 ** (1 / (self.refreshes + 1).log().square())
        self.alpha.mul_(torch.where(self.refreshes < self.steps, growth, 1))
        return target

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """`{"reconstruction", "kmeans"}`, both by pixel."""
        distance = (batch.target * squared_distances(batch.z, self.centers)).sum(1)  # (B,)
        return {
            "reconstruction": F.mse_loss(batch.decode(batch.z), batch.x),
            "kmeans": self.weight / batch.x[0].numel() * distance.mean(),
        }
