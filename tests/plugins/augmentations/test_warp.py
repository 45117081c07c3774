"""The fast warp, compared with kornia and with results worked out by hand."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from decda.plugins.augmentations.affine import RandomAffine
from decda.plugins.augmentations.shift import RandomShift
from decda.plugins.augmentations.warp import rotate_and_shift, shift

SHAPES = [(1, 28, 28), (3, 32, 32), (1, 16, 16), (1, 11, 20), (3, 20, 13), (2, 1, 9), (1, 7, 1), (1, 1, 1), (1, 2, 2)]
PARTS = [RandomAffine, RandomShift]
Part = type[RandomAffine] | type[RandomShift]

# The same examples on all machines, so that the result depends on the code alone.
fixed = settings(derandomize=True, database=None, deadline=None, max_examples=150)
sides = st.integers(1, 33)
seeds = st.integers(0, 2**31)


def images(n: int, *shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def draws(part: Part, n: int, seed: int = 0, **ranges: float) -> Tensor:
    return part(**ranges).sample(n, torch.Generator().manual_seed(seed))


def widest(part: Part) -> dict[str, float]:
    return {"degrees": 180.0, "translate": 1.0} if part is RandomAffine else {"translate": 1.0}


def edge_fill(x: Tensor, right: int, down: int) -> Tensor:
    """Shift by whole pixels, using indexing alone."""
    height, width = x.shape[-2:]
    rows = (torch.arange(height) - down).clamp(0, height - 1)
    columns = (torch.arange(width) - right).clamp(0, width - 1)
    return x[..., rows, :][..., columns]


@pytest.mark.parametrize("part", PARTS)
@fixed
@given(channels=st.integers(1, 3), height=sides, width=sides, seed=seeds)
def test_the_formula_is_that_of_kornia(part: Part, channels: int, height: int, width: int, seed: int) -> None:
    """In float64 both backends agree within 1e-12 for any shape, angle and shift."""
    x = images(4, channels, height, width, seed=seed, dtype=torch.float64)
    params = draws(part, 4, seed, **widest(part)).double()
    expected = part(backend="kornia").apply(x, params)
    torch.testing.assert_close(part().apply(x, params), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(5))
def test_images_are_those_of_kornia(part: Part, shape: tuple[int, ...], seed: int) -> None:
    """In float32 both backends agree within 1e-5 on noise, the roughest images, with separate draws per image."""
    x, params = images(64, *shape, seed=seed), draws(part, 64, seed)
    torch.testing.assert_close(part().apply(x, params), part(backend="kornia").apply(x, params), atol=1e-5, rtol=0)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("extreme", [(180.0, 1.0, -1.0), (-180.0, -1.0, 1.0), (90.0, 1.0, 1.0), (0.0, 0.0, 0.0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_ends_of_the_ranges(part: Part, extreme: tuple[float, ...], shape: tuple[int, ...]) -> None:
    """Both backends agree for half turns and shifts by a whole image, too."""
    x = images(1, *shape)
    params = torch.tensor([extreme if part is RandomAffine else extreme[1:]])
    torch.testing.assert_close(part().apply(x, params), part(backend="kornia").apply(x, params), atol=1e-5, rtol=0)


@fixed
@given(data=st.data(), height=sides, width=sides)
def test_whole_pixels(data: st.DataObject, height: int, width: int) -> None:
    """A shift by whole pixels moves them and repeats the edge, with or without a rotation by zero degrees."""
    right, down = data.draw(st.integers(-width, width)), data.draw(st.integers(-height, height))
    x = images(2, 1, height, width)
    offset = torch.tensor([[right / width, down / height]]).expand(2, 2)
    expected = edge_fill(x, right, down)
    torch.testing.assert_close(shift(x, offset), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(rotate_and_shift(x, torch.zeros(2), offset), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("turns", [-2, -1, 1, 2])
@pytest.mark.parametrize("side", [1, 2, 7, 8, 28])
def test_right_angles(turns: int, side: int) -> None:
    """Rotating a square by right angles equals `torch.rot90`: counterclockwise, without losing a pixel."""
    x = images(2, 3, side, side)
    turned = rotate_and_shift(x, torch.full((2,), 90.0 * turns), torch.zeros(2, 2))
    torch.testing.assert_close(turned, torch.rot90(x, turns, (2, 3)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_half_turn(shape: tuple[int, ...]) -> None:
    """A half turn flips images of any shape along both axes."""
    x = images(2, *shape)
    turned = rotate_and_shift(x, torch.full((2,), 180.0), torch.zeros(2, 2))
    torch.testing.assert_close(turned, x.flip(2, 3), atol=1e-5, rtol=0)


def test_right_angle_of_a_rectangle() -> None:
    """A rectangle is rotated about its middle with square pixels; where it does not fit, edges are repeated."""
    x = torch.tensor([[[[1.0, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14, 15]]]])
    expected = torch.tensor([[[[4.0, 4, 9, 14, 14], [3, 3, 8, 13, 13], [2, 2, 7, 12, 12]]]])
    torch.testing.assert_close(rotate_and_shift(x, torch.tensor([90.0]), torch.zeros(1, 2)), expected)


def test_fractions_of_a_pixel() -> None:
    """Values between pixels are interpolated bilinearly: .75 and .25 horizontally, then .5 and .5 vertically."""
    x = torch.tensor([[[[0.0, 4, 8, 12], [100, 104, 108, 112]]]])
    expected = torch.tensor([[[[0.0, 3, 7, 11], [50, 53, 57, 61]]]])
    offset = torch.tensor([[0.25 / 4, 0.5 / 2]])
    torch.testing.assert_close(shift(x, offset), expected)
    torch.testing.assert_close(rotate_and_shift(x, torch.zeros(1), offset), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_to_do(shape: tuple[int, ...]) -> None:
    """Without rotation and shift, an image changes by at most 4e-6."""
    x = images(3, *shape)
    for y in (shift(x, torch.zeros(3, 2)), rotate_and_shift(x, torch.zeros(3), torch.zeros(3, 2))):
        torch.testing.assert_close(y, x, atol=4e-6, rtol=0)


@pytest.mark.parametrize("part", PARTS)
def test_pure(part: Part) -> None:
    """The warp is deterministic, and changes neither images nor draws."""
    x, params = images(8, 3, 9, 12), draws(part, 8)
    before = x.clone(), params.clone()
    assert torch.equal(part().apply(x, params), part().apply(x, params))
    assert torch.equal(x, before[0])
    assert torch.equal(params, before[1])


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "laid_out",
    [
        pytest.param(lambda x: x.contiguous(memory_format=torch.channels_last), id="channels last"),
        pytest.param(lambda x: x.mT.contiguous().mT, id="columns first"),
        pytest.param(lambda x: torch.stack([x, x], -1)[..., 0], id="every other"),
        pytest.param(lambda x: x.transpose(0, 1).contiguous().transpose(0, 1), id="channels before images"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_layout(part: Part, laid_out: Callable[[Tensor], Tensor], channels: int) -> None:
    """The memory layout of images and draws does not affect the result."""
    x, params = images(6, channels, 9, 12), draws(part, 6)
    y = part().apply(laid_out(x), params.mT.contiguous().mT)
    assert torch.equal(y, part().apply(x, params))


@pytest.mark.parametrize("part", PARTS)
def test_one_image_for_all_draws(part: Part) -> None:
    """An expanded image, which is not copied, is warped by each draw."""
    x, params = images(1, 1, 8, 8), draws(part, 5)
    assert torch.equal(part().apply(x.expand(5, -1, -1, -1), params), part().apply(x.repeat(5, 1, 1, 1), params))


@pytest.mark.parametrize("part", PARTS)
def test_no_images(part: Part) -> None:
    """The warp of an empty batch is an empty batch."""
    assert part().apply(images(0, 1, 8, 9), draws(part, 0)).shape == (0, 1, 8, 9)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_dtype(part: Part, dtype: torch.dtype) -> None:
    """The dtype is kept; 16-bit images are warped in float32, as coordinates would be off by a tenth of a pixel."""
    x, params = images(4, 1, 28, 28).to(dtype), draws(part, 4)
    y = part().apply(x, params)
    precise = part().apply(x.double(), params.double())
    assert y.dtype == dtype
    torch.testing.assert_close(y.double(), precise, atol=1e-5, rtol=max(1e-6, torch.finfo(dtype).eps))


@pytest.mark.parametrize("part", PARTS)
def test_autocast(part: Part) -> None:
    """Coordinates stay precise under autocast, which would round the factors of a matrix product to 8 bits."""
    x, params = images(4, 1, 28, 28), draws(part, 4)
    with torch.autocast("cpu", torch.bfloat16):
        y = part().apply(x, params)
    assert torch.equal(y, part().apply(x, params))


@pytest.mark.parametrize("part", PARTS)
def test_gradients(part: Part) -> None:
    """The warp is differentiable with respect to images and draws."""
    x = images(3, 2, 5, 6, dtype=torch.float64).requires_grad_()
    params = draws(part, 3).double().requires_grad_()
    assert torch.autograd.gradcheck(part().apply, (x, params))


class Kernels(TorchDispatchMode):
    """Records every operation that returns a tensor and is not a view."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and not func.is_view:
            self.names.append(func._schema.name)
        return result


