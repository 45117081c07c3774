"""The fully connected autoencoder."""

import math
from itertools import pairwise
from typing import Annotated

from torch import Tensor, nn

from decda.core.contracts import Autoencoder


class FcAutoencoder(Autoencoder):
    """Fully connected autoencoder, D-500-500-2000-10 and its mirror; images of any shape.

    ReLU after every layer but the embedding and the output. Weights start uniform in +-1/sqrt(fan_in), biases at zero.

    Args:
        input_shape: (C, H, W) of an image.

    Raises:
        ValueError: a layer or the embedding would have no unit.

    Reference:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 5.2.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        *,
        hidden: Annotated[tuple[int, ...], "units of the encoder's hidden layers; the decoder mirrors them"] = (
            500,
            500,
            2000,
        ),
        embedding_dim: Annotated[int, "dimensions of the embedding"] = 10,
    ):
        super().__init__()
        if min((*hidden, embedding_dim)) < 1:
            raise ValueError(f"hidden {hidden} and embedding_dim {embedding_dim} must be at least 1")
        self.embedding_dim = embedding_dim
        sizes = (math.prod(input_shape), *hidden, embedding_dim)
        self.encoder = nn.Sequential(nn.Flatten(), *_layers(sizes))
        self.decoder = nn.Sequential(*_layers(sizes[::-1]), nn.Unflatten(1, input_shape))

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> embeddings (B, D)."""
        z: Tensor = self.encoder(x)
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> images (B, C, H, W), not bounded."""
        x: Tensor = self.decoder(z)
        return x


def _layers(sizes: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layer = nn.Linear(fan_in, fan_out)
        nn.init.uniform_(layer.weight, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return layers[:-1]
