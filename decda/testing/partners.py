"""The smallest parts there can be, which a part under test is tried with."""

import math

import torch
from torch import Generator, Tensor, nn

from decda.core.contracts import Autoencoder, Batch, ClusteringHead


class LinearAutoencoder(Autoencoder):
    """One linear layer each way."""

    def __init__(self, input_shape: tuple[int, ...], embedding_dim: int):
        super().__init__()
        self.embedding_dim = embedding_dim
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), embedding_dim))
        self.decoder = nn.Sequential(nn.Linear(embedding_dim, math.prod(input_shape)), nn.Unflatten(1, input_shape))

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> embeddings (B, D)."""
        z: Tensor = self.encoder(x)
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> images (B, C, H, W)."""
        x: Tensor = self.decoder(z)
        return x


class PlainHead(ClusteringHead):
    """Soft assignments to centers that started at the first embeddings, and reconstruction."""

    def __init__(self, n_clusters: int, embedding_dim: int):
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(n_clusters, embedding_dim))

    @torch.no_grad()
    def init_centers(self, z: Tensor, seed: int) -> None:
        """The first K embeddings."""
        self.centers.copy_(z[: len(self.centers)])

    def soft_assign(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> q (B, K)."""
        return (-(z.unsqueeze(1) - self.centers).square().sum(2)).softmax(1)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        """Clean embeddings (N, D) -> their soft assignments (N, K)."""
        return self.soft_assign(z)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """`{"distance", "reconstruction"}`."""
        distance = (batch.z.unsqueeze(1) - self.centers).square().mean(2)
        reconstruction = (batch.decode(batch.z) - batch.x).square().mean()
        return {"distance": (batch.target * distance).sum(1).mean(), "reconstruction": reconstruction}


class Identity:
    """Images pass as they are."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Nothing to draw: (n, 0)."""
        return torch.empty(n, 0, device=generator.device)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """The images themselves."""
        return x
