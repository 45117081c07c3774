"""A training whose steps can be compared, however many processes share it: `python -m tests.core.training.shared`."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from decda.core.config.train_config import TrainConfig
from decda.core.events import Event, Refreshed
from decda.core.training import images as images_module
from decda.core.training import model as model_module
from decda.core.training.model import Model
from decda.core.training.peers import Peers
from decda.core.training.process_group import joined
from decda.core.training.trainer import Trainer
from decda.plugins.augmentations.affine import RandomAffine
from decda.plugins.encoders.fc import FcAutoencoder
from decda.plugins.heads.idec import IDEC

N, K = 301, 3
SHAPE = (1, 6, 6)


class Exact(Model):
    """The same in double precision."""

    def encode(self, x: Tensor) -> Tensor:
        return self.autoencoder.encode(x)

    def decode(self, z: Tensor) -> Tensor:
        return self.autoencoder.decode(z)


class Shifts(RandomAffine):
    """Draws in double precision, too."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return super().sample(n, generator).to(torch.get_default_dtype())


def as_double(x: Tensor) -> Tensor:
    return x.double()


def make(dtype: str, peers: Peers, settings: dict[str, Any], events: list[Event]) -> Trainer:
    """A trainer on random images; the last batch of a walk holds 13 images, or one."""
    torch.manual_seed(0)
    model = Model(FcAutoencoder(SHAPE, embedding_dim=4, hidden=(16, 8)), IDEC(K, 4, gamma=0.5), Shifts())
    if dtype == "float64":
        model = Exact(model.autoencoder.double(), model.head.double(), model.augment)
    x = torch.rand(N, *SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float32)
    x = torch.cat([x[:150] * 0.3, x[150:]])
    known = {"pretrain_epochs": 10, "batch_size": 32, "max_iter": 110, "update_interval": 30, "tol": 0.0}
    config = TrainConfig(**{**known, **settings}).resolved(N)
    trainer = Trainer(x, model, config, seed=3, peers=peers, notify=events.append)
    if dtype == "float64":
        trainer.images.x = trainer.images.x.double()  # type: ignore[attr-defined]
        for name in ("target", "confidence"):
            setattr(trainer, name, getattr(trainer, name).double())
    return trainer


def losses(trainer: Trainer) -> Iterator[list[float]]:
    """The loss terms of each step."""
    descend = trainer._descend
    found: list[list[float]] = []

    def note(step: Any, portion: Any) -> None:
        before = None if step.totals is None else step.totals.clone()
        descend(step, portion)
        total = step.totals if before is None else step.totals - before
        found.append((total / portion.total).tolist())

    trainer._descend = note  # type: ignore[method-assign]
    for _ in trainer.steps():
        yield from found
        found.clear()


def story(dtype: str, peers: Peers, settings: dict[str, Any]) -> dict[str, Any]:
    """The losses of all steps, and where they lead."""
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        if dtype == "float64":
            torch.set_default_dtype(torch.float64)
            for module in (images_module, model_module):
                patched.setattr(module, "as_float", as_double)
        try:
            events: list[Event] = []
            trainer = make(dtype, peers, settings, events)
            steps = list(losses(trainer))
        finally:
            torch.set_default_dtype(torch.float32)
    changed = [event.changed for event in events if isinstance(event, Refreshed)]
    return {"losses": steps, "labels": trainer.labels.tolist(), "changed": changed, "held": trainer.images.shape[0]}


def main() -> None:
    """Print the story of this process: `python -m tests.core.training.shared float32 '{"order": "stored"}'`."""
    torch.set_num_threads(1)
    cases = zip(sys.argv[1::2], sys.argv[2::2], strict=True)
    with joined(torch.device("cpu")) as peers:
        told = [story(dtype, peers, json.loads(settings)) for dtype, settings in cases]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
