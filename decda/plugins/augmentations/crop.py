"""The augmentation `crop`: a random part of the image, enlarged to its size."""

from typing import Annotated

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from decda.plugins.augmentations.boxes import check_boxes, draw_boxes


class RandomCrop:
    """Random crop, resized to the size of the image: the content moves, grows and is stretched a little.

    The part that is kept lies inside the image. Its area is uniform in `scale`; the logarithm of its ratio of width to
    height is uniform in the part of `ratio` with which that area fits into the image; its place is uniform. The crop is
    enlarged by bilinear interpolation.

    Small areas cut away what an image shows: two crops of one image need not belong to one cluster any more, and there
    are no labels that would tell. Areas from a half up are therefore the default, not the 8 % that is usual for
    supervised training.

    Raises:
        ValueError: scale is not an increasing range in [0.01, 1], or ratio not one in [0.1, 10].

    Reference:
        Szegedy et al.: Going Deeper with Convolutions, CVPR 2015, section 6, and what
        `kornia.augmentation.RandomResizedCrop` does. There areas and ratios that do not fit are drawn again, up to ten
        times; here every draw fits. A ratio of 1 is that of the image, also where the image is no square.

    Example:
        >>> augment = RandomCrop(scale=(0.25, 1.0))
        >>> augment.sample(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 4])
        >>> right_half = torch.tensor([[0.5, 0.0, 0.5, 1.0]])
        >>> augment.apply(torch.tensor([[[[0.0, 0.0, 0.5, 0.5]]]]), right_half).tolist()
        [[[[0.375, 0.5, 0.5, 0.5]]]]
    """

    def __init__(
        self,
        *,
        scale: Annotated[tuple[float, float], "smallest and largest area that is kept, as fractions of the image's"] = (
            0.5,
            1.0,
        ),
        ratio: Annotated[
            tuple[float, float], "smallest and largest ratio of width to height, where 1 is that of the image"
        ] = (0.75, 1.3333),
    ):
        check_boxes(scale, ratio, 0.01, 1.0)
        self.scale = scale
        self.ratio = ratio

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw which part of each image is kept.

        Args:
            n: number of images.
            generator: source of all randomness.

        Returns:
            float32 (n, 4): left and top edge, width and height, as fractions of the image's width and height.
        """
        return draw_boxes(n, generator, self.scale, self.ratio)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Enlarge a part of each image to the whole.

        Args:
            x: images (B, C, H, W).
            params: as `sample` draws them (B, 4).

        Returns:
            Images (B, C, H, W) of the same dtype.
        """
        height, width = x.shape[-2:]
        # Eight bits of precision would resolve only a tenth of a pixel.
        boxes = params.to(torch.promote_types(x.dtype, torch.float32))
        left, top, across, down = boxes.unsqueeze(2).unbind(1)  # (B, 1)
        # Pixel centers in the units of `grid_sample`, where each side has length 2.
        columns, rows = (
            torch.linspace(1 / side - 1, 1 - 1 / side, side, dtype=boxes.dtype, device=boxes.device)
            for side in (width, height)
        )
        u = (columns + 1) * across + 2 * left - 1  # (B, W)
        v = (rows + 1) * down + 2 * top - 1  # (B, H)
        grid = torch.stack([u.unsqueeze(1).expand(-1, height, -1), v.unsqueeze(2).expand(-1, -1, width)], 3)
        y = F.grid_sample(x.to(grid.dtype), grid, mode="bilinear", padding_mode="border", align_corners=False)
        return y.to(x.dtype)
