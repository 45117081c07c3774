"""The augmentation `affine`: rotation and shift in one warp."""

from typing import Annotated, Literal

import torch
from torch import Generator, Tensor

from decda.plugins.augmentations.warp import rotate_and_shift


class RandomAffine:
    """Random rotation and shift in one warp, the paper's augmentation.

    Each image is rotated about its center by an angle uniform in [-degrees, degrees], and shifted by a fraction of its
    width and a fraction of its height, each uniform in [-translate, translate] (at most 2.8 pixels for images of 28
    pixels, 1.6 for 16). The warp is bilinear, so shifts need not be whole pixels; pixels from outside the image take
    the value of the nearest edge. Angle and shift are drawn anew for every image every time.

    Both backends compute the same warp, up to float32 rounding (~1e-5): `fast` in 12 kernels; `kornia`, the reference,
    in some 80 by that library's general code path. The random parameters do not depend on the backend.

    Raises:
        ValueError: degrees is outside [0, 180], or translate outside [0, 1].

    Reference:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 5.2. The article says
        3 pixels, the authors' code 10 % as here. The center of rotation is ((W - 1) / 2, (H - 1) / 2) in pixel
        coordinates. The Keras of that time rotated about a point one pixel further right and one further down, which
        moves the content by a quarter of a pixel at 10 degrees, and its angles and shifts have the opposite signs.

    Example:
        >>> augment = RandomAffine(degrees=30, translate=0.2)
        >>> augment.sample(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 3])
        >>> quarter_turn = torch.tensor([[90.0, 0.0, 0.0]])  # counterclockwise
        >>> augment.apply(torch.tensor([[[[0.0, 1.0], [0.0, 0.0]]]]), quarter_turn).round(decimals=4).tolist()
        [[[[1.0, 0.0], [0.0, 0.0]]]]
    """

    def __init__(
        self,
        *,
        degrees: Annotated[float, "largest rotation in either direction, in degrees"] = 10.0,
        translate: Annotated[float, "largest shift in each direction, as a fraction of width and height"] = 0.1,
        backend: Annotated[Literal["fast", "kornia"], "implementation of the warp; both give the same images"] = "fast",
    ):
        if not 0 <= degrees <= 180:
            raise ValueError(f"degrees must be in [0, 180], it is {degrees}")
        if not 0 <= translate <= 1:
            raise ValueError(f"translate must be in [0, 1], it is {translate}")
        self.degrees = degrees
        self.translate = translate
        self.backend = backend

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw the angles and shifts of n images.

        Args:
            n: number of images.
            generator: source of all randomness.

        Returns:
            float32 (n, 3): angle in degrees, shift to the right as a fraction of the width, shift down as a fraction of
            the height.
        """
        uniform = torch.rand(n, 3, generator=generator, device=generator.device) * 2 - 1
        return uniform * uniform.new_tensor([self.degrees, self.translate, self.translate])

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Rotate and shift images.

        Args:
            x: images (B, C, H, W).
            params: angles and shifts (B, 3), as `sample` draws them; positive angles are counterclockwise as displayed.

        Returns:
            Images (B, C, H, W) of the same dtype.
        """
        if self.backend == "kornia":
            return _warp_by_kornia(x, params)
        return rotate_and_shift(x, params[:, 0], params[:, 1:])


def _warp_by_kornia(x: Tensor, params: Tensor) -> Tensor:
    # Imported here, because loading kornia takes time and the other backend does not need it.
    from kornia.geometry.transform import affine, get_rotation_matrix2d

    height, width = x.shape[-2:]
    angle, right, down = params.unbind(1)
    # Created on the device: copying a tensor of Python numbers there would stall the CUDA stream.
    center = torch.stack([torch.full_like(angle, (width - 1) / 2), torch.full_like(angle, (height - 1) / 2)], 1)
    rotation = get_rotation_matrix2d(center, angle, torch.ones_like(center))  # (B, 2, 3)
    shift = torch.stack([right * width, down * height], 1).unsqueeze(2)  # (B, 2, 1)
    matrix = torch.cat([rotation[..., :2], rotation[..., 2:] + shift], 2)
    return affine(x, matrix, padding_mode="border")
