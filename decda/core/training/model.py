"""What is trained: an autoencoder, a clustering head, and the augmentation they are trained with."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from decda.core.contracts import Augmentation, Autoencoder, ClusteringHead, as_float
from decda.core.mapped_files import parts
from decda.core.training.images import Images
from decda.core.training.precision import Precision, autocast, matmul_precision

ACTIVATIONS = 2**28
"""Bytes that the activations of an embedded batch may take, about."""
FLOATS_PER_PIXEL = 64
"""Activations of a convolutional network by pixel of its input, with the copies that its convolutions make."""
FLOATS_PER_IMAGE = 8192
"""Activations of a network with wide layers, however small the image."""
MAX_BATCH = {"cpu": 1024}
"""The most images embedded at a time: what a CPU's caches hold; elsewhere the activations alone decide."""


@dataclass(frozen=True)
class Model:
    """An autoencoder, a clustering head and the augmentation they are trained with.

    Attributes:
        autoencoder: on the same device as the head.
        head: the clustering objective, with its centers.
        augment: draws and applies.
        precision: the number format in which the autoencoder computes.
    """

    autoencoder: Autoencoder
    head: ClusteringHead
    augment: Augmentation
    precision: Precision = "float32"

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.centers.device

    def modules(self) -> dict[str, nn.Module]:
        """The trained modules by name, as `model.safetensors` holds them."""
        return {"autoencoder": self.autoencoder, "head": self.head}

    def to(self, device: torch.device) -> "Model":
        """Move the weights, in place.

        Args:
            device: where to.

        Returns:
            The model itself.
        """
        self.autoencoder.to(device)
        self.head.to(device)
        return self

    def train(self, mode: bool) -> None:
        """Put both modules into training mode, or into eval mode.

        Args:
            mode: True for training.
        """
        self.autoencoder.train(mode)
        self.head.train(mode)

    def encode(self, x: Tensor) -> Tensor:
        """Embed one batch, in the model's precision.

        Args:
            x: images (B, C, H, W), float32 in [0, 1], on the model's device.

        Returns:
            Embeddings (B, D), float32.
        """
        with autocast(self.precision, self.device):
            return self.autoencoder.encode(x).float()

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct one batch, in the model's precision.

        Args:
            z: embeddings (B, D), on the model's device.

        Returns:
            Images (B, C, H, W), float32.
        """
        with autocast(self.precision, self.device):
            return self.autoencoder.decode(z).float()

    @torch.no_grad()
    def embed(self, x: Tensor | Images, draws: Tensor | None = None) -> Tensor:
        """Embed images, as they are or augmented. Leaves the model in eval mode.

        Args:
            x: images (N, C, H, W), float32 in [0, 1] or uint8, on any device; embedded in batches of a size that
                keeps activations to about 256 MB. Of a mapped file no more is held at a time.
            draws: parameters of an augmentation of each (N, P). None: images stay as they are.

        Returns:
            Embeddings (N, D), float32, on the model's device.
        """
        self.train(False)
        with matmul_precision(self.precision, self.device):
            # Written into one tensor: small ones between large ones would keep the memory of all batches from reuse.
            z = torch.empty(x.shape[0], self.autoencoder.embedding_dim, device=self.device)
            size = embedding_batch(tuple(x.shape[1:]), self.device)
            start = 0
            for batch in self._parts(x, size):
                stop = start + len(batch)
                z[start:stop] = self.encode(batch if draws is None else self.augment.apply(batch, draws[start:stop]))
                start = stop
            return z

    def _parts(self, x: Tensor | Images, size: int) -> Iterator[Tensor]:
        if not isinstance(x, Tensor):
            return x.parts(size)
        return (as_float(part.to(self.device).contiguous()) for part in parts(x, size))

    @torch.no_grad()
    def soft_assign(self, x: Tensor) -> Tensor:
        """Assign images to clusters. Leaves the model in eval mode.

        Args:
            x: images (N, C, H, W), float32 in [0, 1] or uint8, on any device.

        Returns:
            q (N, K), float32, rows sum to 1, on the model's device; the largest entry of a row is the label.
        """
        z = self.embed(x)
        return self.head.soft_assign(z)


def embedding_batch(shape: tuple[int, ...], device: torch.device) -> int:
    """How many images are embedded at a time.

    Args:
        shape: of an image, (C, H, W).
        device: where.

    Returns:
        At least 1.

    Example:
        >>> embedding_batch((1, 28, 28), torch.device("cpu")), embedding_batch((3, 128, 128), torch.device("cpu"))
        (1024, 64)
    """
    fitting = ACTIVATIONS // (4 * max(FLOATS_PER_PIXEL * shape[-2] * shape[-1], FLOATS_PER_IMAGE))
    return max(min(fitting, MAX_BATCH.get(device.type, fitting)), 1)
