"""The DEC head."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from decda.core.functional import cluster_means
from decda.plugins.heads.dec import DEC
from tests.conftest import batch_of

Array = NDArray[np.float64]
RNG = np.random.default_rng(0)
CENTERS = RNG.normal(0, 1, (3, 2))
CLEAN = RNG.normal(0, 1, (8, 2))
AUGMENTED = CLEAN + RNG.normal(0, 0.3, (8, 2))
BATCH = [2, 3, 4]


def head() -> DEC:
    made = DEC(3, 2).double()
    with torch.no_grad():
        made.centers.copy_(torch.from_numpy(CENTERS))
    return made


def slow_q(z: Array) -> Array:
    q = np.array([[1 / (1 + ((point - center) ** 2).sum()) for center in CENTERS] for point in z])
    return q / q.sum(1)[:, None]


def slow_p(q: Array) -> Array:
    p = np.array([[row[j] ** 2 / q[:, j].sum() for j in range(len(row))] for row in q])
    return p / p.sum(1)[:, None]


def no_decoder(z: Tensor) -> Tensor:
    raise AssertionError("DEC has no reconstruction")


def test_soft_assign() -> None:
    """Soft assignments are Student's t."""
    np.testing.assert_allclose(head().soft_assign(torch.from_numpy(CLEAN)).detach().numpy(), slow_q(CLEAN), rtol=1e-12)


def test_targets_use_the_whole_set() -> None:
    """Targets are q sharpened over the whole set, not over a batch; they have no gradient, and centers stay."""
    dec, z = head(), torch.from_numpy(CLEAN).requires_grad_()
    p = dec.refresh(z)
    assert not p.requires_grad
    np.testing.assert_allclose(p.numpy(), slow_p(slow_q(CLEAN)), rtol=1e-12)
    assert not np.allclose(p.numpy()[BATCH], dec.refresh(z[BATCH]).numpy())
    np.testing.assert_array_equal(dec.centers.detach().numpy(), CENTERS)


def test_loss() -> None:
    """The loss is KL(p || q) alone, with p of the clean set and q of the augmented batch."""
    dec = head()
    p = dec.refresh(torch.from_numpy(CLEAN))[BATCH]
    terms = dec.loss(batch_of(torch.from_numpy(AUGMENTED[BATCH]), p, x=torch.rand(3, 1, 8, 8), decode=no_decoder))
    slow_target, q = slow_p(slow_q(CLEAN))[BATCH], slow_q(AUGMENTED[BATCH])
    assert list(terms) == ["kl"]
    assert terms["kl"].item() == pytest.approx((slow_target * np.log(slow_target / q)).sum() / len(BATCH), rel=1e-12)


def test_gradient() -> None:
    """The gradients of embeddings and centers are DEC's equations 4 and 5, averaged over the batch."""
    dec, z = head(), torch.from_numpy(AUGMENTED).requires_grad_()
    p = dec.refresh(torch.from_numpy(CLEAN))
    dec.loss(batch_of(z, p, x=torch.rand(8, 1, 8, 8), decode=no_decoder))["kl"].backward()
    q = slow_q(AUGMENTED)
    of_z, of_centers = np.zeros((8, 2)), np.zeros((3, 2))
    for i in range(8):
        for j in range(3):
            apart = AUGMENTED[i] - CENTERS[j]
            pull = 2 * (p.numpy()[i, j] - q[i, j]) / (1 + (apart**2).sum()) * apart / 8
            of_z[i] += pull
            of_centers[j] -= pull
    assert z.grad is not None
    assert dec.centers.grad is not None
    np.testing.assert_allclose(z.grad.numpy(), of_z, rtol=1e-9)
    np.testing.assert_allclose(dec.centers.grad.numpy(), of_centers, rtol=1e-9)


def test_centers_are_trained() -> None:
    """The centers are the only parameter of the head."""
    assert [name for name, _ in head().named_parameters()] == ["centers"]
    assert isinstance(DEC(4, 5).centers, nn.Parameter)
    assert DEC(4, 5).centers.shape == (4, 5)


def test_init_centers() -> None:
    """Centers are placed at the means of the clusters, in place and without recording gradients."""
    dec, z = head(), torch.from_numpy(CLEAN)
    place = dec.centers.data_ptr()
    dec.init_centers(z, torch.arange(len(z)) % 3)
    assert torch.equal(dec.centers.detach(), cluster_means(z, torch.arange(len(z)) % 3, 3))
    assert dec.centers.data_ptr() == place
    assert dec.centers.requires_grad
    assert dec.centers.is_leaf
