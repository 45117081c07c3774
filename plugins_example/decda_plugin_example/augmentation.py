"""The augmentation `elastic`."""

from typing import Annotated

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


class RandomElastic:
    """Random elastic deformation: each image is warped by a smooth displacement field.

    At the points of a coarse grid that spans the image from corner to corner, displacements are uniform in
    [-reach, reach], as a fraction of width and height (at most 1.4 pixels for images of 28 pixels, .8 for 16). Between
    the points they are interpolated bicubically, which may overshoot. With the default settings the field does not
    fold. Pixels are sampled bilinearly; positions outside the image take the value of the nearest edge.

    The reference draws a displacement for each pixel and smooths the field with a Gaussian. Here the number of random
    parameters does not depend on the size of the image.

    Raises:
        ValueError: points is below 2, or reach is outside [0, 1].

    Reference:
        Simard, Steinkraus, Platt: Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis,
        ICDAR 2003, section 2.

    Example:
        >>> augment = RandomElastic(points=3)
        >>> params = augment.sample(2, torch.Generator().manual_seed(0))
        >>> params.shape, augment.apply(torch.rand(2, 1, 8, 8), params).shape
        (torch.Size([2, 18]), torch.Size([2, 1, 8, 8]))
    """

    def __init__(
        self,
        *,
        points: Annotated[int, "number of grid points along each side"] = 4,
        reach: Annotated[float, "largest displacement in each direction, as a fraction of width and height"] = 0.05,
    ):
        if points < 2:
            raise ValueError(f"points must be at least 2, it is {points}")
        if not 0 <= reach <= 1:
            raise ValueError(f"reach must be in [0, 1], it is {reach}")
        self.points = points
        self.reach = reach

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw the displacement fields of n images.

        Args:
            n: number of images.
            generator: source of all randomness.

        Returns:
            float32 (n, 2 * points^2): for each grid point the offset to the right of the position it is sampled from,
            then the offsets down, as fractions of width and height.
        """
        return self.reach * (2 * torch.rand(n, 2 * self.points**2, generator=generator, device=generator.device) - 1)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Warp images.

        Args:
            x: images (B, C, H, W).
            params: displacement fields (B, 2 * points^2), as `sample` draws them.

        Returns:
            Images (B, C, H, W) of the same dtype.
        """
        # Imported here, because loading kornia takes time and listing parts does not need it.
        from kornia.geometry import create_meshgrid
        from kornia.geometry.transform import remap

        height, width = x.shape[-2:]
        offsets = params.to(torch.promote_types(x.dtype, torch.float32)).view(-1, 2, self.points, self.points)
        field = F.interpolate(offsets, size=(height, width), mode="bicubic", align_corners=True)  # (B, 2, H, W)
        # Normalized coordinates: from -1 at the center of the first pixel to 1 at the center of the last. With pixel
        # coordinates, kornia would copy a scale from the host to the device, which stalls the CUDA stream.
        grid = create_meshgrid(height, width, device=x.device, dtype=offsets.dtype)  # (1, H, W, 2)
        across = grid[..., 0] + field[:, 0] * (2 * width / (width - 1))
        down = grid[..., 1] + field[:, 1] * (2 * height / (height - 1))
        warped = remap(
            x.to(offsets.dtype), across, down, padding_mode="border", align_corners=True, normalized_coordinates=True
        )
        return warped.to(x.dtype)
