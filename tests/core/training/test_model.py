"""The model: embeddings and soft assignments in batches of limited size."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from decda.core.contracts import Autoencoder
from decda.core.training import model as model_module
from decda.core.training.model import Model, embedding_batch
from decda.plugins.augmentations.none import NoAugmentation
from decda.plugins.encoders.fc import FcAutoencoder
from decda.plugins.heads.dec import DEC
from decda.testing.partners import LinearAutoencoder

CPU = torch.device("cpu")


class Noting(LinearAutoencoder):
    """Records the sizes of its batches and its mode."""

    seen: ClassVar[list[tuple[int, bool]]] = []

    def encode(self, x: Tensor) -> Tensor:
        Noting.seen.append((len(x), self.training))
        return super().encode(x)


def make(autoencoder: Autoencoder | None = None) -> Model:
    torch.manual_seed(0)
    head = DEC(3, 4)
    with torch.no_grad():
        head.centers.copy_(torch.randn(3, 4))
    return Model(autoencoder or LinearAutoencoder((1, 4, 4), 4), head, NoAugmentation())


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 8, 8), 1024), ((1, 28, 28), 1024), ((3, 64, 64), 256), ((3, 512, 512), 4), ((1, 9999, 9999), 1)],
)
def test_batches_follow_the_size_of_the_image(shape: tuple[int, ...], size: int) -> None:
    """The larger the images, the fewer are in a batch, so that activations take about 256 MB."""
    assert embedding_batch(shape, CPU) == size


def test_embedding_in_batches_equals_embedding_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batching does not change embeddings; images are embedded in eval mode, uint8 and floats alike."""
    model = make(Noting((1, 4, 4), 4))
    x = torch.randint(0, 256, (50, 1, 4, 4), dtype=torch.uint8)
    whole = model.embed(x)
    Noting.seen.clear()
    monkeypatch.setattr(model_module, "MAX_BATCH", {"cpu": 16})
    model.train(True)
    assert torch.allclose(model.embed(x), whole)
    assert Noting.seen == [(16, False)] * 3 + [(2, False)]
    assert torch.equal(model.embed(x.float() / 255), model.embed(x))
    assert not whole.requires_grad


def test_soft_assignments_are_those_of_the_head() -> None:
    """Soft assignments are computed by the head from the embeddings, and carry no gradient."""
    model = make()
    x = torch.rand(20, 1, 4, 4)
    q = model.soft_assign(x)
    assert torch.equal(q, model.head.soft_assign(model.embed(x)).detach())
    assert not q.requires_grad


def test_bfloat16_is_used_within_the_autoencoder_alone() -> None:
    """With bfloat16, embeddings and reconstructions are returned as float32, but with rounded values."""
    plain = make()
    rounded = Model(plain.autoencoder, plain.head, plain.augment, "bfloat16")
    x = torch.rand(5, 1, 4, 4)
    assert rounded.encode(x).dtype == rounded.decode(plain.embed(x)).dtype == torch.float32
    assert not torch.equal(rounded.embed(x), plain.embed(x))
    assert torch.allclose(rounded.embed(x), plain.embed(x), atol=0.05)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux, which tells the memory of a process")
def test_embedding_many_images_needs_the_memory_of_a_few() -> None:
    """Embedding reuses the memory of its batches: it does not grow with the number of images."""

    def resident() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))

    encoder, head = FcAutoencoder((3, 64, 64), hidden=(8,)), DEC(3, 10)
    model = Model(encoder, head, NoAugmentation())
    x = torch.zeros(1, 3, 64, 64, dtype=torch.uint8).expand(20_000, -1, -1, -1)
    before = resident()
    assert model.embed(x).shape == (20_000, 10)
    assert resident() - before < 400_000  # KiB; the floats of all images are 940,000