@pytest.mark.parametrize(("part", "most"), [(RandomAffine, 12), (RandomShift, 5)])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 20, 13)])
def test_few_kernels(part: Part, most: int, shape: tuple[int, ...]) -> None:
    """Affine needs at most 12 kernels and shift 5, with one bilinear sampling and no matrix product among them."""
    x, params = images(4, *shape), draws(part, 4)
    with Kernels() as kernels:
        part().apply(x, params)
    assert len(kernels.names) <= most, kernels.names
    assert kernels.names.count("aten::grid_sampler_2d") == 1
    assert not {name.removeprefix("aten::") for name in kernels.names} & {"mm", "bmm", "addmm", "baddbmm", "einsum"}


@pytest.mark.parametrize("part", PARTS)
def test_values_are_not_read(part: Part) -> None:
    """The warp reads no value on the host and copies none to the device, so it runs on the meta device."""
    x, params = images(4, 1, 8, 9).to("meta"), draws(part, 4).to("meta")
    with Kernels() as kernels:
        y = part().apply(x, params)
    assert y.device.type == "meta"
    assert y.shape == x.shape
    assert not {"aten::_to_copy", "aten::copy_", "aten::lift_fresh", "aten::_local_scalar_dense"} & set(kernels.names)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("part", PARTS)
