"""A part that asks for more memory than there is, at any point of a run, is told from one that is broken."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from decda.core.config.composition import compose
from decda.core.contracts import Batch, ImageSet
from decda.core.errors import OutOfMemory
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run
from decda.plugins.augmentations.none import NoAugmentation
from decda.plugins.encoders.fc import FcAutoencoder
from decda.plugins.heads.dec import DEC
from tests.conftest import SHORT, Here

PROBE = 4
"""The probe sends that many images; batches of the training are larger."""
wish: Callable[[], object] = lambda: None  # noqa: E731 - replaced by each test


class GreedyEncoder(FcAutoencoder):
    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__(input_shape, embedding_dim=3, hidden=(5,))
        wish()


class ProbedEncoder(FcAutoencoder):
    def __init__(self, input_shape: tuple[int, ...]) -> None:
        super().__init__(input_shape, embedding_dim=3, hidden=(5,))

    def encode(self, x: Tensor) -> Tensor:
        wish()
        return super().encode(x)


class TrainedEncoder(ProbedEncoder):
    def encode(self, x: Tensor) -> Tensor:
        return super().encode(x) if len(x) > PROBE else FcAutoencoder.encode(self, x)


class GreedyHead(DEC):
    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        wish()


class StartedHead(DEC):
    def init_centers(self, z: Tensor, labels: Tensor) -> None:
        if len(z) > 1000:
            wish()
        super().init_centers(z, labels)


class ProbedHead(DEC):
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        wish()
        return super().loss(batch)


class TrainedHead(DEC):
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        if len(batch.z) > PROBE:
            wish()
        return super().loss(batch)


class GreedyAugmentation(NoAugmentation):
    def __init__(self) -> None:
        wish()


class ProbedAugmentation(NoAugmentation):
    def apply(self, x: Tensor, draws: Tensor) -> Tensor:
        wish()
        return super().apply(x, draws)


def greedy_images() -> ImageSet:
    """Images that do not fit."""
    wish()
    return ImageSet(torch.rand(9, 1, 8, 8))


@pytest.mark.parametrize(
    "allocate",
    [
        lambda: torch.ones(2**40),
        lambda: torch.ones(2**62),
        lambda: np.ones(2**40),
        lambda: np.empty(2**62),
        lambda: bytearray(2**42),
    ],
    ids=["torch", "torch-overflow", "numpy", "numpy-overflow", "bytearray"],
)
@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("dataset", greedy_images),
        ("encoder", GreedyEncoder),
        ("encoder", ProbedEncoder),
        ("encoder", TrainedEncoder),
        ("head", GreedyHead),
        ("head", ProbedHead),
        ("head", StartedHead),
        ("head", TrainedHead),
        ("augment", GreedyAugmentation),
        ("augment", ProbedAugmentation),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_part_that_asks_for_too_much(
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    part: Any,
    allocate: Callable[[], object],
) -> None:
    """Terabytes in a data set, while a part is built, in the probe or in training are out of memory, exit code 1."""
    monkeypatch.setattr(f"{__name__}.wish", allocate)
    own = Registry(registry)
    own.add(kind, "mine", part)
    settings = SHORT if kind != "dataset" else SHORT[1:]
    config = compose(own, parts={"encoder": "fc", kind: "mine"}, settings=settings, n_clusters=3)
    with pytest.raises(OutOfMemory, match="^Out of memory") as caught:
        run(config, own, Files(offline=True), out=tmp_path / "run")
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def test_the_program_says_so(tmp_path: Path, here: Here) -> None:
    """The command line ends with exit code 1 and one message, without a traceback."""
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "from decda.plugins.encoders.fc import FcAutoencoder\n"
        "class Mine(FcAutoencoder):\n"
        "    def encode(self, x):\n"
        "        return super().encode(x) + torch.ones(2**40).sum()\n"
        "def register(registry): registry.add('encoder', 'mine', Mine)\n"
    )
    code, out, err = here("train", "--load", "mine.py", "--encoder", "mine")
    assert (code, out) == (1, "")
    assert "Out of memory: encoder 'mine' (local) ran out of memory on a first batch" in " ".join(err.split())
    assert "Traceback" not in err
