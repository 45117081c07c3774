"""The augmentation `shift`: shift without rotation."""

from typing import Annotated, Literal

import torch
from torch import Generator, Tensor

from decda.plugins.augmentations.warp import shift


class RandomShift:
    """Random shift with subpixel precision, without rotation.

    Each image is shifted by a fraction of its width and a fraction of its height, each uniform in
    [-translate, translate] and drawn anew for every image every time. Interpolation is bilinear; pixels from outside
    the image take the value of the nearest edge.

    Both backends compute the same warp, up to float32 rounding (~1e-5): `fast` in 5 kernels; `kornia`, the reference,
    in some 50 by that library's general code path. The random parameters do not depend on the backend.

    Raises:
        ValueError: translate is outside [0, 1].

    Reference:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 5.2, without rotation.

    Example:
        >>> augment = RandomShift(translate=0.25)
        >>> augment.sample(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 2])
        >>> one_to_the_right = torch.tensor([[0.25, 0.0]])
        >>> augment.apply(torch.tensor([[[[0.0, 1.0, 0.5, 0.0]]]]), one_to_the_right).tolist()
        [[[[0.0, 0.0, 1.0, 0.5]]]]
    """

    def __init__(
        self,
        *,
        translate: Annotated[float, "largest shift in each direction, as a fraction of width and height"] = 0.1,
        backend: Annotated[Literal["fast", "kornia"], "implementation of the warp; both give the same images"] = "fast",
    ):
        if not 0 <= translate <= 1:
            raise ValueError(f"translate must be in [0, 1], it is {translate}")
        self.translate = translate
        self.backend = backend

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw the shifts of n images.

        Args:
            n: number of images.
            generator: source of all randomness.

        Returns:
            float32 (n, 2): shift to the right as a fraction of the width, shift down as a fraction of the height.
        """
        return (torch.rand(n, 2, generator=generator, device=generator.device) * 2 - 1) * self.translate

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Shift images.

        Args:
            x: images (B, C, H, W).
            params: shifts (B, 2), as `sample` draws them.

        Returns:
            Images (B, C, H, W) of the same dtype.
        """
        return _shift_by_kornia(x, params) if self.backend == "kornia" else shift(x, params)


def _shift_by_kornia(x: Tensor, params: Tensor) -> Tensor:
    # Imported here, because loading kornia takes time and the other backend does not need it.
    from kornia.geometry.transform import translate

    height, width = x.shape[-2:]
    right, down = params.unbind(1)
    return translate(x, torch.stack([right * width, down * height], 1), padding_mode="border")
