"""The convolutional autoencoder, against loops over explicitly padded maps."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from decda.plugins.encoders.conv import ConvAutoencoder, same_padding

Array = NDArray[np.float64]
SMALL = (2, 3, 2)
SHAPES = [(1, 28, 28), (1, 16, 16), (1, 8, 8), (3, 9, 14), (2, 13, 11), (1, 10, 15)]


def tensorflow_same(side: int, kernel: int) -> tuple[int, int]:
    """TensorFlow's rule for "same" at stride 2, as its documentation states it: before and after."""
    total = max(kernel - 2, 0) if side % 2 == 0 else max(kernel - side % 2, 0)
    return total // 2, total - total // 2


def rule(level: int, side: int) -> tuple[int, int]:
    """Padding before and after a side: "same", but "valid" for the third convolution at an odd side."""
    kernel = (5, 5, 3)[level]
    return (0, 0) if level == 2 and side % 2 else tensorflow_same(side, kernel)


def slow_convolution(x: Array, weight: Array, bias: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    """Stride 2 over x (I, H, W) padded with zeros; weight (O, I, k, k)."""
    padded = np.pad(x, ((0, 0), rows, columns))
    kernel = weight.shape[2]
    height, width = ((side - kernel) // 2 + 1 for side in padded.shape[1:])
    y = np.zeros((len(weight), height, width))
    for o in range(len(weight)):
        for i in range(height):
            for j in range(width):
                y[o, i, j] = (padded[:, 2 * i : 2 * i + kernel, 2 * j : 2 * j + kernel] * weight[o]).sum() + bias[o]
    return y


def slow_transposed(y: Array, weight: Array, bias: Array, large: tuple[int, int], before: tuple[int, int]) -> Array:
    """Each pixel of y (I, h, w) scatters its kernel, weight (I, O, k, k), on a canvas that is cropped to `large`."""
    _, height, width = y.shape
    kernel = weight.shape[2]
    canvas = np.zeros((weight.shape[1], 2 * (height - 1) + kernel, 2 * (width - 1) + kernel))
    for channel in range(len(weight)):
        for i in range(height):
            for j in range(width):
                canvas[:, 2 * i : 2 * i + kernel, 2 * j : 2 * j + kernel] += y[channel, i, j] * weight[channel]
    (top, left), (rows, columns) = before, large
    cropped = canvas[:, top : top + rows, left : left + columns]
    assert cropped.shape[1:] == large
    return cropped + bias[:, None, None]


def made(shape: tuple[int, int, int], **parameters: int) -> ConvAutoencoder:
    """A small network, float64, every weight and bias drawn from the normal distribution."""
    model = ConvAutoencoder(shape, channels=SMALL, **parameters).double()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(0, 0.5, parameter.shape)))
    return model


def numbers(parameter: Tensor) -> Array:
    return parameter.detach().numpy()


