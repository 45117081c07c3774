"""The promise between decda and the authors of parts: what an encoder, head, augmentation and data set must offer.

Letters as in the papers: N samples, B batch, K clusters, D embedding; x images, z embeddings, q soft assignments,
p target.

A part states what the user may set after the star of its signature, type, default and help on one line::

    def __init__(self, n_clusters, embedding_dim, *, gamma: Annotated[float, "weight of the clustering term"] = 0.1)

Types: bool, int, float, str, pathlib.Path, Literal, tuples of those, and `| None`. Annotations before the star may
be missing; `*args` and `**kwargs` are not allowed. Ranges are checked in `__init__` with ValueError.

What changes while training is a parameter or a buffer, changed in place (`copy_`, `add_`), its shape fixed; every
other attribute is constant after `__init__`. `encode`, `decode`, `soft_assign`, `refresh`, `loss` and `apply` draw
nothing at random and read no tensor's value on the host. Then one step can be captured as a CUDA graph, and several
seeds stacked by `torch.func`. Once built, no part draws from a global generator or reseeds one, and none ever writes to
stdout.

`decda.testing` and `decda check` try a part on all of this.

A class or function, its module, or a package around it may say `decda_api = 1`, the version of this contract; absent
means 1.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn

Decode = Callable[[Tensor], Tensor]
"""Embeddings (B, D) -> images (B, C, H, W)."""


class Autoencoder(nn.Module, ABC):
    """An encoder and its decoder, built as `Autoencoder(input_shape, *, ...)`, input_shape = (C, H, W).

    Attributes:
        embedding_dim: D, a plain attribute set in `__init__`.
    """

    embedding_dim: int

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W), float32 in [0, 1] -> embeddings (B, D). Any B from 1 up.

        In eval mode the embedding of an image does not depend on the rest of its batch.
        """

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> reconstructed images (B, C, H, W), the shape that was encoded."""


class ClusteringHead(nn.Module, ABC):
    """A clustering objective, built as `ClusteringHead(n_clusters, embedding_dim, *, ...)`.

    Attributes:
        centers: (K, D), a parameter (trained by the optimizer) or a buffer (moved by `refresh`), set in `__init__`.
    """

    centers: Tensor

    @abstractmethod
    def init_centers(self, z: Tensor, seed: int) -> None:
        """Place the centers in place from clean embeddings z (N, D); equal z and seed give equal centers."""

    @abstractmethod
    def soft_assign(self, z: Tensor) -> Tensor:
        """Embeddings (B, D) -> q (B, K), not negative, each row sums to 1.

        The label of an image is the largest of its row.
        """

    @abstractmethod
    def refresh(self, z: Tensor) -> Tensor:
        """Clean embeddings of the whole set (N, D) -> target p (N, K), rows sum to 1, without gradient.

        The target is held until the next refresh, and indexed by sample. May move buffers (centers, counters).
        """

    @abstractmethod
    def loss(self, z: Tensor, target: Tensor, *, x: Tensor, decode: Decode) -> dict[str, Tensor]:
        """The whole objective of a batch, as weighted scalar terms by name; the trainer descends on their sum.

        Args:
            z: embeddings of the augmented batch (B, D).
            target: rows of the target that belong to the batch (B, K).
            x: the augmented batch itself (B, C, H, W).
            decode: the autoencoder's decoder, for heads with a reconstruction term.
        """


@runtime_checkable
class Augmentation(Protocol):
    """What the factory of an augmentation returns; no base class is needed.

    The factory gets `input_shape` (C, H, W) if its signature names it. Draws and use are apart, so that draws can be
    made ahead, on the CPU, the same for every device, and replayed.
    """

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw the parameters of n images from the generator alone: float32 (n, P) on the generator's device."""

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Images (B, C, H, W) in [0, 1] and draws (B, P) -> images of the same shape, dtype and device, in [0, 1].

        A pure function, and one of each image with its own draws alone.
        """


@dataclass(frozen=True)
class ImageSet:
    """What a data set's function returns.

    Attributes:
        x: images (N, C, H, W) on the CPU, float32 in [0, 1] or uint8 (divided by 255 as they are used).
        y: true classes int64 (N,), or None. Used to measure, never to train.
        names: a name for each image (file name, key), or None.
    """

    x: Tensor
    y: Tensor | None = None
    names: Sequence[str] | None = None


def as_float(x: Tensor) -> Tensor:
    """Images as the network sees them: float32 in [0, 1]; uint8 is divided by 255."""
    return x.float() / 255 if x.dtype == torch.uint8 else x
