"""The convolutional autoencoder, compared with loops over explicitly padded maps, and with a network that pads.

The references work on the image itself, in TensorFlow's terms; the autoencoder works on the image rotated by 180
degrees. `turned` converts images, maps and kernels between the two.
"""

import math
import pickle
import re
from collections.abc import Callable, Mapping
from copy import deepcopy

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from decda.plugins.encoders.conv import ConvAutoencoder, same_padding

Array = NDArray[np.float64]
SMALL = (2, 3, 2)
SHAPES = [(1, 28, 28), (1, 16, 16), (1, 8, 8), (3, 9, 14), (2, 13, 11), (1, 10, 15)]


def tensorflow_same(side: int, kernel: int) -> tuple[int, int]:
    """TensorFlow's documented rule for "same" padding at stride 2, before and after."""
    total = max(kernel - 2, 0) if side % 2 == 0 else max(kernel - side % 2, 0)
    return total // 2, total - total // 2


def rule(level: int, side: int) -> tuple[int, int]:
    """The padding before and after a side: "same", but "valid" for the third convolution and an odd side."""
    kernel = (5, 5, 3)[level]
    return (0, 0) if level == 2 and side % 2 else tensorflow_same(side, kernel)


def slow_convolution(x: Array, weight: Array, bias: Array, rows: tuple[int, int], columns: tuple[int, int]) -> Array:
    """Convolve x (I, H, W), padded with zeros, at stride 2; weight (O, I, k, k)."""
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
    """Add the kernel, weight (I, O, k, k), for each pixel of y (I, h, w) to a canvas, and crop that to `large`."""
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


def turned(a: Array) -> Array:
    """Rotate by 180 degrees: reverse the last two axes, rows and columns."""
    return a[..., ::-1, ::-1].copy()


def made(shape: tuple[int, int, int], **parameters: int) -> ConvAutoencoder:
    """A small network in float64 with normally distributed weights and biases."""
    model = ConvAutoencoder(shape, channels=SMALL, **parameters).double()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(0, 0.5, parameter.shape)))
    return model


def numbers(parameter: Tensor) -> Array:
    return parameter.detach().numpy()


def apply(layer: nn.Module, x: Array) -> Array:
    """Apply a layer, which works on rotated maps, to a map (C, H, W) that is not rotated."""
    return turned(numbers(layer(torch.from_numpy(turned(x))[None]))[0])


