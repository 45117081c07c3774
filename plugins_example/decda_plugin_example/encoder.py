"""The residual convolutional autoencoder."""

import math
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from decda.core.contracts import Autoencoder


class ResidualAutoencoder(Autoencoder):
    """Residual convolutional autoencoder: per level a convolution of stride 2 and a residual block, and the mirror.

    Each level halves height and width, n to ceil(n / 2); its convolution has a kernel of 4 along an even side and of 3
    along an odd one, so that its transpose leads back to the very size. A dense layer each way joins the smallest maps
    and the embedding. The reconstruction is not bounded.

    Unlike the networks of the reference this one has no batch normalisation: an embedding does not depend on the batch
    it is taken in. PyTorch's default weights make up for it, by which a block starts close to the identity.

    Args:
        input_shape: (C, H, W) of an image, H and W from 8 up, odd or even.

    Raises:
        ValueError: an image is smaller than 8x8, there is no level, or a layer would have no channel.

    Reference:
        He, Zhang, Ren, Sun: Identity Mappings in Deep Residual Networks, ECCV 2016, figure 4e.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        *,
        channels: Annotated[tuple[int, ...], "channels of each level, the largest maps first"] = (16, 32, 64),
        embedding_dim: Annotated[int, "dimensions of the embedding"] = 10,
    ):
        super().__init__()
        depth, *sides = input_shape
        if min(sides) < 8:
            raise ValueError(f"images must be at least 8x8 pixels, these are {sides[0]}x{sides[1]}")
        if not channels or min((*channels, embedding_dim)) < 1:
            raise ValueError(f"channels {channels} and embedding_dim {embedding_dim} must hold numbers from 1 up")
        self.embedding_dim = embedding_dim
        down: list[nn.Module] = []
        up: list[nn.Module] = []
        for width in channels:
            kernel = (4 - sides[0] % 2, 4 - sides[1] % 2)
            down += [nn.Conv2d(depth, width, kernel, stride=2, padding=1), ResidualBlock(width), nn.ReLU()]
            up = [ResidualBlock(width), nn.ReLU(), nn.ConvTranspose2d(width, depth, kernel, stride=2, padding=1), *up]
            depth, sides = width, [-(-side // 2) for side in sides]
        units = depth * math.prod(sides)
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(units, embedding_dim))
        self.decoder = nn.Sequential(nn.Linear(embedding_dim, units), nn.Unflatten(1, (depth, *sides)), *up)

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> embeddings (B, D)."""
        z: Tensor = self.encoder(x)
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> images (B, C, H, W)."""
        x: Tensor = self.decoder(z)
        return x


class ResidualBlock(nn.Module):
    """x + f(x), f two 3x3 convolutions with a ReLU before each."""

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, width, H, W) -> maps of the same shape."""
        return x + self.second(F.relu(self.first(F.relu(x))))
