"""Shift alone."""

from typing import Annotated, Literal

import torch
from torch import Generator, Tensor

from decda.plugins.augmentations.warp import shift


class RandomShift:
    """Random shift by parts of a pixel, without rotation.

    Every image is shifted by a share of its width and one of its height, each uniform in [-translate, translate], drawn
    for every image, every time. Bilinear; what comes in from outside takes the value of the nearest edge.

    Both backends warp alike, up to the rounding of float32 (~1e-5): `fast` in 5 kernels, `kornia`, the reference, by
    that library's general path in some 50. Draws do not depend on the backend.

    Raises:
        ValueError: translate outside [0, 1].

    Reference:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 5.2, without rotation.
    """

    def __init__(
        self,
        *,
        translate: Annotated[float, "largest shift each way, as a share of width and height"] = 0.1,
        backend: Annotated[Literal["fast", "kornia"], "what computes the warp; both give the same images"] = "fast",
    ):
        if not 0 <= translate <= 1:
            raise ValueError(f"translate must be in [0, 1], it is {translate}")
        self.translate = translate
        self.backend = backend

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draws (n, 2): shift to the right and down as shares of width and height."""
        return (torch.rand(n, 2, generator=generator, device=generator.device) * 2 - 1) * self.translate

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Shift images (B, C, H, W) by draws (B, 2)."""
        return _shift_by_kornia(x, params) if self.backend == "kornia" else shift(x, params)


def _shift_by_kornia(x: Tensor, params: Tensor) -> Tensor:
    # Imported here: nobody should wait for kornia to load whose warp does not use it.
    from kornia.geometry.transform import translate

    height, width = x.shape[-2:]
    right, down = params.unbind(1)
    return translate(x, torch.stack([right * width, down * height], 1), padding_mode="border")