def sides(shape: tuple[int, int, int], level: int) -> tuple[int, int]:
    """The height and width of the map that enters a level, by the padding rule."""
    height, width = shape[1:]
    for below in range(level):
        kernel = (5, 5, 3)[below]
        height, width = ((side + sum(rule(below, side)) - kernel) // 2 + 1 for side in (height, width))
    return height, width


@pytest.mark.parametrize(
    ("kernel", "large", "small", "total"),
    [
        (5, 28, 14, 3),
        (5, 14, 7, 3),
        (3, 7, 3, 0),
        (5, 16, 8, 3),
        (5, 8, 4, 3),
        (3, 4, 2, 1),
        (5, 7, 4, 4),
        (5, 9, 5, 4),
        (3, 2, 1, 1),
        (3, 3, 1, 0),
    ],
)
def test_padding(kernel: int, large: int, small: int, total: int) -> None:
    """The padding is 3 pixels in total for 5x5 at even sides, 4 at odd ones, 1 for 3x3 at even sides, else none."""
    assert same_padding(large, small, kernel) == total
    assert total == sum(rule(2 if kernel == 3 else 0, large))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_convolution(shape: tuple[int, int, int], level: int) -> None:
    """On rotated maps with rotated kernels, convolutions pad as in TensorFlow, the third is "valid" at odd sides."""
    layer = made(shape).convolutions[level]
    height, width = sides(shape, level)
    x = np.random.default_rng(1).normal(0, 1, (layer.in_channels, height, width))
    kernel, bias = turned(numbers(layer.weight)), numbers(layer.bias)
    slow = slow_convolution(x, kernel, bias, rule(level, height), rule(level, width))
    np.testing.assert_allclose(apply(layer, x), slow, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_transposed(shape: tuple[int, int, int], level: int) -> None:
    """On rotated maps, transposed layers add rotated kernels and crop what the convolution has padded."""
    layer = made(shape).transposed[2 - level]
    large, small = sides(shape, level), sides(shape, level + 1)
    y = np.random.default_rng(1).normal(0, 1, (layer.in_channels, *small))
    before = (rule(level, large[0])[0], rule(level, large[1])[0])
    slow = slow_transposed(y, turned(numbers(layer.weight)), numbers(layer.bias), large, before)
    np.testing.assert_allclose(apply(layer, y), slow, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 1, 2])
def test_adjoint(shape: tuple[int, int, int], level: int) -> None:
    """With equal weights, a transposed layer is the adjoint of its convolution: <conv(x), y> = <x, transposed(y)>."""
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


@pytest.mark.parametrize("shape", SHAPES)
def test_network(shape: tuple[int, int, int]) -> None:
    """ReLU follows all layers but embedding and output; dense layers see rotated maps as (row, column, channel)."""
    model = made(shape, embedding_dim=5)
    x = np.random.default_rng(1).normal(0, 1, shape)
    flow = x
    for level, layer in enumerate(model.convolutions):
        rows, columns = (rule(level, side) for side in flow.shape[1:])
        flow = slow_convolution(flow, turned(numbers(layer.weight)), numbers(layer.bias), rows, columns)
        flow = np.maximum(flow, 0)
    depth, *smallest = flow.shape
    z = numbers(model.embedding.weight) @ turned(flow).transpose(1, 2, 0).ravel() + numbers(model.embedding.bias)
    back = numbers(model.expansion.weight) @ z + numbers(model.expansion.bias)
    flow = turned(np.maximum(back, 0).reshape(*smallest, depth).transpose(2, 0, 1))
    for level, layer in zip((2, 1, 0), model.transposed, strict=True):
        height, width = sides(shape, level)
        before = (rule(level, height)[0], rule(level, width)[0])
        flow = slow_transposed(flow, turned(numbers(layer.weight)), numbers(layer.bias), (height, width), before)
        if level:
            flow = np.maximum(flow, 0)
    assert (z < 0).any()
    assert (flow < 0).any()
    embedded = model.encode(torch.from_numpy(x)[None])
    np.testing.assert_allclose(numbers(embedded)[0], z, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(numbers(model.decode(embedded))[0], flow, rtol=1e-9, atol=1e-9)


def grown(shape: tuple[int, int, int], seed: int = 0, **parameters: object) -> ConvAutoencoder:
    """A freshly initialised network, but with random biases, so that no bias is overlooked."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = ConvAutoencoder(shape, **parameters)  # type: ignore[arg-type]
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("bias"):
                    parameter.uniform_(-0.1, 0.1)
    return model


def normal(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def unturned(state: Mapping[str, Tensor], smallest: tuple[int, int]) -> dict[str, Tensor]:
    """Convert weights, or their gradients, to those of a network that does not rotate and flattens (C, H, W)."""

    def units_first(matrix: Tensor) -> Tensor:  # (units, n)
        maps = matrix.reshape(*smallest, -1, matrix.shape[1]).flip(0, 1)  # (h, w, C, n)
        return maps.permute(2, 0, 1, 3).reshape(matrix.shape)

    result = {name: value.flip(-2, -1) if value.dim() == 4 else value.clone() for name, value in state.items()}
    result["embedding.weight"] = units_first(state["embedding.weight"].T).T
    result["expansion.weight"] = units_first(state["expansion.weight"])
    result["expansion.bias"] = units_first(state["expansion.bias"][:, None])[:, 0]
    return result


def padding_and_cropping(w: Mapping[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings and images of a network with converted weights, which pads before convolutions and crops after."""
    flow, entered = x, []
    for level in range(3):
        entered.append(flow.shape[-2:])
        (top, bottom), (left, right) = (rule(level, side) for side in flow.shape[-2:])
        padded = F.pad(flow, (left, right, top, bottom))
        flow = F.conv2d(padded, w[f"convolutions.{level}.weight"], w[f"convolutions.{level}.bias"], stride=2).relu()
    z = F.linear(flow.flatten(1), w["embedding.weight"], w["embedding.bias"])
    flow = F.linear(z, w["expansion.weight"], w["expansion.bias"]).relu().reshape(flow.shape)
    for at, level in enumerate((2, 1, 0)):
        flow = F.conv_transpose2d(flow, w[f"transposed.{at}.weight"], w[f"transposed.{at}.bias"], stride=2)
        (height, width), (top, left) = entered[level], (rule(level, side)[0] for side in entered[level])
        flow = flow[..., top : top + height, left : left + width]
        flow = flow.relu() if level else flow
    return z, flow


def assert_near(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Assert that no entry differs by more than the tolerance times the largest entry."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance * expected.abs().max().item())


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("shape", SHAPES)
def test_padding_and_cropping(shape: tuple[int, int, int], dtype: torch.dtype, tolerance: float) -> None:
    """Outputs and gradients equal those of a network that pads and crops maps without rotating the image."""
    model = grown(shape).to(dtype)
    smallest = sides(shape, 3)
    x = normal(4, *shape, dtype=dtype).requires_grad_()
    z = model.encode(x)
    decoded = model.decode(z)
    back = normal(*z.shape, seed=2, dtype=dtype), normal(*decoded.shape, seed=3, dtype=dtype)
    gradients = torch.autograd.grad((z, decoded), [x, *model.parameters()], back)
    by_name = dict(zip(model.state_dict(), gradients[1:], strict=True))

    weights = {name: w.requires_grad_() for name, w in unturned(model.state_dict(), smallest).items()}
    expected = padding_and_cropping(weights, x)
    expected_gradients = torch.autograd.grad(expected, [x, *weights.values()], back)
    assert_near(z, expected[0], tolerance)
    assert_near(decoded, expected[1], tolerance)
    assert_near(gradients[0], expected_gradients[0], tolerance)
    for gradient, expectation in zip(unturned(by_name, smallest).values(), expected_gradients[1:], strict=True):
        assert_near(gradient, expectation, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("shape", [*SHAPES, (5, 9, 9), (4, 8, 12)])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_library(shape: tuple[int, int, int], at: int, dtype: torch.dtype, tolerance: float) -> None:
    """Transposed layers, including the last, have the outputs and gradients of PyTorch's transposed convolution."""
    layer = grown(shape).to(dtype).transposed[at]
    x = normal(2, layer.in_channels, *sides(shape, 3 - at), dtype=dtype).requires_grad_()
    wanted = x, layer.weight, layer.bias
    y = layer(x)
    assert y.shape == (2, layer.out_channels, *sides(shape, 2 - at))
    expected = F.conv_transpose2d(x, layer.weight, layer.bias, 2, layer.padding, layer.output_padding)
    assert_near(y, expected, tolerance)
    back = normal(*y.shape, seed=2, dtype=dtype)
    gradients, expectations = torch.autograd.grad(y, wanted, back), torch.autograd.grad(expected, wanted, back)
    for gradient, expectation in zip(gradients, expectations, strict=True):
        assert_near(gradient, expectation, tolerance)


@pytest.mark.parametrize(
    ("side", "maps", "parameters"), [(28, (14, 7, 3), 275_979), (16, (8, 4, 2), 262_539), (32, (16, 8, 4), 294_795)]
)
def test_paper(side: int, maps: tuple[int, int, int], parameters: int) -> None:
    """For the paper's image sizes, the maps have the sides 14, 7, 3 or 8, 4, 2, and 32, 64, 128 channels."""
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
    """Images of any size from 8x8 up, gray or colour, are reconstructed at their size, and every pixel is covered."""
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
    """Images below 8x8 are refused, and the error states their size."""
    with pytest.raises(ValueError, match=f"at least 8x8 pixels, these are {shape[1]}x{shape[2]}"):
        ConvAutoencoder(shape)


@pytest.mark.parametrize("shape", [(28, 28, 3), (64, 48, 1), (8, 100, 4)])
def test_channels_that_come_last(shape: tuple[int, int, int]) -> None:
    """Where the sizes look as if the channels came last, the error says so, and what to do."""
    message = (
        f"images must be at least 8x8 pixels, these are {shape[1]}x{shape[2]}. Images (C, H, W) = {shape}: the "
        "channels seem to come last; bring them first, x.permute(0, 3, 1, 2), or declare the data set's channels='last'"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        ConvAutoencoder(shape)


@pytest.mark.parametrize("shape", [(3, 28, 3), (1, 1, 3), (28, 7, 3), (28, 28, 7)])
def test_other_small_images_are_only_small(shape: tuple[int, int, int]) -> None:
    """Without a likely reason, none is given."""
    with pytest.raises(ValueError, match=r"these are \d+x\d$"):
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
    """Weights are initialised Glorot uniform, within +-sqrt(6 / (fan_in + fan_out)), and biases to zero."""
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


def channels_last(x: Tensor) -> bool:
    """Whether a map is channels last by its strides, even if it has a single channel."""
    return x.is_contiguous(memory_format=torch.channels_last) and x.stride(1) == 1


class Layouts(TorchDispatchMode):
    """Records each convolution with its input and output maps, and other operations that copy maps of a batch."""

    def __init__(self, batch: int):
        super().__init__()
        self.batch = batch
        self.convolutions: list[tuple[str, list[Tensor]]] = []
        self.copies: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = function(*args, **(kwargs or {}))
        name = function.name().removeprefix("aten::")
        if name == "convolution":
            self.convolutions.append((name, [args[0], result]))
        elif name == "convolution_backward":
            # The map, and the gradient with respect to it; the first convolution has none.
            self.convolutions.append((name, [args[1], *(result[:1] if result[0] is not None else ())]))
        elif name.partition(".")[0] in ("clone", "copy_", "_to_copy", "constant_pad_nd"):
            self.copies += [name for a in args[:1] if a.dim() == 4 and len(a) == self.batch]
        return result


@pytest.mark.parametrize("batch", [7, 1])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 9, 14), (3, 13, 11)])
def test_channels_last(shape: tuple[int, int, int], batch: int) -> None:
    """All maps are channels last in memory, forward and backward, for gray and colour, and none is copied or padded.

    No other test would notice, because the network would only be slower.
    """
    model = grown(shape)
    x = normal(batch, *shape).contiguous(memory_format=torch.channels_last)
    with Layouts(batch) as there:
        decoded = model.decode(model.encode(x))
    with Layouts(batch) as back:
        decoded.square().mean().backward()
    assert [name for name, _ in there.convolutions] == ["convolution"] * 6
    assert [name for name, _ in back.convolutions] == ["convolution_backward"] * 6
    assert all(channels_last(each) for _, maps in there.convolutions + back.convolutions for each in maps)
    assert there.copies == []
    assert back.copies == []


@pytest.mark.parametrize(("shape", "copies"), [((1, 28, 28), 0), ((3, 9, 14), 1)])
def test_contiguous_images(shape: tuple[int, int, int], copies: int) -> None:
    """Channels-first images are copied only once, and gray ones never, because both layouts are the same for them."""
    model, x = grown(shape), normal(7, *shape)
    with Layouts(7) as there:
        model.decode(model.encode(x))
    assert len(there.copies) == copies
    assert all(channels_last(each) for _, maps in there.convolutions for each in maps)


Copy = Callable[[ConvAutoencoder], ConvAutoencoder]


def through_file(model: ConvAutoencoder) -> ConvAutoencoder:
    """Copy the state to another network with safetensors, which accepts only contiguous tensors."""
    file = save(
        {name: value.clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()}
    )
    other = grown((3, 9, 14), seed=1)
    other.load_state_dict(load(file))
    return other


@pytest.mark.parametrize("copy", [deepcopy, lambda model: pickle.loads(pickle.dumps(model)), through_file])
def test_copies(copy: Copy) -> None:
    """Deep copies, pickled copies and copies by a state file compute exactly the same, and stay channels last."""
    model = grown((3, 9, 14))
    x = normal(4, 3, 9, 14)
    other = copy(model)
    assert torch.equal(other.encode(x), model.encode(x))
    assert torch.equal(other.decode(other.encode(x)), model.decode(model.encode(x)))
    for mine, its in zip(model.parameters(), other.parameters(), strict=True):
        assert mine.data_ptr() != its.data_ptr()
        assert mine.stride() == its.stride()
        assert mine.dim() < 4 or its.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", SHAPES)
def test_gradients(shape: tuple[int, int, int]) -> None:
    """Gradients reach the image and every parameter, and have the parameter's memory layout."""
    model = grown(shape)
    x = normal(4, *shape).requires_grad_()
    model.decode(model.encode(x)).square().sum().backward()
    for tensor in (x, *model.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()
        assert tensor.grad.count_nonzero() > 0
    for parameter in model.parameters():
        assert parameter.dim() < 4 or parameter.grad.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_of_one(shape: tuple[int, int, int]) -> None:
    """An image is embedded and reconstructed the same alone and in a batch."""
    model = grown(shape)
    x = normal(5, *shape)
    z = model.encode(x)
    alone = torch.cat([model.encode(image[None]) for image in x])
    assert_near(alone, z, 1e-5)
    assert_near(torch.cat([model.decode(each[None]) for each in z]), model.decode(z), 1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_inputs_are_unchanged(shape: tuple[int, int, int]) -> None:
    """Neither images nor embeddings are changed, because only the network's own maps are modified in place."""
    model = grown(shape)
    for x in (normal(4, *shape), normal(4, *shape).contiguous(memory_format=torch.channels_last)):
        before = x.clone()
        z = model.encode(x)
        embedded = z.clone()
        model.decode(z)
        assert torch.equal(x, before)
        assert torch.equal(z, embedded)


@pytest.mark.parametrize(
    "laid_out",
    [
        lambda x: x.contiguous(memory_format=torch.channels_last),
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),
        lambda x: x.repeat_interleave(2, dim=0)[::2],
        lambda x: F.pad(x, (3, 2, 1, 4))[..., 1:-4, 3:-2],
        lambda x: x.repeat(1, 2, 1, 1)[:, : x.shape[1]],
    ],
    ids=["channels-last", "columns-first", "every-second", "window", "some-channels"],
)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 14), (2, 13, 11)])
def test_layouts(shape: tuple[int, int, int], laid_out: Callable[[Tensor], Tensor]) -> None:
    """The memory layout of images and embeddings does not affect the result."""
    model = grown(shape)
    x = normal(4, *shape)
    z = model.encode(x)
    assert torch.equal(laid_out(x), x)
    assert_near(model.encode(laid_out(x)), z, 1e-5)
    assert_near(model.decode(z.T.contiguous().T), model.decode(z), 1e-5)


