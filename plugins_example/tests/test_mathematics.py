"""The parts compute what their docstrings say, compared with slow versions written from the equations."""

import math

import pytest
import torch
from decda_plugin_example.augmentation import RandomElastic
from decda_plugin_example.dataset import SHAPES, shapes
from decda_plugin_example.encoder import ResidualAutoencoder
from decda_plugin_example.head import DKM
from decda_plugin_example.start import medoids

from decda.core.contracts import Batch
from decda.core.functional import kmeans_labels


def placed_head(**parameters: float) -> tuple[DKM, torch.Tensor]:
    """A head with placed centers, and the embeddings (40, 3) that they were placed on."""
    z = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    head = DKM(4, 3, **parameters)
    head.init_centers(z, kmeans_labels(z, 4, 0))
    return head, z


def test_dkm_is_the_papers_loss_per_pixel() -> None:
    """The terms add up to |decode(z) - x|^2 + lambda sum_k G_k |z - c_k|^2, divided by the number of pixels."""
    head, z = placed_head(weight=0.7)
    x, y = torch.rand(2, 40, 1, 5, 7, generator=torch.Generator().manual_seed(1))
    alpha = head.alpha.item()
    terms = head.loss(Batch(z=z, target=head.refresh(z), x=x, decode=lambda z: y, index=torch.arange(40)))
    total = 0.0
    for i in range(40):
        distances = [sum((a - b) ** 2 for a, b in zip(z[i].tolist(), c, strict=True)) for c in head.centers.tolist()]
        weights = [math.exp(-alpha * distance) for distance in distances]
        softly = sum(w * d for w, d in zip(weights, distances, strict=True)) / sum(weights)
        total += (y[i] - x[i]).square().sum().item() + 0.7 * softly
    assert sum(terms.values()).item() == pytest.approx(total / 40 / 35, rel=1e-5)


def test_dkm_anneals_as_the_paper() -> None:
    """Each alpha is 2^(1 / ln(n)^2) times the previous one; there are 40 values, the last 281 times the first."""
    head, z = placed_head()
    expected = [head.alpha.item()]
    for n in range(2, 41):
        expected.append(expected[-1] * 2 ** (1 / math.log(n) ** 2))
    for alpha in (*expected, expected[-1], expected[-1]):
        assert head.alpha.item() == pytest.approx(alpha, rel=1e-4)
        head.refresh(z)
    assert expected[-1] / expected[0] == pytest.approx(281, abs=1)


def test_dkm_starts_as_a_mixture_of_gaussians() -> None:
    """At alpha = 1 the assignments are the posterior of Gaussians of equal variance, at any scale of the embedding."""
    head, z = placed_head()
    variance = torch.cdist(z, head.centers).square().amin(1).mean() / 3
    gaussians = torch.distributions.Normal(head.centers, variance.sqrt())
    posterior = gaussians.log_prob(z.unsqueeze(1)).sum(2).softmax(1)
    torch.testing.assert_close(head.soft_assign(z), posterior)
    large = DKM(4, 3)
    large.init_centers(1000 * z, kmeans_labels(z, 4, 0))
    torch.testing.assert_close(large.soft_assign(1000 * z), head.soft_assign(z), rtol=1e-3, atol=1e-5)


def test_medoids_find_separate_groups() -> None:
    """Whichever embeddings are drawn first, the medoids move into the two groups."""
    z = torch.tensor([[0.0], [0.1], [0.2], [3.0], [3.1], [3.2], [3.3]])
    for seed in range(10):
        labels = medoids(z, 2, seed)
        assert len(labels[:3].unique()) == len(labels[3:].unique()) == 1
        assert labels[0] != labels[3]


def test_elastic_samples_where_its_field_points() -> None:
    """Equal displacements of all points are a plain shift; the corners of the grid are those of the image."""
    x = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    elastic = RandomElastic(points=3, reach=0.3)
    right, down = torch.full((9,), 2 / 12), torch.full((9,), -1 / 8)
    bent = elastic.apply(x, torch.cat([right, down]).expand(2, -1))
    torch.testing.assert_close(bent[..., 1:, :-2], x[..., :-1, 2:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(bent[..., 1:, -2:], x[..., :-1, -1:].expand(2, 3, 7, 2), rtol=1e-4, atol=1e-5)
    corner = torch.zeros(2, 2, 3, 3)
    corner[:, 0, 0, 0] = 1 / 12  # the first pixel is sampled one to the right, the last stays
    bent = elastic.apply(x, corner.flatten(1))
    torch.testing.assert_close(bent[..., 0, 0], x[..., 0, 1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(bent[..., -1, -1], x[..., -1, -1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("disc", math.pi),
        ("ring", math.pi * (1 - 0.5**2)),
        ("square", 2),
        ("triangle", 3 * math.sqrt(3) / 4),
        ("cross", 4 * 0.6 * 0.95 - 0.6**2),
        ("star", 5 * 0.4 * math.sin(math.pi / 5)),
    ],
)
def test_shapes_have_their_areas(shape: str, area: float) -> None:
    """The area inside an outline is the exact one, and the shape lies inside the unit circle."""
    axis = torch.linspace(-1.2, 1.2, 1201)
    inside = SHAPES[shape](axis.expand(1201, 1201), axis.unsqueeze(1).expand(1201, 1201)) < 0
    assert inside.sum().item() * 0.002**2 == pytest.approx(area, rel=0.01)
    assert (axis.square() + axis.square().unsqueeze(1))[inside].max() <= 1.001


def test_shapes_are_balanced_and_inside() -> None:
    """Classes are balanced; without noise no shape touches the frame; another seed gives other images."""
    images = shapes(n=60, noise=0)
    assert images.y.bincount().tolist() == [10] * 6
    frame = torch.ones(28, 28, dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    assert images.x[..., frame].max() <= 0.5
    assert not torch.equal(images.x, shapes(n=60, noise=0, seed=1).x)


def test_residual_starts_near_the_identity() -> None:
    """A new block adds less than it passes through, without normalization."""
    torch.manual_seed(0)
    block = ResidualAutoencoder((1, 28, 28)).encoder[1]
    x = torch.randn(8, 16, 14, 14)
    assert (block(x) - x).std() < 0.5 * x.std()


@pytest.mark.parametrize(
    "make",
    [
        lambda: ResidualAutoencoder((1, 7, 28)),
        lambda: ResidualAutoencoder((1, 28, 28), channels=()),
        lambda: ResidualAutoencoder((1, 28, 28), embedding_dim=0),
        lambda: DKM(3, 2, weight=-1),
        lambda: DKM(3, 2, alpha=0),
        lambda: DKM(3, 2, steps=0),
        lambda: RandomElastic(points=1),
        lambda: RandomElastic(reach=2),
        lambda: shapes(n=5),
        lambda: shapes(size=7),
        lambda: shapes(noise=2),
        lambda: shapes(seed=-1),
    ],
)
def test_values_out_of_range_are_refused(make) -> None:
    """They raise ValueError, as the contract requires."""
    with pytest.raises(ValueError, match="must"):
        make()
