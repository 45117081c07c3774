"""The results of the authors' TensorFlow/Keras code, as small fixed arrays.

Every expected number is a literal, derived from the definition as explained in the comment beside it: by hand, or by
loops and 40-digit decimals written from the formula. None was computed by this package or by a library's layer or
optimizer.
"""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from torch import Tensor, nn

from decda.core.functional import kl_divergence, student_t, target_distribution
from decda.core.training.optimizer import make_optimizer
from decda.plugins.augmentations.affine import RandomAffine
from decda.plugins.encoders.conv import ConvAutoencoder
from decda.plugins.heads.dcn import DCN
from decda.plugins.heads.dec import DEC
from decda.plugins.heads.idec import IDEC
from tests.conftest import batch_of

Array = NDArray[np.float64]

# Keras, "same" at stride 2: the output has ceil(n / 2) pixels, and total = max((out - 1) 2 + k - n, 0) zeros are added,
# total // 2 of them before and the rest after; "valid": no padding. A convolution does not flip its kernel. A
# transposed one adds y[i, j] times the kernel at rows 2i.. and columns 2j.., and crops what the convolution pads.

FIVE = torch.arange(1.0, 26).view(5, 5)  # FIVE[a, b] = 5a + b + 1
THREE = torch.arange(1.0, 10).view(3, 3)  # THREE[a, b] = 3a + b + 1


def network(side: int, channels: tuple[int, int, int] = (1, 1, 1)) -> ConvAutoencoder:
    return ConvAutoencoder((1, side, side), channels=channels, embedding_dim=1)


def through(layer: nn.Module, kernel: Tensor, x: Tensor) -> Tensor:
    """Apply a layer with Keras's kernel and zero bias to a map; internally, both are rotated by 180 degrees."""
    with torch.no_grad():
        layer.weight.copy_(kernel.flip(0, 1))
        layer.bias.zero_()
        return layer(x[None, None].flip(2, 3)).flip(2, 3)[0, 0]


@pytest.mark.parametrize(("side", "level"), [(8, 0), (16, 1)], ids=["first", "second"])
def test_five_same(side: int, level: int) -> None:
    """A 5x5 convolution pads an even side by one pixel before and two after, without flipping its kernel."""
    layer = network(side).convolutions[level]  # from 8x8 to 4x4: 3 * 2 + 5 - 8 = 3 zeros, 1 before
    # So y[i, j] covers rows 2i - 1 .. 2i + 3, of which 4, 5, 5 and 3 are inside. For ones, only their products remain.
    covered = [[16, 20, 20, 12], [20, 25, 25, 15], [20, 25, 25, 15], [12, 15, 15, 9]]
    assert through(layer, torch.ones(5, 5), torch.ones(8, 8)).tolist() == covered
    # A one at (r, c) adds FIVE[r + 1 - 2i, c + 1 - 2j] to y[i, j].
    # (0, 0): [1, 1] = 7. (2, 5): rows 3 and 1, columns 4, 2 and 0. (7, 7): rows and columns 4 and 2.
    x = torch.zeros(8, 8)
    x[0, 0] = x[2, 5] = x[7, 7] = 1
    assert through(layer, FIVE, x).tolist() == [[7, 20, 18, 16], [0, 10, 8, 6], [0, 0, 25, 23], [0, 0, 15, 13]]


def test_three_same() -> None:
    """A 3x3 convolution pads a side of 4 by one pixel after and none before."""
    layer = network(16).convolutions[2]  # from 4x4 to 2x2: 1 * 2 + 3 - 4 = 1 zero, 0 before
    x = torch.arange(1.0, 17).view(4, 4)
    # y[0, 0], rows and columns 0..2: 1*1 + 2*2 + 3*3 + 4*5 + 5*6 + 6*7 + 7*9 + 8*10 + 9*11 = 348
    # y[0, 1], columns 2, 3 and zeros: 1*3 + 2*4 + 4*7 + 5*8 + 7*11 + 8*12                   = 252
    # y[1, 0], rows 2, 3 and zeros: 1*9 + 2*10 + 3*11 + 4*13 + 5*14 + 6*15                   = 274
    # y[1, 1], only 2x2 pixels are inside: 1*11 + 2*12 + 4*15 + 5*16                         = 175
    assert through(layer, THREE, x).tolist() == [[348, 252], [274, 175]]