def test_captured(part: Part) -> None:
    """A CUDA graph of the warp can be replayed on new images and draws."""
    x, params = images(8, 1, 28, 28).cuda(), draws(part, 8).cuda()
    part().apply(x, params)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = part().apply(x, params)
    new = images(8, 1, 28, 28, seed=1), draws(part, 8, 1)
    x.copy_(new[0])
    params.copy_(new[1])
    graph.replay()
    torch.testing.assert_close(y.cpu(), part().apply(*new), atol=1e-5, rtol=0)


def test_kornia_is_not_imported() -> None:
    """Neither the parts nor their fast warp import kornia; the other backend does."""
    script = """if True:
        import sys, torch
        from decda.plugins.augmentations.affine import RandomAffine
        from decda.plugins.augmentations.shift import RandomShift
        x = torch.rand(2, 1, 8, 8)
        for part in RandomAffine, RandomShift:
            part().apply(x, part().sample(2, torch.Generator()))
        print("kornia" in sys.modules)
        RandomShift(backend="kornia").apply(x, torch.zeros(2, 2))
        print("kornia" in sys.modules)
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120, env=environment
    )
    assert done.stdout.split() == ["False", "True"]


def test_coordinates_are_those_of_affine_grid() -> None:
    """Without a rotation, the coordinates are those of PyTorch's `affine_grid`."""
    x, offset = images(3, 2, 7, 10), draws(RandomShift, 3, translate=0.5)
    theta = torch.cat([torch.eye(2).expand(3, 2, 2), -2 * offset.unsqueeze(2)], 2)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    expected = F.grid_sample(x, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(shift(x, offset), expected, atol=1e-5, rtol=0)
