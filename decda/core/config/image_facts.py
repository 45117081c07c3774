"""What a recipe may ask of the images before it decides."""

from collections.abc import Callable
from dataclasses import dataclass

from decda.core.config.run_config import PartConfig


@dataclass(frozen=True)
class ImageFacts:
    """What is known of a set of images without looking at a pixel.

    A recipe that is a function asks for these by name: `def mine(n_samples, input_shape): ...`.

    Attributes:
        n_samples: number of images.
        input_shape: (C, H, W).
        value_range: between which values they lie; None: they are the rows of a table.
    """

    n_samples: int
    input_shape: tuple[int, ...]
    value_range: tuple[float, float] | None = (0.0, 1.0)


Look = Callable[[PartConfig], ImageFacts]
"""Opens a data set and tells what it holds."""
