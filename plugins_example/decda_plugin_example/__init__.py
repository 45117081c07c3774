"""Parts for decda by a third party."""

from typing import Annotated

import torch
from torch import Generator, Tensor


class RandomFlip:
    """Random mirror image, left to right; for images whose sides mean the same.

    Each image is mirrored with the given probability, drawn for every image, every time.

    Raises:
        ValueError: a probability outside [0, 1].
    """

    def __init__(self, *, p: Annotated[float, "probability that an image is mirrored"] = 0.5):
        if not 0 <= p <= 1:
            raise ValueError(f"p must be in [0, 1], it is {p}")
        self.p = p

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draws (n, 1): 1 where the image is to be mirrored, else 0."""
        return (torch.rand(n, 1, generator=generator, device=generator.device) < self.p).float()

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Mirror those images (B, C, H, W) whose draw (B, 1) is 1."""
        return torch.where(params.view(-1, 1, 1, 1) > 0, x.flip(3), x)