def test_three_valid() -> None:
    """A 3x3 convolution does not pad a side of 7, and its output is 3x3."""
    layer = network(28).convolutions[2]
    x = 10 * torch.arange(7.0)[:, None] + torch.arange(7.0)  # x[r, c] = 10r + c
    # Sum of THREE[a, b] (10 (2i + a) + 2j + b), with sums of THREE 45, of a THREE 15 + 2 * 24 = 63, and of b THREE
    # 15 + 2 * 18 = 51: y[i, j] = 45 (20i + 2j) + 630 + 51 = 681 + 900i + 90j
    expected = [[681, 771, 861], [1581, 1671, 1761], [2481, 2571, 2661]]
    assert through(layer, THREE, x).tolist() == expected


@pytest.mark.parametrize(("side", "at"), [(8, 2), (16, 1)], ids=["last", "second"])
def test_transposed_five_same(side: int, at: int) -> None:
    """A transposed 5x5 convolution crops one pixel before and two after, even where it is computed by parities."""
    layer = network(side).transposed[at]  # from 4x4: 3 * 2 + 5 = 11 in full, 8 remain
    y = torch.zeros(4, 4)
    y[0, 0] = y[3, 3] = 1
    y[1, 2] = 100
    # y[i, j] covers rows 2i - 1 .. 2i + 3: FIVE[1:, 1:] at the top left, FIVE[:3, :3] at the bottom right, rows and
    # columns 5..7, and 100 FIVE on rows 1..5, columns 3..7, which overlaps both.
    assert through(layer, FIVE, y).tolist() == [
        [7, 8, 9, 10, 0, 0, 0, 0],
        [12, 13, 14, 115, 200, 300, 400, 500],
        [17, 18, 19, 620, 700, 800, 900, 1000],
        [22, 23, 24, 1125, 1200, 1300, 1400, 1500],
        [0, 0, 0, 1600, 1700, 1800, 1900, 2000],
        [0, 0, 0, 2100, 2200, 2301, 2402, 2503],
        [0, 0, 0, 0, 0, 6, 7, 8],
        [0, 0, 0, 0, 0, 11, 12, 13],
    ]


def test_transposed_three_same() -> None:
    """A transposed 3x3 convolution from 2 to 4 crops one pixel after and none before."""
    layer = network(16).transposed[0]  # 1 * 2 + 3 = 5 in full
    # [0, 2] = 1*3 + 10*1, [1, 2] = 1*6 + 10*4, [2, 0] = 1*7 + 100*1, [2, 1] = 1*8 + 100*2,
    # [2, 2] = 1*9 + 10*7 + 100*3 + 1000*1, [2, 3] = 10*8 + 1000*2, [3, 2] = 100*6 + 1000*4; the rest have one term.
    expected = [[1, 2, 13, 20], [4, 5, 46, 50], [107, 208, 1379, 2080], [400, 500, 4600, 5000]]
    assert through(layer, THREE, torch.tensor([[1.0, 10], [100, 1000]])).tolist() == expected


def test_transposed_three_valid() -> None:
    """A transposed 3x3 convolution from 3 to 7 crops nothing."""
    layer = network(28).transposed[0]  # 2 * 2 + 3 = 7
    # For ones, rows 0..6 get the kernel's rows {0}, {1}, {0, 2}, {1}, {0, 2}, {1}, {2}, and columns likewise:
    # [0, 2] = 1 + 3, [1, 2] = 4 + 6, [2, 0] = 1 + 7, [2, 1] = 2 + 8, [2, 2] = 1 + 3 + 7 + 9, [6, 2] = 7 + 9
    assert through(layer, THREE, torch.ones(3, 3)).tolist() == [
        [1, 2, 4, 2, 4, 2, 3],
        [4, 5, 10, 5, 10, 5, 6],
        [8, 10, 20, 10, 20, 10, 12],
        [4, 5, 10, 5, 10, 5, 6],
        [8, 10, 20, 10, 20, 10, 12],
        [4, 5, 10, 5, 10, 5, 6],
        [7, 8, 16, 8, 16, 8, 9],
    ]


