"""The augmentation `blur`: Gaussian blur."""

import math
from typing import Annotated

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

REACH = 3.0
"""Standard deviations after which the Gaussian is cut off."""


class RandomBlur:
    """Random Gaussian blur, as of a lens that is out of focus.

    The standard deviation of each image is uniform in `sigma`, in pixels, so that what is mild depends on the size of
    the images: a pixel of blur is little at 64x64, and takes most of what a digit of 8x8 shows. The Gaussian is cut off
    after 3 standard deviations; outside the image, its edges are repeated.

    Raises:
        ValueError: p is outside [0, 1], or sigma not an increasing range in [0, 10].

    Reference:
        What `kornia.augmentation.RandomGaussianBlur` does, with a kernel as large as the largest sigma needs.

    Example:
        >>> augment = RandomBlur(sigma=(0.5, 2.0))
        >>> augment.sample(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 1])
        >>> one_pixel = torch.ones(1, 1)
        >>> augment.apply(torch.tensor([[[[0.0, 0.0, 1.0, 0.0, 0.0]]]]), one_pixel).round(decimals=2)
        tensor([[[[0.0500, 0.2400, 0.4000, 0.2400, 0.0500]]]])
    """

    def __init__(
        self,
        *,
        p: Annotated[float, "probability that an image is blurred"] = 0.5,
        sigma: Annotated[tuple[float, float], "smallest and largest standard deviation, in pixels"] = (0.1, 1.0),
    ):
        if not 0 <= p <= 1:
            raise ValueError(f"p must be in [0, 1], it is {p}")
        if not 0 <= sigma[0] <= sigma[1] <= 10:
            raise ValueError(
                f"sigma must be two lengths in [0, 10] pixels, the smaller one first, it is {sigma[0]},{sigma[1]}"
            )
        self.p = p
        self.sigma = sigma
        self.radius = math.ceil(REACH * sigma[1])

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw how much n images are blurred.

        Args:
            n: number of images.
            generator: source of all randomness.

        Returns:
            float32 (n, 1): the standard deviation in pixels, 0 where an image stays as it is.
        """
        applies, uniform = torch.rand(n, 2, generator=generator, device=generator.device).split(1, 1)
        sigma = self.sigma[0] + uniform * (self.sigma[1] - self.sigma[0])
        return torch.where(applies < self.p, sigma, 0.0)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Blur images.

        Args:
            x: images (B, C, H, W).
            params: standard deviations in pixels (B, 1), as `sample` draws them.

        Returns:
            Images (B, C, H, W) of the same dtype.
        """
        radius, dtype = self.radius, torch.promote_types(x.dtype, torch.float32)
        # A deviation of almost nothing leaves the image exactly as it is; that of nothing would divide 0 by 0.
        sigma = params.to(dtype).clamp(min=1e-3)
        offsets = torch.arange(-radius, radius + 1, dtype=dtype, device=x.device)
        weights = torch.exp(-0.5 * (offsets / sigma) ** 2)  # (B, 2 radius + 1)
        weights = (weights / weights.sum(1, keepdim=True)).repeat_interleave(x.shape[1], 0)[:, None, None, :]
        # The channels of all images side by side, because each image has weights of its own.
        y = F.pad(x.to(dtype), [radius] * 4, mode="replicate").flatten(0, 1).unsqueeze(0)  # (1, B C, ...)
        for kernel in (weights, weights.mT):
            y = F.conv2d(y, kernel, groups=len(weights))
        return y.clamp(0, 1).to(x.dtype).view(x.shape)
