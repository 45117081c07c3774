"""Parts that several processes cannot share are found before they are trained."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from decda.core.contracts import Batch
from decda.core.errors import ConfigError
from decda.core.training.shared_probe import probe_portions
from decda.plugins.encoders.conv import ConvAutoencoder
from decda.plugins.encoders.fc import FcAutoencoder
from decda.plugins.heads.dcn import DCN
from decda.plugins.heads.dec import DEC
from decda.plugins.heads.idec import IDEC

SHAPE = (1, 8, 8)
OWNERS = {"encoder": "encoder 'e' (p 1)", "head": "head 'h' (p 1)"}


class Normed(FcAutoencoder):
    """An autoencoder with batch normalization of its images, or of its embeddings."""

    def __init__(self, where: str) -> None:
        super().__init__(SHAPE, hidden=(5,), embedding_dim=3)
        self.of_images = nn.BatchNorm2d(1) if where == "images" else nn.Identity()
        self.of_embeddings = nn.BatchNorm1d(3) if where == "embeddings" else nn.Identity()

    def encode(self, x: Tensor) -> Tensor:
        return self.of_embeddings(super().encode(self.of_images(x)))  # type: ignore[no-any-return]


class Summed(DEC):
    """A head whose loss grows with the batch."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of DEC, and a sum."""
        return {**super().loss(batch), "far": batch.z.square().sum()}


def check(autoencoder: Any = None, head: Any = None, n: int = 4) -> None:
    autoencoder = autoencoder or FcAutoencoder(SHAPE, hidden=(5,), embedding_dim=3)
    probe_portions(autoencoder, head or DEC(2, 3), torch.rand(n, *SHAPE), OWNERS, 0)


@pytest.mark.parametrize("encoder", [FcAutoencoder, ConvAutoencoder])
@pytest.mark.parametrize("head", [DEC, IDEC, DCN])
def test_our_own_parts_can_be_shared(encoder: Any, head: Any) -> None:
    """They pass, and do not change; of a single image nothing can be found out."""
    parts = encoder(SHAPE, embedding_dim=3), head(2, 3)
    before = [tensor.clone() for part in parts for tensor in part.state_dict().values()]
    check(*parts)
    check(*parts, n=1)
    after = [tensor for part in parts for tensor in part.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"autoencoder": Normed("images")}, "the encoder 'e' (p 1) makes an embedding depend on the other images"),
        ({"autoencoder": Normed("embeddings")}, "the encoder 'e' (p 1) fails on a single image (ValueError: Expected"),
        ({"head": Summed(2, 3)}, "the head 'h' (p 1) has a loss whose term 'far' is no mean over images"),
    ],
)
def test_what_depends_on_the_batch_is_refused(parts: dict[str, Any], told: str) -> None:
    """The error names the part and why, and what to do."""
    with pytest.raises(ConfigError, match="Start it without torchrun") as caught:
        check(**parts)
    assert told in str(caught.value)
