"""The augmentation `noise`: Gaussian noise, for images and for the rows of a table."""

import math
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Generator, Tensor


class RandomNoise:
    """Additive Gaussian noise, on images or on the columns of a table.

    x + std n, with n drawn from the standard normal distribution for every value of every image every time. Pixels are
    clamped to [0, 1]; the values of tables, which may be any, are not. Tables are standardised by default, so that
    `std` is a share of each column's deviation.

    Memory: the draws of an epoch are held together, one number for each value of each image: 220 MB for 70 000 images
    of 28 x 28. For large sets of large images, another augmentation is a better choice.

    Raises:
        ValueError: std is negative or not finite.

    Reference:
        Vincent, Larochelle, Lajoie, Bengio, Manzagol: Stacked Denoising Autoencoders, JMLR 2010, section 3.3, additive
        isotropic Gaussian noise. There the clean image is reconstructed; here, as with every augmentation, the noisy
        one.

    Example:
        >>> augment = RandomNoise(input_shape=(1, 1, 3), value_range=None, std=0.5)
        >>> augment.sample(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3])
        >>> augment.apply(torch.zeros(1, 1, 1, 3), torch.tensor([[0.25, -0.5, 2.0]])).tolist()
        [[[[0.25, -0.5, 2.0]]]]
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        value_range: tuple[float, float] | None,
        *,
        std: Annotated[float, "standard deviation of the noise; pixels are in [0, 1]"] = 0.1,
    ):
        if not (std >= 0 and math.isfinite(std)):
            raise ValueError(f"std must not be negative, and finite; it is {std}")
        self.size = math.prod(input_shape)
        self.value_range = value_range
        self.std = std

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw the noise of n images.

        Args:
            n: number of images.
            generator: source of all randomness.

        Returns:
            float32 (n, C * H * W): what is added to each value.
        """
        return torch.randn(n, self.size, generator=generator, device=generator.device) * self.std

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Add noise to images.

        Args:
            x: images (B, C, H, W), or the rows of a table (B, 1, 1, D).
            params: noise (B, C * H * W), as `sample` draws it.

        Returns:
            Images (B, C, H, W) of the same dtype, in `value_range` if there is one.
        """
        noisy = x + params.reshape(x.shape).to(x.dtype)
        return noisy if self.value_range is None else noisy.clamp(*self.value_range)
