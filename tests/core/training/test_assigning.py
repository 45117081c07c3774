"""Labels and confidences without the soft assignments of the whole set."""

import pytest
import torch
from torch import Tensor

from decda.core.training import assigning
from decda.core.training.assigning import assign
from decda.testing.partners import PlainHead


def head() -> PlainHead:
    """Three clusters in the plane."""
    made = PlainHead(3, 2)
    with torch.no_grad():
        made.centers.copy_(torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]]))
    return made


def test_parts_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels and confidences are those of all soft assignments at once, and have no gradient."""
    z = 3 * torch.randn(100, 2, generator=torch.Generator().manual_seed(0))
    q = head().soft_assign(z).detach()
    sizes = []

    class Watched(PlainHead):
        def soft_assign(self, z: Tensor) -> Tensor:
            sizes.append(len(z))
            return super().soft_assign(z)

    watched = Watched(3, 2)
    watched.load_state_dict(head().state_dict())
    monkeypatch.setattr(assigning, "NUMBERS", 100)
    labels, confidence = assign(watched, z)
    assert sizes == [33, 33, 33, 1]
    assert torch.equal(labels, q.argmax(1))
    assert torch.equal(confidence, q.max(1).values)
    assert not confidence.requires_grad


def test_what_is_not_finite_shows() -> None:
    """The confidence of an embedding is not finite where a soft assignment is not."""
    z = torch.tensor([[0.0, 0.0], [torch.nan, 0.0]])
    assert assign(head(), z)[1].isfinite().tolist() == [True, False]