def test_network() -> None:
    """From image to embedding and back, all layers pad, crop and flatten as in Keras."""
    model = network(16, (1, 1, 2))  # maps 8x8, 4x4, 2x2 with two channels
    # 5x5 kernels of a single one at [1, 1] pick pixels (2i, 2j), two of them (4i, 4j). 3x3 kernels of a single one, at
    # [0, 0] for channel 0 and at [1, 2] for channel 1, pick (8i, 8j) and (8i + 4, 8j + 8); of the latter those with
    # j = 1 lie outside, zero. Transposed, the same kernels put values there.
    kernels = [torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 5, 5), torch.zeros(2, 1, 3, 3)]
    kernels[0][0, 0, 1, 1] = kernels[1][0, 0, 1, 1] = kernels[2][0, 0, 0, 0] = kernels[2][1, 0, 1, 2] = 1
    # Keras flattens to (row, column, channel), and its weights in that order would be 1, 10, 100, ..., 1e7. After the
    # rotation by 180 degrees the order of pixels is reversed, and that of the two channels of each is not.
    weights = torch.tensor([1e6, 1e7, 1e4, 1e5, 1e2, 1e3, 1, 10])
    with torch.no_grad():
        for layer, kernel in zip([*model.convolutions, *model.transposed], [*kernels, *kernels[::-1]], strict=True):
            layer.weight.copy_(kernel.flip(2, 3))
        model.embedding.weight.copy_(weights[None])
        model.expansion.weight.copy_(weights[:, None])
        x = torch.zeros(1, 1, 16, 16)
        x[0, 0, [0, 4, 0, 8, 12, 8], [0, 8, 8, 0, 8, 8]] = torch.tensor([1.0, 2, 3, 4, 5, 6])
        # (row, column, channel): (0,0,0) 1, (0,0,1) 2, (0,1,0) 3, (0,1,1) 0, (1,0,0) 4, (1,0,1) 5, (1,1,0) 6, (1,1,1) 0
        assert model.encode(x).tolist() == [[6_540_321]]
        y = model.decode(torch.ones(1, 1))[0, 0]
    found = {(int(r), int(c)): y[r, c].item() for r, c in y.nonzero()}
    # The values of (0,1,1) and (1,1,1), 1000 and 1e7 at column 16, are cropped.
    assert found == {(0, 0): 1, (4, 8): 10, (0, 8): 100, (8, 0): 1e4, (12, 8): 1e5, (8, 8): 1e6}


