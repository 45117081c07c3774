"""Rotation and shift in one warp."""

from typing import Annotated, Literal

import torch
from torch import Generator, Tensor

from decda.plugins.augmentations.warp import rotate_and_shift


class RandomAffine:
    """Random rotation and shift in one warp, the paper's augmentation.

    Every image is rotated about its middle by an angle uniform in [-degrees, degrees], and shifted by a share of its
    width and one of its height, each uniform in [-translate, translate] (2.8 pixels at most at 28, 1.6 at 16).
    Bilinear, by parts of a pixel; what comes in from outside takes the value of the nearest edge. Angle and shift are
    drawn for every image, every time.

    Both backends warp alike, up to the rounding of float32 (~1e-5): `fast` in 12 kernels, `kornia`, the reference, by
    that library's general path in some 80. Draws do not depend on the backend.

    Raises:
        ValueError: degrees outside [0, 180] or translate outside [0, 1].

    Reference:
        Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML 2018, section 5.2; the article says
        3 pixels, the authors' code 10 % as here. The middle is that of the pixels, ((W - 1) / 2, (H - 1) / 2); the
        Keras of their time turned about a point one pixel right of it and one below, which moves the content by a
        quarter of a pixel at 10 degrees. Signs of its draws are the opposite of these.
    """

    def __init__(
        self,
        *,
        degrees: Annotated[float, "largest rotation either way, degrees"] = 10.0,
        translate: Annotated[float, "largest shift each way, as a share of width and height"] = 0.1,
        backend: Annotated[Literal["fast", "kornia"], "what computes the warp; both give the same images"] = "fast",
    ):
        if not 0 <= degrees <= 180:
            raise ValueError(f"degrees must be in [0, 180], it is {degrees}")
        if not 0 <= translate <= 1:
            raise ValueError(f"translate must be in [0, 1], it is {translate}")
        self.degrees = degrees
        self.translate = translate
        self.backend = backend

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draws (n, 3): angle in degrees, shift to the right and down as shares of width and height."""
        draws = torch.rand(n, 3, generator=generator, device=generator.device) * 2 - 1
        return draws * draws.new_tensor([self.degrees, self.translate, self.translate])

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Warp images (B, C, H, W) by draws (B, 3); a positive angle turns counterclockwise as displayed."""
        if self.backend == "kornia":
            return _warp_by_kornia(x, params)
        return rotate_and_shift(x, params[:, 0], params[:, 1:])


def _warp_by_kornia(x: Tensor, params: Tensor) -> Tensor:
    # Imported here: nobody should wait for kornia to load whose warp does not use it.
    from kornia.geometry.transform import affine, get_rotation_matrix2d

    height, width = x.shape[-2:]
    angle, right, down = params.unbind(1)
    # Made on the device: a tensor from Python numbers would be copied there, and stop a CUDA stream.
    middle = torch.stack([torch.full_like(angle, (width - 1) / 2), torch.full_like(angle, (height - 1) / 2)], 1)
    rotation = get_rotation_matrix2d(middle, angle, torch.ones_like(middle))  # (B, 2, 3)
    shift = torch.stack([right * width, down * height], 1).unsqueeze(2)  # (B, 2, 1)
    matrix = torch.cat([rotation[..., :2], rotation[..., 2:] + shift], 2)
    return affine(x, matrix, padding_mode="border")
