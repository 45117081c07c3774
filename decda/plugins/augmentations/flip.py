"""The augmentation `flip`: mirror images."""

from typing import Annotated

import torch
from torch import Generator, Tensor


class RandomFlip:
    """Random mirror images, left to right and, if asked for, top to bottom.

    For photographs of things whose two sides look alike. Not for letters and digits: a mirrored 2 is no 2 any more.

    Raises:
        ValueError: a probability is outside [0, 1].

    Reference:
        What `kornia.augmentation.RandomHorizontalFlip` and `RandomVerticalFlip` do.

    Example:
        >>> augment = RandomFlip(vertical=0.5)
        >>> augment.sample(3, torch.Generator().manual_seed(0)).shape
        torch.Size([3, 2])
        >>> left_to_right = torch.tensor([[1.0, 0.0]])
        >>> augment.apply(torch.tensor([[[[0.0, 0.5], [0.25, 1.0]]]]), left_to_right).tolist()
        [[[[0.5, 0.0], [1.0, 0.25]]]]
    """

    def __init__(
        self,
        *,
        horizontal: Annotated[float, "probability that an image is mirrored left to right"] = 0.5,
        vertical: Annotated[float, "probability that an image is mirrored top to bottom"] = 0.0,
    ):
        for name, probability in (("horizontal", horizontal), ("vertical", vertical)):
            if not 0 <= probability <= 1:
                raise ValueError(f"{name} must be in [0, 1], it is {probability}")
        self.horizontal = horizontal
        self.vertical = vertical

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw which images are mirrored.

        Args:
            n: number of images.
            generator: source of all randomness.

        Returns:
            float32 (n, 2): 1 where an image is mirrored left to right, and top to bottom, else 0.
        """
        uniform = torch.rand(n, 2, generator=generator, device=generator.device)
        return (uniform < uniform.new_tensor([self.horizontal, self.vertical])).float()

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Mirror images.

        Args:
            x: images (B, C, H, W).
            params: as `sample` draws them (B, 2).

        Returns:
            Images (B, C, H, W) of the same dtype.
        """
        across, down = (params > 0.5)[..., None, None, None].unbind(1)  # (B, 1, 1, 1)
        if self.horizontal > 0:
            x = torch.where(across, x.flip(3), x)
        return torch.where(down, x.flip(2), x) if self.vertical > 0 else x
