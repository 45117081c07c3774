"""The convolutional autoencoder."""

from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from decda.core.contracts import Autoencoder

STRIDE = 2
KERNELS = (5, 5, 3)


class ConvAutoencoder(Autoencoder):
    """Convolutional autoencoder, 5x5/32, 5x5/64, 3x3/128, dense 10 and its mirror; images from 8x8 up.

    Every convolution has stride 2 and every layer but the embedding and the output a ReLU; the decoder starts with a
    dense layer from the embedding to the smallest map. Weights start Glorot uniform, biases at zero.

    The first two convolutions pad as TensorFlow's "same" does: the map shrinks from n to ceil(n / 2), the odd pixel of
    padding after, not before. The third pads so along an axis of even size, and not at all along one of odd size
    ("valid"). On squares with side mod 8 in {0, 4} (28, 16) that is the network of the authors' code, which is wrong on
    any other; here the transposed convolutions crop to the very sizes that the encoder saw, at any height and width.

    Args:
        input_shape: (C, H, W) of an image.

    Raises:
        ValueError: an image is smaller than 8x8, or a layer would have no channel.

    Reference:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 5.2.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        *,
        channels: Annotated[tuple[int, int, int], "channels of the three convolutions"] = (32, 64, 128),
        embedding_dim: Annotated[int, "dimensions of the embedding"] = 10,
    ):
        super().__init__()
        depth, *sides = input_shape
        if min(sides) < 8:
            raise ValueError(f"images must be at least 8x8 pixels, these are {sides[0]}x{sides[1]}")
        if min((*channels, embedding_dim)) < 1:
            raise ValueError(f"channels {channels} and embedding_dim {embedding_dim} must be at least 1")
        self.embedding_dim = embedding_dim
        depths = (depth, *channels)
        # The sides of the maps, input first: [(28, 28), (14, 14), (7, 7), (3, 3)]
        maps = [tuple(sides)]
        for level in range(3):
            maps.append(tuple(side // 2 if level == 2 else -(-side // 2) for side in maps[-1]))
        self.smallest = (channels[-1], *maps[-1])
        units = channels[-1] * maps[-1][0] * maps[-1][1]

        self.convolutions = nn.ModuleList()
        self.transposed = nn.ModuleList()
        for level, kernel in enumerate(KERNELS):
            paddings = tuple(
                same_padding(large, small, kernel) for large, small in zip(maps[level], maps[level + 1], strict=True)
            )
            self.convolutions.append(_Convolution(depths[level], depths[level + 1], kernel, paddings))
            self.transposed.insert(0, _Transposed(depths[level + 1], depths[level], kernel, paddings))
        self.embedding = nn.Linear(units, embedding_dim)
        self.expansion = nn.Linear(embedding_dim, units)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> embeddings (B, D)."""
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        z: Tensor = self.embedding(x.flatten(1))
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> images (B, C, H, W), not bounded."""
        x: Tensor = F.relu(self.expansion(z)).view(-1, *self.smallest)
        for transposed in self.transposed[:-1]:
            x = F.relu(transposed(x))
        x = self.transposed[-1](x)
        return x


Paddings = tuple[tuple[int, int], ...]
"""(before, after) of the rows, then of the columns."""


def same_padding(large: int, small: int, kernel: int) -> tuple[int, int]:
    """Pixels to add before and after a side of `large` so that stride 2 makes it `small`; the odd one comes after."""
    total = max((small - 1) * STRIDE + kernel - large, 0)
    return total // 2, total - total // 2


class _Convolution(nn.Conv2d):
    """A convolution of stride 2 whose padding may differ before and after."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, paddings: Paddings):
        super().__init__(channels_in, channels_out, kernel, STRIDE)
        (top, bottom), (left, right) = paddings
        self.around = (left, right, top, bottom)  # the order of F.pad

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, self.around) if any(self.around) else x)


class _Transposed(nn.ConvTranspose2d):
    """The mirror of `_Convolution`: crops what the convolution had padded."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, paddings: Paddings):
        # Cropping alike on both sides is free inside the operation; what remains is one pixel after, at most.
        super().__init__(channels_in, channels_out, kernel, STRIDE, padding=tuple(b for b, _ in paddings))  # type: ignore[arg-type]
        (top, bottom), (left, right) = paddings
        self.rest = (bottom - top, right - left)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        x = super().forward(x, output_size)
        rows, columns = self.rest
        return x[..., : x.shape[-2] - rows, : x.shape[-1] - columns]
