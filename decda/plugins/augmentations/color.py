"""The augmentation `color`: brightness, contrast, saturation and hue."""

import math
from typing import Annotated

import torch
from torch import Generator, Tensor

LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the gray of an image (ITU-R BT.601)."""


class RandomColor:
    """Random brightness, contrast, saturation and hue, as of another light or camera.

    Each pixel is multiplied by a brightness; moved away from, or towards, the mean gray of its image by a contrast and
    its own gray by a saturation; and turned about the axis of grays by a hue. The first three are factors uniform in
    [1 - b, 1 + b], the last an angle uniform in [-h, h] circles. What leaves [0, 1] is clamped, once at the end. All
    four together are one matrix for each image. Images without three channels get brightness and contrast alone.

    Not for images that color tells apart, such as stained tissue or ripe and unripe fruit: set hue and saturation to 0.

    Raises:
        ValueError: brightness, contrast or saturation is outside [0, 1], or hue outside [0, 0.5].

    Reference:
        What `kornia.augmentation.ColorJitter` does, always in this order. Kornia clamps after each step, and shifts the
        hue of the HSV model, which is the same by a third of a circle and keeps the largest of the three channels
        otherwise; here their sum is kept.

    Example:
        >>> augment = RandomColor(hue=0.0)
        >>> augment.sample(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 4])
        >>> darker = torch.tensor([[0.5, 1.0, 1.0, 0.0]])
        >>> augment.apply(torch.tensor([[[[0.0, 1.0]]]]), darker).tolist()
        [[[[0.0, 0.5]]]]
    """

    def __init__(
        self,
        *,
        brightness: Annotated[float, "largest change of the brightness, as a fraction"] = 0.2,
        contrast: Annotated[float, "largest change of the contrast, as a fraction"] = 0.2,
        saturation: Annotated[float, "largest change of the saturation, as a fraction; of color images"] = 0.2,
        hue: Annotated[float, "largest turn of the hue, as a fraction of a full circle; of color images"] = 0.02,
    ):
        for name, value, most in (
            *(("brightness", brightness, 1), ("contrast", contrast, 1)),
            *(("saturation", saturation, 1), ("hue", hue, 0.5)),
        ):
            if not 0 <= value <= most:
                raise ValueError(f"{name} must be in [0, {most}], it is {value}")
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw the changes of n images.

        Args:
            n: number of images.
            generator: source of all randomness.

        Returns:
            float32 (n, 4): factors of brightness, contrast and saturation; turn of the hue in circles.
        """
        uniform = torch.rand(n, 4, generator=generator, device=generator.device) * 2 - 1
        changes = uniform * uniform.new_tensor([self.brightness, self.contrast, self.saturation, self.hue])
        return changes + uniform.new_tensor([1.0, 1.0, 1.0, 0.0])

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Change the colors of images.

        Args:
            x: images (B, C, H, W).
            params: as `sample` draws them (B, 4).

        Returns:
            Images (B, C, H, W) of the same dtype.
        """
        dtype = torch.promote_types(x.dtype, torch.float32)
        brightness, contrast, saturation, hue = params.to(dtype)[..., None, None, None].unbind(1)  # (B, 1, 1, 1)
        pixels = x.to(dtype)
        means = pixels.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
        colored = x.shape[1] == 3
        gray = _luminance(means) if colored else means.mean(1, keepdim=True)
        factor, y = contrast * brightness, (1 - contrast) * brightness * gray
        if colored:
            # Three sums, not a matrix product, which would round colors to 11 bits where tf32 is allowed.
            for column, channel in zip(_matrix(saturation, hue), pixels.split(1, 1), strict=True):
                y = torch.addcmul(y, factor * column, channel)
        else:
            y = torch.addcmul(y, factor, pixels)
        return y.clamp(0, 1).to(x.dtype)


def _luminance(x: Tensor) -> Tensor:
    """The gray (B, 1, H, W) of color images (B, 3, H, W)."""
    red, green, blue = x.split(1, 1)
    gray: Tensor = LUMINANCE[0] * red + LUMINANCE[1] * green + LUMINANCE[2] * blue
    return gray


def _matrix(saturation: Tensor, hue: Tensor) -> list[Tensor]:
    """Columns, each (B, 3, 1, 1), of the matrix that turns the hue and then scales the distance from gray.

    A turn by h about the axis of grays has the entries 1/3 + 2/3 cos(h) on its diagonal and, beside it, the same with a
    third of a circle more or less; it and a shift towards gray, which lies on that axis, can change places.
    """
    phases = torch.linspace(2 / 3, -2 / 3, 5, dtype=hue.dtype, device=hue.device).view(5, 1, 1)  # in circles
    entries = (1 + 2 * torch.cos(2 * math.pi * (hue + phases))) / 3  # (B, 5, 1, 1)
    return [saturation * entries[:, 2 - k : 5 - k] + (1 - saturation) * weight for k, weight in enumerate(LUMINANCE)]
