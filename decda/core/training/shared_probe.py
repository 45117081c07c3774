"""Whether several processes can share the training of some parts: what is computed of an image must be its own."""

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor

from decda.core.contracts import Autoencoder, Batch, ClusteringHead
from decda.core.errors import ConfigError, in_a_line
from decda.core.training.probe import random_start

RTOL, ATOL = 1e-3, 1e-5
"""Rounding differs with the size of a batch; a mean over other images differs by more."""


def probe_portions(
    autoencoder: Autoencoder, head: ClusteringHead, x: Tensor, owners: Mapping[str, str], seed: int
) -> None:
    """Require that a batch and its portions are worth the same, as processes that share it need.

    The calls are made on copies of the parts, which are known to fulfil their contracts.

    Args:
        autoencoder: the encoder, on the CPU.
        head: the clustering head, on the CPU.
        x: a few clean images (B, C, H, W), float32 in [0, 1].
        owners: how error messages name the `encoder` and the `head`.
        seed: seed of the random draws made here.

    Raises:
        ConfigError: an embedding depends on the other images of its batch, as with batch normalization, or a term of
            the loss is no mean over images.
    """
    if len(x) < 2:
        return
    autoencoder, head = deepcopy(autoencoder), deepcopy(head)
    portions = (slice(0, 1), slice(1, None))
    z = autoencoder.encode(x)
    whole = z, autoencoder.decode(z)
    try:
        embedded = [autoencoder.encode(x[portion]) for portion in portions]
        parts = torch.cat(embedded), torch.cat([autoencoder.decode(each) for each in embedded])
    except Exception as error:  # batch normalization of vectors refuses a single one
        raise _refusal(owners["encoder"], f"fails on a single image ({in_a_line(error)})") from error
    if not all(_equal(*pair) for pair in zip(whole, parts, strict=True)):
        raise _refusal(owners["encoder"], "makes an embedding depend on the other images of its batch")

    points, by = random_start(head, len(x), seed)
    head.init_centers(points, by)  # type: ignore[arg-type]
    target = head.refresh(points)
    index = torch.arange(len(x))

    def loss(portion: slice) -> Mapping[str, Tensor]:
        return head.loss(
            Batch(
                z=z[portion], target=target[: len(x)][portion], x=x[portion], decode=autoencoder.decode,
                index=index[portion],
            )
        )  # fmt: skip

    once = loss(slice(None))
    apart = [(loss(portion), len(x[portion]) / len(x)) for portion in portions]
    for name, term in once.items():
        mean = sum((terms[name] * share for terms, share in apart), torch.zeros(()))
        if not _equal(term, mean):
            raise _refusal(owners["head"], f"has a loss whose term '{name}' is no mean over images")


def _equal(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a, b, rtol=RTOL, atol=ATOL)


def _refusal(owner: str, why: str) -> ConfigError:
    return ConfigError(f"Several processes cannot share this run: the {owner} {why}. Start it without torchrun.")
