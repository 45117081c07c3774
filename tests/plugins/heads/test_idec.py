"""The IDEC head."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from decda.core.functional import cluster_means
from decda.plugins.heads.idec import IDEC
from tests.conftest import batch_of

Array = NDArray[np.float64]
RNG = np.random.default_rng(1)
CENTERS = RNG.normal(0, 1, (3, 2))
CLEAN = RNG.normal(0, 1, (8, 2))
AUGMENTED = CLEAN + RNG.normal(0, 0.3, (8, 2))
IMAGES = RNG.random((3, 2, 4, 5))
"""The augmented images of the batch."""
DECODER = RNG.normal(0, 1, (2, 2 * 4 * 5))
BATCH = [2, 3, 4]


def head(**parameters: float) -> IDEC:
    made = IDEC(3, 2, **parameters).double()
    with torch.no_grad():
        made.centers.copy_(torch.from_numpy(CENTERS))
    return made


def decode(z: Tensor) -> Tensor:
    return (z @ torch.from_numpy(DECODER)).view(-1, 2, 4, 5)


def slow_q(z: Array) -> Array:
    q = np.array([[1 / (1 + ((point - center) ** 2).sum()) for center in CENTERS] for point in z])
    return q / q.sum(1)[:, None]


def slow_p(q: Array) -> Array:
    p = np.array([[row[j] ** 2 / q[:, j].sum() for j in range(len(row))] for row in q])
    return p / p.sum(1)[:, None]


@pytest.mark.parametrize(("parameters", "gamma"), [({}, 0.1), ({"gamma": 2.5}, 2.5), ({"gamma": 0.0}, 0.0)])
def test_loss(parameters: dict[str, float], gamma: float) -> None:
    """The loss is the mean squared error of reconstructed augmented images, plus gamma (by default .1) times KL."""
    idec = head(**parameters)
    p = idec.refresh(torch.from_numpy(CLEAN))[BATCH]
    terms = idec.loss(batch_of(torch.from_numpy(AUGMENTED[BATCH]), p, x=torch.from_numpy(IMAGES), decode=decode))
    total = 0.0
    for z, image in zip(AUGMENTED[BATCH], IMAGES, strict=True):
        for pixel, wanted in zip(z @ DECODER, image.ravel(), strict=True):
            total += (pixel - wanted) ** 2
    slow_target, q = slow_p(slow_q(CLEAN))[BATCH], slow_q(AUGMENTED[BATCH])
    assert {name: term.item() for name, term in terms.items()} == pytest.approx(
        {
            "reconstruction": total / (3 * 2 * 4 * 5),
            "kl": gamma * (slow_target * np.log(slow_target / q)).sum() / 3,
        },
        rel=1e-12,
    )


def test_targets_use_the_whole_set() -> None:
    """Targets are q sharpened over the whole set, not over a batch; they have no gradient, and centers stay."""
    idec, z = head(), torch.from_numpy(CLEAN).requires_grad_()
    p = idec.refresh(z)
    assert not p.requires_grad
    np.testing.assert_allclose(p.numpy(), slow_p(slow_q(CLEAN)), rtol=1e-12)
    assert not np.allclose(p.numpy()[BATCH], idec.refresh(z[BATCH]).numpy())
    np.testing.assert_array_equal(idec.centers.detach().numpy(), CENTERS)
    np.testing.assert_allclose(idec.soft_assign(z).detach().numpy(), slow_q(CLEAN), rtol=1e-12)


def test_gradient() -> None:
    """Centers get a gradient from KL alone, embeddings from both terms, and the decoder from reconstruction."""
    idec, z = head(), torch.from_numpy(AUGMENTED[BATCH]).requires_grad_()
    matrix = torch.from_numpy(DECODER).requires_grad_()
    p = idec.refresh(torch.from_numpy(CLEAN))[BATCH]
    terms = idec.loss(batch_of(z, p, x=torch.from_numpy(IMAGES), decode=lambda z: (z @ matrix).view(-1, 2, 4, 5)))
    of_both = torch.autograd.grad(
        terms["reconstruction"], [z, matrix, idec.centers], retain_graph=True, allow_unused=True
    )
    assert of_both[0].abs().min() > 0
    assert of_both[1].abs().min() > 0
    assert of_both[2] is None
    of_kl = torch.autograd.grad(terms["kl"], [z, idec.centers])
    q = slow_q(AUGMENTED[BATCH])
    of_centers = np.zeros((3, 2))
    for i in range(3):
        for j in range(3):
            apart = AUGMENTED[BATCH][i] - CENTERS[j]
            of_centers[j] -= 0.1 * 2 * (p.numpy()[i, j] - q[i, j]) / (1 + (apart**2).sum()) * apart / 3
    np.testing.assert_allclose(of_kl[1].numpy(), of_centers, rtol=1e-9)
    assert of_kl[0].abs().min() > 0


def test_centers_are_trained() -> None:
    """The centers are the only parameter of the head, and are placed at the means of the clusters in place."""
    idec, z = head(), torch.from_numpy(CLEAN)
    assert [name for name, _ in idec.named_parameters()] == ["centers"]
    assert isinstance(idec.centers, nn.Parameter)
    place = idec.centers.data_ptr()
    idec.init_centers(z, torch.arange(len(z)) % 3)
    assert torch.equal(idec.centers.detach(), cluster_means(z, torch.arange(len(z)) % 3, 3))
    assert idec.centers.data_ptr() == place
    assert idec.centers.requires_grad


def test_gamma_out_of_range() -> None:
    """A negative weight of the clustering term is refused."""
    with pytest.raises(ValueError, match="gamma must not be negative"):
        IDEC(3, 2, gamma=-0.1)