def test_expanded() -> None:
    """An expanded image, which is not copied, is embedded repeatedly."""
    model = grown((3, 9, 14))
    x = normal(1, 3, 9, 14)
    assert_near(model.encode(x.expand(4, -1, -1, -1)), model.encode(x).repeat(4, 1), 1e-5)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 14)])
def test_bfloat16(shape: tuple[int, int, int]) -> None:
    """Under autocast outputs are bfloat16 and close; gradients are float32 and differ no more than flipped ReLUs do."""
    model = grown(shape)
    x = normal(8, *shape)

    def descend() -> tuple[Tensor, Tensor, list[Tensor]]:
        z = model.encode(x)
        decoded = model.decode(z)
        loss = F.mse_loss(decoded.float(), x) + z.float().square().mean()
        return z.detach(), decoded.detach(), list(torch.autograd.grad(loss, list(model.parameters())))

    z, decoded, gradients = descend()
    with torch.autocast("cpu", torch.bfloat16):
        rough_z, rough_decoded, rough_gradients = descend()
    assert rough_z.dtype == rough_decoded.dtype == torch.bfloat16
    assert_near(rough_z.float(), z, 0.03)
    assert_near(rough_decoded.float(), decoded, 0.03)
    for rough, gradient in zip(rough_gradients, gradients, strict=True):
        assert rough.dtype == torch.float32
        assert (rough - gradient).norm() < 0.2 * gradient.norm()
