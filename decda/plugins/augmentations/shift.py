"""Shift alone."""

from typing import Annotated

import torch
from kornia.geometry.transform import translate as warp
from torch import Generator, Tensor


class RandomShift:
    """Random shift by parts of a pixel, without rotation.

    Every image is shifted by a share of its width and one of its height, each uniform in [-translate, translate], drawn
    for every image, every time. Bilinear; what comes in from outside takes the value of the nearest edge.

    Raises:
        ValueError: translate outside [0, 1].

    Reference:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 5.2, without rotation.
    """

    def __init__(self, *, translate: Annotated[float, "largest shift each way, as a share of width and height"] = 0.1):
        if not 0 <= translate <= 1:
            raise ValueError(f"translate must be in [0, 1], it is {translate}")
        self.translate = translate

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draws (n, 2): shift to the right and down as shares of width and height."""
        return (torch.rand(n, 2, generator=generator, device=generator.device) * 2 - 1) * self.translate

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Shift images (B, C, H, W) by draws (B, 2)."""
        height, width = x.shape[-2:]
        right, down = params.unbind(1)
        return warp(x, torch.stack([right * width, down * height], 1), padding_mode="border")