def double(values: list[list[float]]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def assert_equal(actual: Tensor, expected: list[list[float]], tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=0, atol=tolerance)


def test_student_t() -> None:
    """Soft assignments are 1 / (1 + squared distance), normalised to sum to 1."""
    q = student_t(double([[0, 0], [1, 0]]), double([[0, 0], [1, 1], [0, 3]]))
    # (0, 0): squared distances 0, 2, 9; 1 + 1/3 + 1/10 = 43/30.
    # (1, 0): squared distances 1, 1, 10; 1/2 + 1/2 + 1/11 = 12/11.
    assert_equal(q, [[30 / 43, 10 / 43, 3 / 43], [11 / 24, 11 / 24, 2 / 24]])


def test_target() -> None:
    """The target is q squared, divided by the cluster's frequency in the whole set and by the sum of the row."""
    p = target_distribution(double([[4 / 5, 1 / 5], [3 / 5, 2 / 5], [3 / 5, 2 / 5]]))
    # The column sums are 2 and 1. Row 1: 16/25 / 2 = 8/25 to 1/25 / 1; rows 2, 3: 9/25 / 2 = 9/50 to 4/25 = 8/50.
    assert_equal(p, [[8 / 9, 1 / 9], [9 / 17, 8 / 17], [9 / 17, 8 / 17]])


def test_kl() -> None:
    """Keras's KL clips both sides to [1e-7, 1], sums over the clusters and averages over the batch."""
    p = double([[1 / 2, 1 / 2], [1 / 2, 1 / 2], [0, 1]])
    q = double([[1 / 4, 3 / 4], [1, 0], [1, 0]])
    rows = [
        0.14384103622589046,  # 1/2 ln(2) + 1/2 ln(2/3) = 1/2 ln(4/3)
        7.365900644919215,  # 1/2 ln(1/2) + 1/2 ln(1/2 / 1e-7) = ln(1/2) + 7/2 ln(10): q is clipped
        16.118094039148755,  # 1e-7 ln(1e-7) + 1 ln(1e7) = (1 - 1e-7) 7 ln(10): both are clipped; 16.118095651 if only q
    ]
    for i, row in enumerate(rows):
        assert kl_divergence(p[i : i + 1], q[i : i + 1]).item() == pytest.approx(row, rel=1e-13)
    assert kl_divergence(p, q).item() == pytest.approx(7.875945240097953, rel=1e-13)  # a third of the three rows' sum


CENTERS = double([[0, 0], [1, 1]])
Z = double([[0, 0], [0, 1]])
"""The squared distances to the centers are 0, 2 and 1, 1, so q is 3/4, 1/4 (1 to 1/3) and 1/2, 1/2."""
TARGET = double([[1, 0], [1 / 4, 3 / 4]])
X = double([[0, 1], [2, 3]]).view(1, 1, 2, 2).repeat(2, 1, 1, 1)


def decoded(z: Tensor) -> Tensor:
    """Reconstructions off by 1, -1, 1, 0 in one image and by 0, 2, 0, 3 in the other; the sum of squares is 16."""
    return X + double([[1, -1, 1, 0], [0, 2, 0, 3]]).view(2, 1, 2, 2)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        # Row 1: ln(4/3) + 1e-7 ln(1e-7 / (1/4)) = .28768059927; row 2: 1/4 ln(1/2) + 3/4 ln(3/2) = .13081203594.
        pytest.param(DEC(2, 2), {"kl": 0.20924631760639446}, id="dec"),
        # 16 divided by 2 images of 4 pixels; a tenth of DEC's term.
        pytest.param(IDEC(2, 2), {"reconstruction": 2.0, "kl": 0.020924631760639446}, id="idec"),
        # One-hot targets, see below: squared distances 2 to the second and 1 to the first center, over 2 * 2 numbers.
        pytest.param(DCN(2, 2), {"kmeans": 0.75}, id="dcn"),
    ],
)
def test_loss(head: DEC | IDEC | DCN, expected: dict[str, float]) -> None:
    """Loss terms of heads are weighted: KL as in Keras, times .1 in IDEC; squared errors are means over all numbers."""
    head = head.double()
    with torch.no_grad():
        head.centers.copy_(CENTERS)
    target = double([[0, 1], [1, 0]]) if isinstance(head, DCN) else TARGET
    terms = head.loss(batch_of(Z, target, x=X, decode=decoded))
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(expected, rel=1e-13)


def descended(name: str, learning_rate: float, gradients: list[list[float]]) -> Tensor:
    """The weights after each step with the given gradients, starting from zero; one row per step."""
    w = nn.Parameter(torch.zeros(len(gradients[0]), dtype=torch.float64))
    optimizer = make_optimizer([w], name, learning_rate, 0.9, torch.device("cpu"))
    rows = []
    for gradient in gradients:
        w.grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        rows.append(w.detach().clone())
    return torch.stack(rows)


