"""How the start and the head meet."""

import pytest
import torch
from torch import Tensor

from decda.core.contracts import Views
from decda.core.errors import ContractViolation
from decda.core.functional import cluster_means, kmeans
from decda.core.training.starting import place_centers, require_labels, takes_seed
from decda.plugins.heads.dec import DEC

Z = torch.tensor([[0.0, 0.0], [0.2, 0.0], [5.0, 5.0], [5.2, 5.0], [9.0, 0.0]])
LABELS = torch.tensor([2, 2, 0, 0, 1])


class Old(DEC):
    """A head of version 2 of the contract."""

    def init_centers(self, z: Tensor, seed: int) -> None:  # type: ignore[override]
        self.centers.data.copy_(kmeans(z, len(self.centers), seed))


def refuse(z: Tensor, n_clusters: int, seed: int, views: Views, /) -> Tensor:
    raise AssertionError("it must not be called")


def test_a_head_places_its_centers_by_the_labels_of_the_start() -> None:
    """The start gets embeddings, number of clusters and seed; the head gets what it returned."""
    got = []

    def start(z: Tensor, n_clusters: int, seed: int, views: Views, /) -> Tensor:
        got.append((z, n_clusters, seed, list(views(3))))
        return LABELS

    head = DEC(3, 2)
    labels = place_centers(head, Z, start, 7)
    assert labels is LABELS
    assert got == [(Z, 3, 7, [])]
    assert torch.allclose(head.centers, torch.tensor([[5.1, 5.0], [9.0, 0.0], [0.1, 0.0]]))


def test_a_head_of_version_2_places_them_itself() -> None:
    """It gets the seed, and no start is asked."""
    head = Old(3, 2)
    assert takes_seed(head)
    assert not takes_seed(DEC(3, 2))
    assert place_centers(head, Z, refuse, 7) is None
    assert torch.equal(head.centers.detach(), kmeans(Z, 3, 7))


@pytest.mark.parametrize(
    ("labels", "seen"),
    [
        (torch.tensor([0, 1, 0, 1, 0], dtype=torch.int32), "torch.int32 of shape (5,)"),
        (torch.zeros(4, dtype=torch.int64), "torch.int64 of shape (4,)"),
        ([0, 1, 0, 1, 0], "list"),
        (torch.tensor([0, 1, 2, 3, 0]), "labels from 0 to 3; of 3 clusters they must be 0 to 2"),
        (torch.tensor([0, -1, 2, 1, 0]), "labels from -1 to 2"),
    ],
)
def test_labels_of_a_wrong_form_are_refused(labels: object, seen: str) -> None:
    """The error names the start, and says what it returned."""
    with pytest.raises(ContractViolation) as caught:
        require_labels(labels, 5, 3, "start 'mine'")
    assert str(caught.value).startswith("start 'mine' ")
    assert seen in str(caught.value)
    with pytest.raises(ContractViolation):
        place_centers(DEC(3, 2), Z, lambda z, n_clusters, seed, views: labels, 0)  # type: ignore[arg-type, return-value]


def test_an_empty_cluster_takes_the_farthest_embedding() -> None:
    """Each empty cluster gets an embedding of its own, so that no two centers coincide."""
    means = cluster_means(Z, torch.zeros(5, dtype=torch.int64), 3)
    mean = Z.double().mean(0).float()
    order = (Z - mean).square().sum(1).sort(descending=True).indices
    assert torch.allclose(means[0], mean)
    assert torch.equal(means[1:], Z[order[:2]])


def test_means_are_added_up_in_float64() -> None:
    """A million embeddings far from zero have a mean that float32 sums would miss."""
    z = torch.full((300_000, 1), 1000.1)
    assert cluster_means(z, torch.zeros(300_000, dtype=torch.int64), 1).item() == z[0].item()
