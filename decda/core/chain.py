"""A chain of augmentations: drawn, replayed and captured as one."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from decda.core.contracts import Augmentation


class Chain:
    """Several augmentations, one after the other.

    Their random parameters stand side by side in one row for each image: those of the first link, then those of the
    second, and so on, all drawn from one generator in that order. A link must draw equally many for any image.

    Args:
        links: the augmentations, in the order in which they are applied. Each draws for one image here, from a
            generator of its own, to find out how many random parameters it has.

    Example:
        >>> from decda.plugins.augmentations.affine import RandomAffine
        >>> from decda.plugins.augmentations.shift import RandomShift
        >>> chain = Chain([RandomAffine(degrees=5), RandomShift()])
        >>> chain.sample(4, torch.Generator().manual_seed(0)).shape
        torch.Size([4, 5])
    """

    def __init__(self, links: Sequence[Augmentation]):
        self.links = tuple(links)
        self.widths = tuple(link.sample(1, Generator().manual_seed(0)).shape[1] for link in self.links)

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw the random parameters of all links for n images.

        Args:
            n: number of images.
            generator: the only source of randomness.

        Returns:
            float32 (n, P), P the sum over all links.
        """
        return torch.cat([link.sample(n, generator) for link in self.links], 1)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Augment images by each link in turn.

        Args:
            x: images (B, C, H, W).
            params: what `sample` drew for them (B, P).

        Returns:
            Images (B, C, H, W) of the same dtype.
        """
        for link, own in zip(self.links, params.split(self.widths, 1), strict=True):
            x = link.apply(x, own)
        return x
