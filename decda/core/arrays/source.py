"""An array, or a mapped file of numbers, as a source of images."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from decda.core.arrays.labels import as_labels
from decda.core.arrays.layout import find_layout
from decda.core.arrays.scaling import find_scaling, read_scale
from decda.core.arrays.values import as_numbers, as_view
from decda.core.contracts import ImageSource
from decda.core.errors import DataError
from decda.core.mapped_files import give_back, remember_mapping


class ArraySource(ImageSource):
    """Images in an array, or the rows of a table, converted part by part.

    Args:
        array: NumPy array (also a mapped one), tensor, pandas or polars data frame, or nested lists: (N, H, W),
            (N, H, W, C), (N, C, H, W), or rows (N, D), which are a table unless `shape` is given.
        y: classes as `as_labels` takes them, or None.
        names: one for each image, or None.
        input_shape: (C, H, W) that new images for a trained model must get. Ambiguous layouts are told by it, and rows
            of C * H * W numbers are taken for flattened images.
        shape: of the images that rows were flattened from: (H, W), (C, H, W) or (H, W, C).
        channels: `first` or `last`, where the shape leaves it open; else `auto`.
        scale: `auto`: uint8, booleans and floats in [0, 1] as they are, and tables standardised. A number, as such or
            as text: divided by it, so that pixels come into [0, 1]. `minmax`: by the smallest and largest of all
            pixels, or of each column. `standard`: each column of a table to mean 0 and deviation 1. `none`: as they
            are.
        center: with `spread`, what `settings` held for other images before: those numbers are used again.
        spread: see center.
        key: of `ImageSource`.
        settings: more that the run should remember, such as a path.

    Attributes:
        settings: what was given, and shape, channels, scale, center and spread as found out: given back, they prepare
            new images in the same way. Of new images, what `minmax` leaves outside [0, 1] is moved to its edge.

    Raises:
        DataError: type, shape or values do not suit, or something has to be declared, which `parameter` then names.
        InvalidParameter: shape, channels, scale, center or spread make no sense.

    Example:
        >>> source = ArraySource(np.full((5, 40, 33, 3), 16, dtype=np.int64), scale="32")
        >>> source.shape, source.settings["channels"], source.read(0, 1)[0].unique().tolist()
        ((5, 3, 40, 33), 'last', [0.5])
        >>> table = ArraySource([[1.0, 5.0], [3.0, 5.0]])
        >>> table.read(0, 2)[0].flatten(1).tolist(), table.settings["center"]
        ([[-1.0, 0.0], [1.0, 0.0]], (2.0, 5.0))
    """

    def __init__(
        self,
        array: Any,
        *,
        y: Any = None,
        names: Sequence[str] | None = None,
        input_shape: tuple[int, ...] | None = None,
        shape: Sequence[int] = (),
        channels: str | None = "auto",
        scale: str | float = "auto",
        center: Sequence[float] = (),
        spread: Sequence[float] = (),
        key: str | None = None,
        settings: Mapping[str, Any] = MappingProxyType({}),
    ):
        values, scale, shape = as_numbers(array), read_scale(scale), tuple(int(side) for side in shape)
        remember_mapping(values)
        expected = None if input_shape is None else tuple(input_shape)
        of_columns = scale == "standard" or len(center) > 1
        if expected is not None and values.shape[1:] == expected and expected[:2] == (1, 1) and of_columns:
            values = values.reshape(-1, expected[2])  # rows of a table in the shape of images
        layout = find_layout(values.shape, shape=shape, channels=channels or "auto", input_shape=expected)
        scaling = find_scaling(values, table=layout.table, scale=scale, center=center, spread=spread)
        self._values, self._layout, self._scaling = values, layout, scaling
        n = len(values)
        as_bytes = values.dtype == np.uint8 and not layout.table and scaling.scale in ("none", "255")
        self.shape = (n, *layout.image)
        self.dtype = torch.uint8 if as_bytes else torch.float32
        self.value_range = None if layout.table else (0.0, 1.0)
        self.y = None if y is None else as_labels(y, n)
        self.names = None if names is None else [str(name) for name in names]
        if self.names is not None and len(self.names) != n:
            raise DataError(f"There must be one name for each of the {n} images; there are {len(self.names)}.")
        self.key = key
        self.settings = {
            **settings,
            "shape": shape,
            "channels": layout.channels,
            "scale": scaling.scale,
            "center": scaling.center,
            "spread": scaling.spread,
        }

    def read(self, start: int, stop: int) -> tuple[Tensor, Mapping[int, str]]:
        """Convert some consecutive images.

        Args:
            start: position of the first, from 0.
            stop: position after the last, at most N.

        Returns:
            Images (stop - start, C, H, W), uint8 or float32, of their own memory; and an empty mapping.
        """
        values = self._layout.arrange(self._values[start:stop])
        read = np.array(values, order="C") if self.dtype == torch.uint8 else self._scaling.apply(values)
        give_back(self._values)
        return torch.from_numpy(read), {}

    def whole(self) -> Tensor | None:
        """All images as a view of the array, where they need no conversion; else None."""
        values = self._layout.arrange(self._values)
        scaled = self._scaling.center or self._scaling.divisor != 1
        if self.dtype == torch.float32 and (values.dtype != np.float32 or scaled):
            return None
        if not values.flags.aligned:
            return None
        try:
            return as_view(values)
        except ValueError:  # strides that are negative, or no multiples of the size of a number
            return None
