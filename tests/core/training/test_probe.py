"""The probe sends a first batch through copies of the parts."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from decda.core.contracts import Autoencoder
from decda.core.errors import ContractViolation
from decda.core.training.probe import probe
from decda.plugins.augmentations.shift import RandomShift
from decda.plugins.encoders.fc import FcAutoencoder
from decda.plugins.heads.dcn import DCN
from decda.plugins.heads.dec import DEC

SHAPE = (1, 4, 4)
OWNERS = {"encoder": "encoder 'e' (p 1)", "head": "head 'h' (p 1)", "augment": "augment 'a' (p 1)"}


def encoder() -> FcAutoencoder:
    return FcAutoencoder(SHAPE, hidden=(5,), embedding_dim=3)


def check(autoencoder: Any = None, head: Any = None, augment: Any = None, n: int = 4) -> None:
    probe(autoencoder or encoder(), head or DEC(2, 3), augment or RandomShift(), torch.rand(n, *SHAPE), OWNERS, 0)


@pytest.mark.parametrize("n", [1, 4])
def test_sound_parts_pass_unchanged(n: int) -> None:
    """The probe does not change running means, centers or counters of the parts."""

    class Normed(FcAutoencoder):
        def __init__(self) -> None:
            super().__init__(SHAPE, embedding_dim=3, hidden=(5,))
            self.norm = nn.BatchNorm2d(1)

        def encode(self, x: Tensor) -> Tensor:
            return super().encode(self.norm(x))

    parts = Normed(), DCN(2, 3, centers="refreshed")
    before = [tensor.clone() for part in parts for tensor in part.state_dict().values()]
    check(*parts, n=n)
    after = [tensor for part in parts for tensor in part.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def broken(part: Any, method: str, result: Any) -> Any:
    setattr(part, method, result)
    return part


@pytest.mark.parametrize(
    ("method", "result", "pattern"),
    [
        ("sample", lambda n, g: torch.rand(n), r"sample must return float32 of shape \(4, any\), not .* \(4,\)"),
        ("sample", lambda n, g: None, "sample must return a tensor"),
        ("sample", lambda n: None, "sample failed on a first batch: TypeError"),
        ("apply", lambda x, p: x[:1], r"apply must return float32 of shape \(4, 1, 4, 4\), not .* \(1, 1, 4, 4\)"),
        ("apply", lambda x, p: x.double(), "float64"),
        ("apply", lambda x, p: x / 0, "not finite"),
        ("apply", lambda x, p: x.mul_(2), "in place"),
    ],
)
def test_augmentations_that_break_their_contract(method: str, result: Any, pattern: str) -> None:
    """Augmentations are checked for shapes, dtypes and finite values, and must not modify images in place."""
    with pytest.raises(ContractViolation, match=rf"augment 'a' \(p 1\): .*{pattern}"):
        check(augment=broken(RandomShift(), method, result))


class ExtraState(DEC):
    def get_extra_state(self) -> dict[str, int]:
        return {"refreshes": 1}

    def set_extra_state(self, state: dict[str, int]) -> None:
        pass


def test_a_state_that_cannot_be_saved_is_refused() -> None:
    """A state_dict with anything but tensors is refused before training, because it could not be saved afterwards."""
    with pytest.raises(ContractViolation, match=r"head 'h' \(p 1\): '_extra_state' in its state_dict is not a tensor"):
        check(head=ExtraState(2, 3))


class Frozen(Autoencoder):
    embedding_dim = 3

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :3]

    def decode(self, z: Tensor) -> Tensor:
        return z.new_zeros(len(z), *SHAPE)


@pytest.mark.parametrize(
    ("part", "pattern"),
    [
        (broken(encoder(), "encode", lambda x: x), r"encode must return float32 of shape \(4, 3\)"),
        (broken(encoder(), "encode", lambda x: (x,)), "not tuple"),
        (broken(encoder(), "decode", lambda z: z), r"decode must return float32 of shape \(4, 1, 4, 4\)"),
        (Frozen(), "no weights"),
    ],
)
def test_encoders_that_break_their_contract(part: Any, pattern: str) -> None:
    """Encoders are checked for the shapes of embeddings and reconstructions, and must have weights."""
    with pytest.raises(ContractViolation, match=rf"encoder 'e' \(p 1\): .*{pattern}"):
        check(autoencoder=part)


@pytest.mark.parametrize(
    ("method", "result", "pattern"),
    [
        ("init_centers", lambda z: None, "init_centers failed"),
        ("soft_assign", lambda z: torch.ones(len(z), 2), "must sum to 1; the first sums to 2"),
        ("soft_assign", lambda z: torch.ones(len(z)), "soft_assign must return"),
        ("refresh", lambda z: torch.ones(2), "refresh must return"),
        ("refresh", lambda z: torch.ones(len(z), 2, requires_grad=True), "not require a gradient"),
        ("loss", lambda *a, **k: {}, "at least one"),
        ("loss", lambda *a, **k: torch.ones(()), "dict with at least one scalar"),
        ("loss", lambda *a, **k: {"kl": torch.ones(2)}, "term 'kl' of loss"),
        ("loss", lambda *a, **k: {"kl": torch.ones(())}, "depends on the weights"),
        ("loss", lambda *a, **k: {"kl": torch.tensor(float("nan"))}, "not finite"),
        ("loss", lambda *a, **k: {}["x"], "loss failed on a first batch: KeyError"),
    ],
)
def test_heads_that_break_their_contract(method: str, result: Any, pattern: str) -> None:
    """Heads are checked for shapes, rows that sum to 1, a target without gradient and differentiable loss terms."""
    with pytest.raises(ContractViolation, match=rf"head 'h' \(p 1\): .*{pattern}"):
        check(head=broken(DEC(2, 3), method, result))