def test_sgd() -> None:
    """SGD steps by v <- .9 v - lr g, w <- w + v, including the first gradient."""
    # First weight: v = -.1, then -.09 + .2 = .11, then .099 - .3 = -.201; w is the running sum.
    # Second weight: v = -1 and then, without a gradient, .9 times the former v.
    w = descended("sgd", 0.1, [[1, 10], [-2, 0], [3, 0]])
    assert_equal(w, [[-0.1, -1], [0.01, -1.9], [-0.191, -2.71]])


def test_adam() -> None:
    """Adam as in Keras: w <- w - lr sqrt(1 - .999^t) / (1 - .9^t) m / (sqrt(v) + 1e-7), with uncorrected epsilon."""
    # Step 1: m = .1 g, v = .001 g^2, so w = -lr sqrt(.001) g / (sqrt(.001) |g| + 1e-7).
    # At g = 1: -.001 * .0316227766 / .0316228766. At g = 1e-7: -.001 * .0316227766 / 1.0316227766 = -3.0653430e-5;
    # torch.optim.Adam with the same epsilon divides by sqrt(v / .001) + 1e-7 = 2e-7 instead, with the result -5e-4, and
    # then -1.585e-4 and -5.825e-4. At g = 0: 0. The other steps are the formula evaluated with 40 digits.
    w = descended("adam", 0.001, [[1, 1e-7, 0], [-2, -3e-7, 4], [0.5, 1e-6, -1]])
    expected = [
        [-9.999968377323e-04, -3.065343003172e-05, 0],
        [-6.338938284961e-04, 1.427087628275e-05, -7.441362352756e-04],
        [-4.972033542039e-04, -1.087577718673e-04, -1.147156772133e-03],
    ]
    assert_equal(w, expected, 1e-13)


NINE = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
EIGHT = [[0, 8, 4, 12], [16, 0, 8, 4]]
SPOT = [[0, 1, 2], [10, 111, 12], [20, 21, 22]]
"""10 row + column, plus 100 in the middle."""


@pytest.mark.parametrize("backend", ["fast", "kornia"])
@pytest.mark.parametrize(
    ("image", "draws", "expected"),
    [
        # The top row becomes the left column, from bottom to top.
        pytest.param(NINE, (90, 0, 0), [[3, 6, 9], [2, 5, 8], [1, 4, 7]], id="quarter"),
        # The same, with columns shifted one to the right. Shifted first it would be [[2, 5, 8], [1, 4, 7], [1, 4, 7]].
        pytest.param(NINE, (90, 1 / 3, 0), [[3, 3, 6], [2, 2, 5], [1, 1, 4]], id="turned, then shifted"),
        # About the middle (1/2, 1) of the pixels. With v down and u right of it, (v, u) samples (u, -v): u = -1 and 1
        # are outside, above and below; v = -1/2 is halfway between columns 1 and 2, v = 1/2 between 0 and 1.
        pytest.param(NINE[:2], (90, 0, 0), [[2.5, 4, 5.5], [1.5, 3, 4.5]], id="quarter of 2x3"),
        # 1/8 of 4 columns is half a pixel: the mean of neighbours, and of the edge with itself.
        pytest.param([[0, 8, 4, 12]] * 2, (0, 1 / 8, 0), [[0, 4, 6, 8]] * 2, id="half to the right"),
        # 1/8 of 2 rows is a quarter: 3/4 of the pixel and 1/4 of the one above, or of itself at the edge.
        pytest.param(EIGHT, (0, 0, 1 / 8), [[0, 8, 4, 12], [12, 2, 7, 6]], id="quarter down"),
        # -1/4 of 4 columns is one to the left, -1/4 of 2 rows half a pixel up; the last column and row repeat.
        pytest.param(EIGHT, (0, -1 / 4, -1 / 4), [[4, 6, 8, 8], [0, 8, 4, 4]], id="left and up"),
        # The angle with cosine 4/5 and sine 3/5: (v, u) samples right .8u - .6v, down .6u + .8v, clipped to [-1, 1].
        # Corners (-.2, -1.4) -> 11 - .2 - 10 = .8, (1.4, -.2) -> 10, (-1.4, .2) -> 12, (.2, 1.4) -> 21.2; sides
        # (.6, -.8) -> 3.6, (-.8, -.6) -> 4.2, (.8, .6) -> 17.8, (-.6, .8) -> 18.4, and 8 more, (1 - .6)(1 - .8) of 100.
        pytest.param(SPOT, (36.8698976458, 0, 0), [[0.8, 11.6, 10], [12.2, 111, 25.8], [12, 26.4, 21.2]], id="3-4-5"),
    ],
)
def test_warp(
    image: list[list[float]], draws: tuple[float, float, float], expected: list[list[float]], backend: str
) -> None:
    """Images are rotated counterclockwise about their middle, then shifted by fractions; bilinear, edges repeated."""
    y = RandomAffine(backend=backend).apply(double(image)[None, None], double([list(draws)]))
    assert_equal(y[0, 0], expected, 1e-6)


