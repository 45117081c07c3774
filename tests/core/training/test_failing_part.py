"""Finding the part that raised an exception."""

from collections.abc import Iterator

import pytest
import torch
from torch import Generator, Tensor, nn

from decda.core.contracts import Autoencoder
from decda.core.training.failing_part import failing_part, first_cause
from decda.core.training.model import Model
from decda.plugins.heads.idec import IDEC
from tests.conftest import batch_of


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("no")


class Encoder(Autoencoder):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.embedding_dim = 2
        self.layer = layer

    def encode(self, x: Tensor) -> Tensor:
        return self.layer(x).flatten(1)

    def decode(self, z: Tensor) -> Tensor:
        return self.layer(z)


class Augment:
    def sample(self, n: int, generator: Generator) -> Tensor:
        raise RuntimeError("no")

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return x


ENCODER, HEAD, AUGMENT = Encoder(Failing()), IDEC(2, 2), Augment()
X = torch.zeros(2, 1, 1, 2)


def test_the_innermost_part_is_blamed() -> None:
    """A decoder that fails within the loss of a head counts as a failure of the encoder."""
    calls = {
        "encoder": [
            lambda: ENCODER.encode(X),
            lambda: HEAD.loss(batch_of(torch.zeros(2, 2), torch.ones(2, 2) / 2, x=X, decode=ENCODER.decode)),
        ],
        "head": [lambda: HEAD.soft_assign(torch.zeros(2, 3))],
        "augment": [lambda: AUGMENT.sample(3, Generator())],
        None: [lambda: torch.zeros(2) @ torch.zeros(3)],
    }
    for kind, each in calls.items():
        for call in each:
            with pytest.raises(RuntimeError) as caught:
                call()
            assert failing_part(caught.value, Model(ENCODER, HEAD, AUGMENT)) == kind


def test_the_first_cause_is_none_of_the_callers() -> None:
    """What the caller was handling already caused nothing that was raised later."""
    callers, first, last = KeyError("the caller's"), ValueError("first"), RuntimeError("last")
    first.__context__, last.__context__ = callers, first
    assert first_cause(last, callers) is first
    assert first_cause(last) is callers


def test_a_generator_hides_no_part() -> None:
    """Python replaces a StopIteration that leaves a generator; the part is found through the cause."""

    class Empty(IDEC):
        def soft_assign(self, z: Tensor) -> Tensor:
            return next(iter(()))

    head = Empty(2, 2)

    def steps() -> Iterator[None]:
        head.soft_assign(torch.zeros(2, 2))
        yield

    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        next(steps())
    assert failing_part(caught.value, Model(ENCODER, head, AUGMENT)) == "head"
