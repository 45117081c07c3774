"""The encoder `residual`."""

import math
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from decda.core.contracts import Autoencoder


class ResidualAutoencoder(Autoencoder):
    """Residual convolutional autoencoder: a strided convolution and a residual block per level; a mirrored decoder.

    Each level halves height and width, from n to ceil(n / 2). Its convolution has stride 2 and a kernel of size 4 along
    an even side and 3 along an odd one, so that the transposed convolution restores exactly the same size. Dense layers
    connect the smallest feature maps with the embedding. The reconstruction is not bounded to [0, 1].

    Unlike the networks of the reference, this one has no batch normalization, so an embedding does not depend on the
    rest of its batch. PyTorch's default initialization compensates for that: each block starts close to the identity.

    Args:
        input_shape: shape of an image (C, H, W), H and W at least 8, odd or even.

    Raises:
        ValueError: images are smaller than 8x8, there are no levels, or a layer would have no channels.

    Reference:
        He, Zhang, Ren, Sun: Identity Mappings in Deep Residual Networks, ECCV 2016, figure 4e.

    Example:
        >>> import torch
        >>> autoencoder = ResidualAutoencoder((1, 13, 16), channels=(4, 8), embedding_dim=5)
        >>> z = autoencoder.encode(torch.rand(2, 1, 13, 16))
        >>> z.shape, autoencoder.decode(z).shape
        (torch.Size([2, 5]), torch.Size([2, 1, 13, 16]))
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        *,
        channels: Annotated[tuple[int, ...], "channels of each level, largest maps first"] = (16, 32, 64),
        embedding_dim: Annotated[int, "dimension of the embedding"] = 10,
    ):
        super().__init__()
        depth, *sides = input_shape
        if min(sides) < 8:
            raise ValueError(f"images must be at least 8x8 pixels, these are {sides[0]}x{sides[1]}")
        if not channels or min((*channels, embedding_dim)) < 1:
            raise ValueError(
                f"channels {channels} and embedding_dim {embedding_dim} must be at least 1, with at least one level"
            )
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
            Images (B, C, H, W), not bounded to [0, 1].
        """
        x: Tensor = self.decoder(z)
        return x


class ResidualBlock(nn.Module):
    """Adds to x the output of two 3x3 convolutions, each preceded by a ReLU.

    Args:
        width: number of channels.
    """

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block.

        Args:
            x: feature maps (B, width, H, W).

        Returns:
            Feature maps of the same shape.
        """
        return x + self.second(F.relu(self.first(F.relu(x))))