def by_scipy(image: Array, angle: float, center: tuple[float, float], shift: tuple[float, float]) -> Array:
    """The warp as Keras does it with scipy, about a center (row, column), by a shift (down, right) in pixels.

    The pixel at o is taken from i = center + R (o - shift - center), and scipy computes i = R o + offset. R inverts the
    rotation. Counterclockwise as displayed, (row, column) = (0, 1) moves to (-sin, cos), so R maps that to (0, 1).
    """
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    back = np.array([[cos, sin], [-sin, cos]])
    return affine_transform(image, back, center - back @ np.add(shift, center), order=1, mode="nearest")


IMAGE = np.random.default_rng(0).uniform(0, 1, (8, 10))
"""8 rows and 10 columns; the middle is (3.5, 4.5)."""


@pytest.mark.parametrize("backend", ["fast", "kornia"])
@pytest.mark.parametrize("angle", [10.0, -7.0, 63.0])
def test_warp_as_scipy(angle: float, backend: str) -> None:
    """Rotation and shift are one bilinear interpolation with repeated edges, as in scipy, which Keras calls."""
    y = RandomAffine(backend=backend).apply(torch.from_numpy(IMAGE)[None, None], double([[angle, 0.1, -0.05]]))
    # .1 of 10 columns is 1 to the right, and -.05 of 8 rows is .4 up.
    np.testing.assert_allclose(y[0, 0].numpy(), by_scipy(IMAGE, angle, (3.5, 4.5), (-0.4, 1.0)), rtol=0, atol=1e-6)


def test_center_of_keras() -> None:
    """Keras in 2018 rotated about a point one pixel right of and below the middle, a shift of at most .25 pixels."""
    # This is known, and small enough to use the middle. Keras's center is the pixel index (H / 2 + .5, W / 2 + .5), the
    # middle is c = ((H - 1) / 2, (W - 1) / 2); they differ by d = (1, 1). With F the rotation of the content,
    # x -> c + d + F (x - c - d) is c + F (x - c) followed by a shift of (I - F) d, whose length is
    # 2 sin(angle / 2) sqrt(2) pixels. At 10 degrees, the maximum, F d in (row, column) is (cos - sin, cos + sin), so
    # the shift is 1 - cos + sin = .1888404 down and 1 - cos - sin = -.1584559 to the right.
    down, right = 0.1888404247, -0.1584559307
    assert math.hypot(down, right) == pytest.approx(0.2465137, abs=1e-7)  # 2 * .0871557427 * 1.4142136
    keras = by_scipy(IMAGE, 10.0, (8 / 2 + 0.5, 10 / 2 + 0.5), (0, 0))
    ours = RandomAffine().apply(torch.from_numpy(IMAGE)[None, None], double([[10.0, right / 10, down / 8]]))
    np.testing.assert_allclose(ours[0, 0].numpy(), keras, rtol=0, atol=1e-6)
    plain = RandomAffine().apply(torch.from_numpy(IMAGE)[None, None], double([[10.0, 0, 0]]))
    assert np.abs(plain[0, 0].numpy() - keras).max() > 0.05
