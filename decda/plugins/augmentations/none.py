"""No augmentation."""

import torch
from torch import Generator, Tensor


class NoAugmentation:
    """No augmentation: images pass as they are."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Nothing to draw: (n, 0)."""
        return torch.empty(n, 0, device=generator.device)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """The images themselves."""
        return x
