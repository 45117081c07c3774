"""The convolutional autoencoder."""

import math
from typing import Annotated

import torch
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

    All of it is computed on the image turned by 180 degrees, and turned back at the end: the odd pixel then comes
    before, which the libraries' own padding can do, and no map is padded or cropped in a pass of its own. The kernels
    are therefore those of the paper's network turned by 180 degrees, and the dense layers see the smallest map turned,
    in the order (row, column, channel).

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
        self.smallest = (*maps[-1], channels[-1])
        units = math.prod(self.smallest)

        self.convolutions = nn.ModuleList()
        self.transposed = nn.ModuleList()
        for level, kernel in enumerate(KERNELS):
            totals = [
                same_padding(large, small, kernel) for large, small in zip(maps[level], maps[level + 1], strict=True)
            ]
            before = tuple(-(-total // 2) for total in totals)
            self.convolutions.append(nn.Conv2d(depths[level], depths[level + 1], kernel, STRIDE, before))  # type: ignore[arg-type]
            mirror = _LastTransposed if level == 0 else _Transposed
            # Twice the padding before, less the padding in all: the pixel that is not cropped at the end.
            rest = tuple(2 * b - total for b, total in zip(before, totals, strict=True))
            self.transposed.insert(0, mirror(depths[level + 1], depths[level], kernel, STRIDE, before, rest))  # type: ignore[arg-type]
        self.embedding = nn.Linear(units, embedding_dim)
        self.expansion = nn.Linear(embedding_dim, units)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        self._turn()  # so that a seed means the same network as in the other order
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def _turn(self) -> None:
        """From the weights of the network that sees images as they are to those of the one that sees them turned."""
        for layer in (*self.convolutions, *self.transposed):
            layer.weight.copy_(layer.weight.flip((-2, -1)))
        height, width, depth = self.smallest
        for weight in (self.embedding.weight.T, self.expansion.weight):  # (units, D)
            maps = weight.reshape(depth, height, width, self.embedding_dim)
            weight.copy_(maps.flip((1, 2)).permute(1, 2, 0, 3).flatten(0, 2))

    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) -> embeddings (B, D)."""
        x = _channels_last(x.flip((-2, -1)))
        for convolution in self.convolutions:
            x = F.relu(convolution(x), inplace=True)
        z: Tensor = self.embedding(x.permute(0, 2, 3, 1).flatten(1))
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> images (B, C, H, W), not bounded."""
        x: Tensor = F.relu(self.expansion(z), inplace=True).view(-1, *self.smallest).permute(0, 3, 1, 2)
        for transposed in self.transposed[:-1]:
            x = F.relu(transposed(x), inplace=True)
        x = self.transposed[-1](x)
        return x.flip((-2, -1))


def same_padding(large: int, small: int, kernel: int) -> int:
    """Pixels to add in all to a side of `large` so that stride 2 makes it `small`."""
    return max((small - 1) * STRIDE + kernel - large, 0)


def _channels_last(x: Tensor) -> Tensor:
    """The same images, channels last in memory, told by the strides even where there is but one channel."""
    batch, depth, height, width = x.shape
    return x.permute(0, 2, 3, 1).reshape(-1).view(batch, height, width, depth).permute(0, 3, 1, 2)


class _Transposed(nn.ConvTranspose2d):
    """A transposed convolution that adds its bias apart: within, the bias's gradient takes a CPU longer than all else.

    In x's type: under autocast a bias of float32 would make the next layer round the whole map once more.
    """

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        x = F.conv_transpose2d(x, self.weight, None, self.stride, self.padding, self.output_padding)  # type: ignore[arg-type]
        return x.add_(self.bias.to(x.dtype).view(-1, 1, 1))  # type: ignore[union-attr]


class _LastTransposed(nn.ConvTranspose2d):
    """A transposed 5x5 convolution to few channels, computed as a 3x3 convolution to four times as many.

    Output pixel 2m + r takes kernel tap 4 - 2d + r of input pixel m + d - 1, d in {0, 1, 2}: each of the four
    parities of row and column is a convolution of its own, and the pixels are then shuffled into place. The sixth tap,
    d = 0 and r = 1, is zero. Exact, and several times faster on a CPU.
    """

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        deep, depth = self.weight.shape[:2]
        taps = F.pad(self.weight, (0, 1, 0, 1)).view(deep, depth, 3, 2, 3, 2).flip((2, 4))  # (I, O, 3, r, 3, s)
        kernel = taps.permute(1, 3, 5, 0, 2, 4).reshape(depth * 4, deep, 3, 3)
        bias = self.bias.repeat_interleave(4)  # type: ignore[union-attr]
        y = F.pixel_shuffle(F.conv2d(x, kernel, bias, padding=1), 2)
        rows, columns = (rest - 1 for rest in self.output_padding)  # an odd side has no last pixel
        return y[..., : y.shape[-2] + rows, : y.shape[-1] + columns]