def sides(shape: tuple[int, int, int], level: int) -> tuple[int, int]:
    """Height and width of the map that enters a level, counted from the padding rule."""
    height, width = shape[1:]
    for below in range(level):
        kernel = (5, 5, 3)[below]
        height, width = ((side + sum(rule(below, side)) - kernel) // 2 + 1 for side in (height, width))
    return height, width


@pytest.mark.parametrize(
    ("kernel", "large", "small", "padding"),
    [
        (5, 28, 14, (1, 2)),
        (5, 14, 7, (1, 2)),
        (3, 7, 3, (0, 0)),
        (5, 16, 8, (1, 2)),
        (5, 8, 4, (1, 2)),
        (3, 4, 2, (0, 1)),
        (5, 7, 4, (2, 2)),
        (5, 9, 5, (2, 2)),
        (3, 2, 1, (0, 1)),
        (3, 3, 1, (0, 0)),
    ],
)
def test_padding(kernel: int, large: int, small: int, padding: tuple[int, int]) -> None:
    """The odd pixel of padding comes after: 1 and 2 for 5x5 at even sides, 0 and 1 for 3x3; 2 and 2 at odd sides."""
    assert same_padding(large, small, kernel) == padding


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_convolution(shape: tuple[int, int, int], level: int) -> None:
    """Each convolution is one of stride 2 over the map padded as TensorFlow pads, the third "valid" at odd sides."""
    layer = made(shape).convolutions[level]
    height, width = sides(shape, level)
    x = np.random.default_rng(1).normal(0, 1, (layer.in_channels, height, width))
    slow = slow_convolution(x, numbers(layer.weight), numbers(layer.bias), rule(level, height), rule(level, width))
    np.testing.assert_allclose(numbers(layer(torch.from_numpy(x)[None]))[0], slow, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_transposed(shape: tuple[int, int, int], level: int) -> None:
    """Each transposed layer scatters its kernels and crops what the convolution had padded."""
    layer = made(shape).transposed[2 - level]
    large, small = sides(shape, level), sides(shape, level + 1)
    y = np.random.default_rng(1).normal(0, 1, (layer.in_channels, *small))
    before = (rule(level, large[0])[0], rule(level, large[1])[0])
    slow = slow_transposed(y, numbers(layer.weight), numbers(layer.bias), large, before)
    np.testing.assert_allclose(numbers(layer(torch.from_numpy(y)[None]))[0], slow, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_adjoint(shape: tuple[int, int, int], level: int) -> None:
    """With equal weights the transposed layer is the convolution's adjoint: <conv(x), y> = <x, transposed(y)>."""
    model = made(shape)
    convolution, transposed = model.convolutions[level], model.transposed[2 - level]
    with torch.no_grad():
        transposed.weight.copy_(convolution.weight)
        convolution.bias.zero_()
        transposed.bias.zero_()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, convolution.in_channels, *sides(shape, level), generator=generator, dtype=torch.float64)
    y = torch.randn(1, convolution.out_channels, *sides(shape, level + 1), generator=generator, dtype=torch.float64)
    torch.testing.assert_close((convolution(x) * y).sum(), (x * transposed(y)).sum(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", [(1, 16, 16), (1, 28, 28), (2, 9, 14)])
def test_network(shape: tuple[int, int, int]) -> None:
    """The whole network: ReLU after every layer but the embedding and the output, a ReLU dense layer in between."""
    model = made(shape, embedding_dim=3)
    x = np.random.default_rng(1).normal(0, 1, shape)
    flow = x
    for level, layer in enumerate(model.convolutions):
        rows, columns = (rule(level, side) for side in flow.shape[1:])
        flow = np.maximum(slow_convolution(flow, numbers(layer.weight), numbers(layer.bias), rows, columns), 0)
    z = numbers(model.embedding.weight) @ flow.ravel() + numbers(model.embedding.bias)
    back = numbers(model.expansion.weight) @ z + numbers(model.expansion.bias)
    flow = np.maximum(back, 0).reshape(flow.shape)
    for level, layer in zip((2, 1, 0), model.transposed, strict=True):
        height, width = sides(shape, level)
        before = (rule(level, height)[0], rule(level, width)[0])
        flow = slow_transposed(flow, numbers(layer.weight), numbers(layer.bias), (height, width), before)
        if level:
            flow = np.maximum(flow, 0)
    assert (z < 0).any()
    assert (flow < 0).any()
    embedded = model.encode(torch.from_numpy(x)[None])
    np.testing.assert_allclose(numbers(embedded)[0], z, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(numbers(model.decode(embedded))[0], flow, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("side", "maps", "parameters"), [(28, (14, 7, 3), 275_979), (16, (8, 4, 2), 262_539), (32, (16, 8, 4), 294_795)]
)
def test_paper(side: int, maps: tuple[int, int, int], parameters: int) -> None:
    """On the paper's squares the maps are 14, 7, 3 and 8, 4, 2, of 32, 64, 128 channels."""
    model = ConvAutoencoder((1, side, side))
    seen: list[tuple[int, ...]] = []
    for layer in (*model.convolutions, model.embedding, model.expansion, *model.transposed):
        layer.register_forward_hook(lambda layer, given, made: seen.append(tuple(made.shape[1:])))
    assert model.decode(model.encode(torch.rand(2, 1, side, side))).shape == (2, 1, side, side)
    first, second, third = maps
    assert seen == [
        (32, first, first),
        (64, second, second),
        (128, third, third),
        (10,),
        (128 * third**2,),
        (64, second, second),
        (32, first, first),
        (1, side, side),
    ]
    assert [layer.kernel_size for layer in (*model.convolutions, *model.transposed)] == [
        (5, 5), (5, 5), (3, 3), (3, 3), (5, 5), (5, 5)
    ]  # fmt: skip
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert model.embedding_dim == 10


@pytest.mark.parametrize("height", range(8, 22))
def test_any_size(height: int) -> None:
    """Every height and width from 8 up comes back as it was, gray and colour, square or not, and every pixel is met."""
    for width in range(8, 22):
        shape = (1 + 2 * (width % 2), height, width)
        model = ConvAutoencoder(shape, channels=(1, 1, 1), embedding_dim=2)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(0.0 if parameter.dim() == 1 else 1.0)
            decoded = model.decode(model.encode(torch.rand(1, *shape)))
        assert decoded.shape == (1, *shape)
        assert (decoded > 0).all()


@pytest.mark.parametrize("shape", [(1, 7, 8), (1, 8, 7), (3, 1, 28), (1, 28, 0)])
def test_too_small(shape: tuple[int, int, int]) -> None:
    """Images below 8x8 are refused, with their size."""
    with pytest.raises(ValueError, match=f"at least 8x8 pixels, these are {shape[1]}x{shape[2]}"):
        ConvAutoencoder(shape)


@pytest.mark.parametrize("parameters", [{"channels": (32, 0, 128)}, {"embedding_dim": 0}])
def test_out_of_range(parameters: dict[str, object]) -> None:
    """A layer without channels is refused."""
    with pytest.raises(ValueError, match="must be at least 1"):
        ConvAutoencoder((1, 8, 8), **parameters)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def paper() -> ConvAutoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ConvAutoencoder((1, 28, 28))


@pytest.mark.parametrize(
    ("at", "fans"),
    [
        (0, 25 * (1 + 32)),
        (1, 25 * (32 + 64)),
        (2, 9 * (64 + 128)),
        (3, 9 * (128 + 64)),
        (4, 25 * (64 + 32)),
        (5, 25 * (32 + 1)),
        (6, 1152 + 10),
        (7, 10 + 1152),
    ],
)
def test_start(paper: ConvAutoencoder, at: int, fans: int) -> None:
    """Weights start Glorot uniform, in +-sqrt(6 / (fan_in + fan_out)), biases at zero."""
    layers: list[nn.Conv2d | nn.ConvTranspose2d | nn.Linear] = [
        *paper.convolutions,
        *paper.transposed,
        paper.embedding,
        paper.expansion,
    ]
    weight, bound = layers[at].weight.detach().double(), math.sqrt(6 / fans)
    assert 0.99 * bound < weight.abs().max() <= bound * (1 + 1e-6)
    assert weight.var().item() == pytest.approx(bound**2 / 3, rel=0.1)
    assert abs(weight.mean().item()) < 0.05 * bound
    assert layers[at].bias.count_nonzero() == 0
