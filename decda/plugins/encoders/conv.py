"""The encoder `conv`: the convolutional autoencoder."""

import math
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from decda.core.contracts import Autoencoder

STRIDE = 2
KERNELS = (5, 5, 3)


class ConvAutoencoder(Autoencoder):
    """Convolutional autoencoder: 5x5/32, 5x5/64, 3x3/128, dense 10, and a mirrored decoder; images of at least 8x8.

    Every convolution has stride 2, and a ReLU follows every layer but the embedding and the output. The decoder starts
    with a dense layer from the embedding to the smallest feature map. Weights are initialized Glorot uniform, biases to
    zero.

    The first two convolutions pad as TensorFlow's "same" does: a map shrinks from n to ceil(n / 2), and if the padding
    is odd, the extra pixel goes after the map, not before it. The third convolution pads the same way along an axis of
    even size, and not at all ("valid") along one of odd size. For square images with side mod 8 in {0, 4} (28, 16) this
    is the network of the authors' code, which is wrong for any other size. Here the transposed convolutions crop to
    exactly the sizes that the encoder saw, for any height and width.

    The network works on images rotated by 180 degrees and rotates its output back. The extra pixel then goes before the
    map, which the libraries' own padding supports, so that no map needs a separate pad or crop operation. Compared to
    the paper's network, all kernels are therefore rotated by 180 degrees, and the dense layers see the smallest map
    rotated, in the order (row, column, channel).

    Args:
        input_shape: shape of an image (C, H, W).

    Raises:
        ValueError: images are smaller than 8x8, or a layer would have no channels.

    Reference:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 5.2.

    Example:
        >>> autoencoder = ConvAutoencoder((1, 28, 28), embedding_dim=5)
        >>> z = autoencoder.encode(torch.rand(2, 1, 28, 28))
        >>> z.shape, autoencoder.decode(z).shape
        (torch.Size([2, 5]), torch.Size([2, 1, 28, 28]))
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        *,
        channels: Annotated[tuple[int, int, int], "channels of the three convolutions"] = (32, 64, 128),
        embedding_dim: Annotated[int, "dimension of the embedding"] = 10,
    ):
        super().__init__()
        depth, *sides = input_shape
        if min(sides) < 8:
            raise ValueError(f"images must be at least 8x8 pixels, these are {sides[0]}x{sides[1]}{_hint(input_shape)}")
        if min((*channels, embedding_dim)) < 1:
            raise ValueError(f"channels {channels} and embedding_dim {embedding_dim} must be at least 1")
        self.embedding_dim = embedding_dim
        depths = (depth, *channels)
        # Heights and widths of the maps, input first: [(28, 28), (14, 14), (7, 7), (3, 3)]
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
            # PyTorch crops `before` at both ends; what exceeds the total padding must not be cropped at the end.
            extra = tuple(2 * b - total for b, total in zip(before, totals, strict=True))
            self.transposed.insert(0, mirror(depths[level + 1], depths[level], kernel, STRIDE, before, extra))  # type: ignore[arg-type]
        self.embedding = nn.Linear(units, embedding_dim)
        self.expansion = nn.Linear(embedding_dim, units)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        self._rotate_weights()  # so that a seed gives the same network as without the rotation
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.no_grad()
    def _rotate_weights(self) -> None:
        """Convert the weights of a network for upright images to those of this one, which sees them rotated."""
        for layer in (*self.convolutions, *self.transposed):
            layer.weight.copy_(layer.weight.flip((-2, -1)))
        height, width, depth = self.smallest
        for weight in (self.embedding.weight.T, self.expansion.weight):  # (units, D)
            maps = weight.reshape(depth, height, width, self.embedding_dim)
            weight.copy_(maps.flip((1, 2)).permute(1, 2, 0, 3).flatten(0, 2))

    def encode(self, x: Tensor) -> Tensor:
        """Embed images.

        Args:
            x: images (B, C, H, W).

        Returns:
            Embeddings (B, D).
        """
        x = _channels_last(x.flip((-2, -1)))
        for convolution in self.convolutions:
            x = F.relu(convolution(x), inplace=True)
        z: Tensor = self.embedding(x.permute(0, 2, 3, 1).flatten(1))
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct images.

        Args:
            z: embeddings (B, D).

        Returns:
            Images (B, C, H, W), not bounded to [0, 1].
        """
        x: Tensor = F.relu(self.expansion(z), inplace=True).view(-1, *self.smallest).permute(0, 3, 1, 2)
        for transposed in self.transposed[:-1]:
            x = F.relu(transposed(x), inplace=True)
        x = self.transposed[-1](x)
        return x.flip((-2, -1))


def _hint(shape: tuple[int, int, int]) -> str:
    """What to do if images have the channels last: 28 channels of 28x3 pixels."""
    depth, height, width = shape
    if width > 4 or min(depth, height) < 8:
        return ""
    return (
        f". Images (C, H, W) = {shape}: the channels seem to come last; bring them first, x.permute(0, 3, 1, 2), or "
        "declare the data set's channels='last'"
    )


def same_padding(large: int, small: int, kernel: int) -> int:
    """Compute how much to pad a side so that a convolution of stride 2 shrinks it from `large` to `small`.

    Args:
        large: side before the convolution, in pixels.
        small: side after the convolution, in pixels.
        kernel: side of the kernel, in pixels.

    Returns:
        Pixels of padding, both ends together.

    Example:
        >>> same_padding(28, 14, kernel=5)
        3
    """
    return max((small - 1) * STRIDE + kernel - large, 0)


def _channels_last(x: Tensor) -> Tensor:
    """Lay images out channels-last in memory, with strides that say so even for a single channel."""
    batch, depth, height, width = x.shape
    return x.permute(0, 2, 3, 1).reshape(-1).view(batch, height, width, depth).permute(0, 3, 1, 2)


class _Transposed(nn.ConvTranspose2d):
    """A transposed convolution that adds its bias separately.

    Inside the convolution, the gradient of the bias would take a CPU longer than everything else. The bias is added in
    x's dtype: under autocast, a float32 bias would make the next layer round the whole map once more.
    """

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        x = F.conv_transpose2d(x, self.weight, None, self.stride, self.padding, self.output_padding)  # type: ignore[arg-type]
        return x.add_(self.bias.to(x.dtype).view(-1, 1, 1))  # type: ignore[union-attr]


class _LastTransposed(nn.ConvTranspose2d):
    """A transposed 5x5 convolution to few channels, computed as a 3x3 convolution to four times as many.

    Output pixel 2m + r takes kernel tap 4 - 2d + r of input pixel m + d - 1, d in {0, 1, 2}. Each of the four parities
    of row and column is thus a convolution of its own, and a pixel shuffle interleaves their outputs. The sixth tap,
    d = 0 and r = 1, is zero. The result is exact, and several times faster on a CPU.
    """

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        deep, depth = self.weight.shape[:2]
        taps = F.pad(self.weight, (0, 1, 0, 1)).view(deep, depth, 3, 2, 3, 2).flip((2, 4))  # (I, O, 3, r, 3, s)
        kernel = taps.permute(1, 3, 5, 0, 2, 4).reshape(depth * 4, deep, 3, 3)
        bias = self.bias.repeat_interleave(4)  # type: ignore[union-attr]
        y = F.pixel_shuffle(F.conv2d(x, kernel, bias, padding=1), 2)
        rows, columns = (extra - 1 for extra in self.output_padding)  # an odd side lacks the last pixel
        return y[..., : y.shape[-2] + rows, : y.shape[-1] + columns]
