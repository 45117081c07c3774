"""Minimal parts that the part under test is combined with."""

import math

import torch
from torch import Generator, Tensor, nn

from decda.core.contracts import Autoencoder, Batch, ClusteringHead
from decda.core.functional import cluster_means


class LinearAutoencoder(Autoencoder):
    """An autoencoder of one linear layer each way.

    Args:
        input_shape: shape of an image (C, H, W).
        embedding_dim: dimension of the embedding D.
    """

    def __init__(self, input_shape: tuple[int, ...], embedding_dim: int):
        super().__init__()
        self.embedding_dim = embedding_dim
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), embedding_dim))
        self.decoder = nn.Sequential(nn.Linear(embedding_dim, math.prod(input_shape)), nn.Unflatten(1, input_shape))

    def encode(self, x: Tensor) -> Tensor:
        """Embed images.

        Args:
            x: images (B, C, H, W).

        Returns:
            Embeddings (B, D).
        """
        z: Tensor = self.encoder(x)
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct images.

        Args:
            z: embeddings (B, D).

        Returns:
            Images (B, C, H, W).
        """
        x: Tensor = self.decoder(z)
        return x


class PlainHead(ClusteringHead):
    """A head with soft k-means and reconstruction, whose centers start at the means of the clusters.

    Args:
        n_clusters: number of clusters K.
        embedding_dim: dimension of the embedding D.
    """

    def __init__(self, n_clusters: int, embedding_dim: int):
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(n_clusters, embedding_dim))

    @torch.no_grad()
    def init_centers(self, z: Tensor, labels: Tensor) -> None:
        """Place the centers at the means of the clusters.

        Args:
            z: clean embeddings of the whole set (N, D).
            labels: of the start, int64 (N,).
        """
        self.centers.copy_(cluster_means(z, labels, len(self.centers)))

    def soft_assign(self, z: Tensor) -> Tensor:
        """Assign embeddings to clusters by a softmax of negative squared distances.

        Args:
            z: embeddings (B, D).

        Returns:
            q (B, K); each row sums to 1.
        """
        return (-(z.unsqueeze(1) - self.centers).square().sum(2)).softmax(1)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        """Use the soft assignments as the target.

        Args:
            z: clean embeddings of the whole set (N, D).

        Returns:
            p (N, K); each row sums to 1.
        """
        return self.soft_assign(z)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Compute the weighted distance to the centers and the reconstruction error.

        Args:
            batch: its `z`, `target`, `x` and `decode` are used.

        Returns:
            The terms `distance` and `reconstruction`.
        """
        distance = (batch.z.unsqueeze(1) - self.centers).square().mean(2)
        reconstruction = (batch.decode(batch.z) - batch.x).square().mean()
        return {"distance": (batch.target * distance).sum(1).mean(), "reconstruction": reconstruction}


class Identity:
    """An augmentation that leaves images unchanged."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw nothing.

        Args:
            n: number of images.
            generator: not used; the result is on its device.

        Returns:
            float32 (n, 0).
        """
        return torch.empty(n, 0, device=generator.device)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Return the images.

        Args:
            x: images (B, C, H, W).
            params: not used (B, 0).

        Returns:
            x itself (B, C, H, W).
        """
        return x
