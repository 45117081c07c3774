"""The DCN head, with frozen and refreshed centers."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from decda.core.functional import cluster_means
from decda.plugins.heads.dcn import DCN
from tests.conftest import batch_of

Array = NDArray[np.float64]
Rule = Literal["frozen", "refreshed"]
RULES: list[Rule] = ["frozen", "refreshed"]
RNG = np.random.default_rng(2)
CENTERS = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 1.0], [90.0, 90.0, 90.0], [-1.0, 2.0, 0.0]])
"""The third one is so far away that its cluster is empty."""
CLEAN = RNG.normal(0, 1.5, (12, 3))
AUGMENTED = CLEAN + RNG.normal(0, 0.5, (12, 3))


def head(rule: Rule | None = None) -> DCN:
    made = (DCN(4, 3) if rule is None else DCN(4, 3, centers=rule)).double()
    made.centers.copy_(torch.from_numpy(CENTERS))
    return made


def nearest(z: Array, centers: Array) -> list[int]:
    return [int(np.argmin([sum((point - center) ** 2) for center in centers])) for point in z]


def no_decoder(z: Tensor) -> Tensor:
    raise AssertionError("DCN, as in DEC-DA, has no reconstruction")


@pytest.mark.parametrize("rule", RULES)
def test_assigns_hard(rule: Rule) -> None:
    """Targets are one-hot at the nearest center, before centers are moved, and have no gradient."""
    p = head(rule).refresh(torch.from_numpy(CLEAN).requires_grad_())
    assert not p.requires_grad
    assert p.dtype == torch.float64
    np.testing.assert_array_equal(p.numpy(), np.eye(4)[nearest(CLEAN, CENTERS)])


@pytest.mark.parametrize("rule", [None, "frozen"])
def test_frozen(rule: Rule | None) -> None:
    """By default, centers are frozen and never move."""
    dcn = head(rule)
    for _ in range(3):
        dcn.refresh(torch.from_numpy(CLEAN))
    np.testing.assert_array_equal(dcn.centers.numpy(), CENTERS)


def test_refreshed() -> None:
    """Refreshed centers move to the means of their clean embeddings, in place; empty ones stay."""
    dcn, centers = head("refreshed"), CENTERS.copy()
    place = dcn.centers.data_ptr()
    for turn in range(3):
        z = CLEAN + turn  # the network has moved
        owners = nearest(z, centers)
        p = dcn.refresh(torch.from_numpy(z))
        np.testing.assert_array_equal(p.numpy(), np.eye(4)[owners])
        for j in range(4):
            own = [z[i] for i in range(12) if owners[i] == j]
            if own:
                centers[j] = sum(own) / len(own)
        np.testing.assert_allclose(dcn.centers.numpy(), centers, rtol=1e-12)
    assert dcn.centers.data_ptr() == place
    np.testing.assert_array_equal(dcn.centers.numpy()[2], CENTERS[2])


@pytest.mark.parametrize("rule", RULES)
def test_loss(rule: Rule) -> None:
    """The loss is the mean squared distance of augmented embeddings to the center of the clean image."""
    dcn = head(rule)
    p = dcn.refresh(torch.from_numpy(CLEAN))
    batch = [3, 4, 5, 6, 7]
    terms = dcn.loss(
        batch_of(torch.from_numpy(AUGMENTED[batch]), p[batch], x=torch.rand(5, 1, 8, 8), decode=no_decoder)
    )
    owners = nearest(CLEAN, CENTERS)
    assert any(a != b for a, b in zip(nearest(AUGMENTED[batch], CENTERS), np.array(owners)[batch], strict=True))
    total = sum(((AUGMENTED[i] - dcn.centers.numpy()[owners[i]]) ** 2).sum() for i in batch)
    assert list(terms) == ["kmeans"]
    assert terms["kmeans"].item() == pytest.approx(total / (5 * 3), rel=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_gradient(rule: Rule) -> None:
    """The gradient reaches the embeddings but not the centers, which are saved without being parameters."""
    dcn, z = head(rule), torch.from_numpy(AUGMENTED).requires_grad_()
    p = dcn.refresh(torch.from_numpy(CLEAN).requires_grad_())
    dcn.loss(batch_of(z, p, x=torch.rand(12, 1, 8, 8), decode=no_decoder))["kmeans"].backward()
    assert z.grad is not None
    expected = 2 * (AUGMENTED - p.numpy() @ dcn.centers.numpy()) / (12 * 3)
    np.testing.assert_allclose(z.grad.numpy(), expected, rtol=1e-12)
    assert not dcn.centers.requires_grad
    assert list(dcn.parameters()) == []
    assert list(dcn.state_dict()) == ["centers"]


@pytest.mark.parametrize("rule", RULES)
def test_soft_assign(rule: Rule) -> None:
    """Soft assignments, used as confidences, are Student's t, and largest for the nearest center."""
    z = RNG.normal(0, 2, (20, 3))
    q = np.array([[1 / (1 + ((point - center) ** 2).sum()) for center in CENTERS] for point in z])
    fast = head(rule).soft_assign(torch.from_numpy(z)).numpy()
    np.testing.assert_allclose(fast, q / q.sum(1)[:, None], rtol=1e-12)
    assert fast.argmax(1).tolist() == nearest(z, CENTERS)


@pytest.mark.parametrize("rule", RULES)
def test_init_centers(rule: Rule) -> None:
    """Centers are placed at the means of the clusters, in place."""
    dcn, z = head(rule), torch.from_numpy(CLEAN)
    place = dcn.centers.data_ptr()
    dcn.init_centers(z, torch.arange(len(z)) % 4)
    assert torch.equal(dcn.centers, cluster_means(z, torch.arange(len(z)) % 4, 4))
    assert dcn.centers.data_ptr() == place


class _Products(TorchDispatchMode):
    """Records matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(word in str(function) for word in (".mm", "addmm", "bmm", "matmul")):
            self.seen.append(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("rule", RULES)
def test_tf32_cannot_round_centers(rule: Rule) -> None:
    """Centers are indexed and averaged, never multiplied by one-hot rows, because tf32 would round a product."""
    dcn = head(rule)
    with _Products() as products:
        p = dcn.refresh(torch.from_numpy(CLEAN))
        dcn.loss(batch_of(torch.from_numpy(AUGMENTED), p, x=torch.rand(12, 1, 8, 8), decode=no_decoder))
        torch.ones(2, 2) @ torch.ones(2, 2)
    assert products.seen == ["aten.mm.default"]  # the one above, which shows that products are recorded
