"""Elastic deformation."""

from typing import Annotated

import torch
from torch import Generator, Tensor
from torch.nn import functional as F


class RandomElastic:
    """Random elastic deformation: each image is bent by a smooth field of displacements.

    At the points of a coarse grid, from corner to corner of the image, displacements are uniform in [-reach, reach],
    as a share of width and height (1.4 pixels at 28, .8 at 16); between the points they are interpolated bicubically,
    which may overshoot. By default nothing folds over. Pixels are looked up bilinearly; what comes in from outside
    takes the value of the nearest edge.

    Unlike the reference, which smooths a displacement of each pixel by a Gaussian, the draws of an image do not grow
    with its size.

    Raises:
        ValueError: fewer than 2 points a side, or reach outside [0, 1].

    Reference:
        Simard, Steinkraus, Platt: Best Practices for Convolutional Neural Networks Applied to Visual Document Analysis,
        ICDAR 2003, section 2.
    """

    def __init__(
        self,
        *,
        points: Annotated[int, "points of the grid along each side"] = 4,
        reach: Annotated[float, "largest displacement of a point each way, as a share of width and height"] = 0.05,
    ):
        if points < 2:
            raise ValueError(f"points must be at least 2, it is {points}")
        if not 0 <= reach <= 1:
            raise ValueError(f"reach must be in [0, 1], it is {reach}")
        self.points = points
        self.reach = reach

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draws (n, 2 * points^2): where each point looks, right then down, as shares of width and height."""
        return self.reach * (2 * torch.rand(n, 2 * self.points**2, generator=generator, device=generator.device) - 1)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Bend images (B, C, H, W) by draws (B, 2 * points^2)."""
        # Imported here: nobody should wait for kornia to load who only looks at this part.
        from kornia.geometry import create_meshgrid
        from kornia.geometry.transform import remap

        height, width = x.shape[-2:]
        shares = params.to(torch.promote_types(x.dtype, torch.float32)).view(-1, 2, self.points, self.points)
        field = F.interpolate(shares, size=(height, width), mode="bicubic", align_corners=True)  # (B, 2, H, W)
        # In kornia's units an image reaches from -1 to 1, from the first pixel's middle to the last one's. Its pixel
        # units would do, but their scale is copied from the host, and that stops a CUDA stream.
        places = create_meshgrid(height, width, device=x.device, dtype=shares.dtype)  # (1, H, W, 2)
        across = places[..., 0] + field[:, 0] * (2 * width / (width - 1))
        down = places[..., 1] + field[:, 1] * (2 * height / (height - 1))
        bent = remap(
            x.to(shares.dtype), across, down, padding_mode="border", align_corners=True, normalized_coordinates=True
        )
        return bent.to(x.dtype)
