"""The augmentation `erasing`: a random box of the image is covered."""

from typing import Annotated, Literal

import torch
from torch import Generator, Tensor

from decda.plugins.augmentations.boxes import check_boxes, draw_boxes


class RandomErasing:
    """Random erasing: a box in the image is covered, so that no single detail can decide on a cluster.

    The box lies inside the image. Its area is uniform in `scale`, the logarithm of its ratio of width to height is
    uniform in `ratio`, and its place is uniform. The autoencoder reconstructs the image with the box. Not for images
    that a small part distinguishes, such as the stroke that makes a 7 of a 1.

    Raises:
        ValueError: p is outside [0, 1], scale is not an increasing range in [0, 0.9], or ratio not one in [0.1, 10].

    Reference:
        Zhong, Zheng, Kang, Li, Yang: Random Erasing Data Augmentation, AAAI 2020, and what
        `kornia.augmentation.RandomErasing` does. A ratio of 1 is that of the image, also where the image is no square.
        The default area is smaller than the article's, of up to 40 %.

    Example:
        >>> augment = RandomErasing()
        >>> augment.sample(2, torch.Generator().manual_seed(0)).shape
        torch.Size([2, 4])
        >>> left_half = torch.tensor([[0.0, 0.0, 0.5, 1.0]])
        >>> augment.apply(torch.tensor([[[[0.0, 1.0, 1.0, 0.0]]]]), left_half).tolist()
        [[[[0.5, 0.5, 1.0, 0.0]]]]
    """

    def __init__(
        self,
        *,
        p: Annotated[float, "probability that a box of an image is covered"] = 0.5,
        scale: Annotated[tuple[float, float], "smallest and largest area of the box, as fractions of the image's"] = (
            0.02,
            0.15,
        ),
        ratio: Annotated[
            tuple[float, float], "smallest and largest ratio of width to height, where 1 is that of the image"
        ] = (0.3, 3.3),
        fill: Annotated[Literal["mean", "black"], "what covers it: the mean color of the image, or black"] = "mean",
    ):
        if not 0 <= p <= 1:
            raise ValueError(f"p must be in [0, 1], it is {p}")
        check_boxes(scale, ratio, 0.0, 0.9)
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.fill = fill

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw the boxes of n images.

        Args:
            n: number of images.
            generator: source of all randomness.

        Returns:
            float32 (n, 4): left and top edge, width and height, as fractions of the image's width and height; without
            width and height where nothing is covered.
        """
        boxes = draw_boxes(n, generator, self.scale, self.ratio)
        covered = torch.rand(n, 1, generator=generator, device=generator.device) < self.p
        return torch.cat([boxes[:, :2], boxes[:, 2:] * covered], 1)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Cover the pixels whose centers lie in the boxes.

        Args:
            x: images (B, C, H, W).
            params: as `sample` draws them (B, 4).

        Returns:
            Images (B, C, H, W) of the same dtype.
        """
        left, top, width, height = params.unsqueeze(2).unbind(1)  # (B, 1)
        across = _inside(left, width, x.shape[3])[:, None, None, :]
        down = _inside(top, height, x.shape[2])[:, None, :, None]
        cover = x.mean((2, 3), keepdim=True) if self.fill == "mean" else torch.zeros_like(x[:, :, :1, :1])
        return torch.where(across & down, cover, x)


def _inside(start: Tensor, length: Tensor, side: int) -> Tensor:
    """Which of the pixels of a side lie between two fractions of it, (B, side)."""
    centers = torch.linspace(0.5 / side, 1 - 0.5 / side, side, dtype=start.dtype, device=start.device)
    return (centers >= start) & (centers < start + length)
