"""The augmentation `none`."""

import torch
from torch import Generator, Tensor


class NoAugmentation:
    """No augmentation: images, and the rows of a table, pass through unchanged.

    Args:
        value_range: asked for, so that tables are taken, too; nothing depends on it.

    Example:
        >>> augment = NoAugmentation()
        >>> params = augment.sample(1, torch.Generator())
        >>> augment.apply(torch.ones(1, 1, 1, 2), params).tolist()
        [[[[1.0, 1.0]]]]
    """

    def __init__(self, value_range: tuple[float, float] | None = (0.0, 1.0)):
        self.value_range = value_range

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw nothing.

        Args:
            n: number of images.
            generator: not used; the result is on its device.

        Returns:
            float32 (n, 0).
        """
        return torch.empty(n, 0, device=generator.device)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Return the images.

        Args:
            x: images (B, C, H, W).
            params: not used (B, 0).

        Returns:
            x itself (B, C, H, W).
        """
        return x
