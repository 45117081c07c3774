"""The encoder `fc`: the fully connected autoencoder."""

import math
from itertools import pairwise
from typing import Annotated

from torch import Tensor, nn

from decda.core.contracts import Autoencoder


class FcAutoencoder(Autoencoder):
    """Fully connected autoencoder with layers of 500, 500, 2000 and 10 units and a mirrored decoder; any image shape.

    A ReLU follows every layer but the embedding and the output. Weights are initialized uniformly in
    +-1/sqrt(fan_in), biases to zero.

    Args:
        input_shape: shape of an image (C, H, W).

    Raises:
        ValueError: a hidden layer or the embedding would have no units.

    Reference:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 5.2.

    Example:
        >>> import torch
        >>> autoencoder = FcAutoencoder((1, 28, 28), hidden=(64,), embedding_dim=5)
        >>> z = autoencoder.encode(torch.rand(2, 1, 28, 28))
        >>> z.shape, autoencoder.decode(z).shape
        (torch.Size([2, 5]), torch.Size([2, 1, 28, 28]))
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        *,
        hidden: Annotated[tuple[int, ...], "units of the encoder's hidden layers, mirrored by the decoder"] = (
            500,
            500,
            2000,
        ),
        embedding_dim: Annotated[int, "dimension of the embedding"] = 10,
    ):
        super().__init__()
        if min((*hidden, embedding_dim)) < 1:
            raise ValueError(f"hidden {hidden} and embedding_dim {embedding_dim} must be at least 1")
        self.embedding_dim = embedding_dim
        sizes = (math.prod(input_shape), *hidden, embedding_dim)
        self.encoder = nn.Sequential(nn.Flatten(), *_layers(sizes))
        self.decoder = nn.Sequential(*_layers(sizes[::-1]), nn.Unflatten(1, input_shape))

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


def _layers(sizes: tuple[int, ...]) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layer = nn.Linear(fan_in, fan_out)
        nn.init.uniform_(layer.weight, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return layers[:-1]
