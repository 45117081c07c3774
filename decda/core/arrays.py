"""Arrays and tables of users as images: one way for all doors, kind where nothing is lost, strict where it would be.

What authors of data sets may use: `ArraySource` for arrays of any layout and type, `as_labels` for classes of any kind,
`read_array_file` and `read_label_file` for files.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from decda.core.array_files import read_array_file, read_label_file
from decda.core.array_labels import as_labels
from decda.core.array_layout import find_layout, require_channels_first
from decda.core.array_scaling import find_scaling, read_scale
from decda.core.array_values import as_numbers
from decda.core.contracts import ImageSet, ImageSource
from decda.core.errors import DataError
from decda.core.mapped_arrays import give_back

__all__ = ["ArraySource", "as_labels", "read_array_file", "read_label_file", "require_channels_first", "tidy"]


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
            return _view(values)
        except ValueError:  # strides that are negative, or no multiples of the size of a number
            return None


def tidy(images: ImageSet, owner: str) -> ImageSet:
    """Bring what a data set returned to the types of the contract, where nothing is lost.

    NumPy arrays become tensors; floats of other widths and booleans float32; labels of any kind classes from 0; names
    a list of texts. What cannot be converted is left as it is, for the check that follows.

    Args:
        images: what a data set returned. It is not changed.
        owner: what errors call the data set.

    Returns:
        The images, converted.

    Raises:
        DataError: labels are missing, mixed or one-hot.

    Example:
        >>> images = ImageSet(np.zeros((2, 1, 4, 4)), ["b", "a"], [Path("1.png"), Path("2.png")])
        >>> tidied = tidy(images, "data set 'mine'")
        >>> tidied.x.dtype, tidied.y, tidied.names
        (torch.float32, tensor([1, 0]), ['1.png', '2.png'])
    """
    x = _tidy_pixels(images.x)
    n = len(x) if isinstance(x, Tensor) and x.dim() > 0 else None
    y = images.y if images.y is None or n is None else _tidy_labels(images.y, n, owner)
    return replace(images, x=x, y=y, names=_tidy_names(images.names))


def _view(values: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # images are only read, so that an array may be read-only
        return torch.from_numpy(values)


def _tidy_pixels(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        if (x.dtype.kind not in "bf" and x.dtype != np.uint8) or np.ma.is_masked(x):
            return x
        with np.errstate(over="ignore"):  # told by the check that follows, as not finite
            x = np.ascontiguousarray(x) if x.dtype == np.uint8 else np.ascontiguousarray(x, dtype=np.float32)
        return _view(x)
    if not isinstance(x, Tensor) or x.layout != torch.strided or x.is_quantized or x.is_nested:
        return x
    x = x.detach()
    if x.device.type not in ("cpu", "meta"):
        x = x.cpu()
    return x.float() if x.is_floating_point() or x.dtype == torch.bool else x


def _tidy_labels(y: Any, n: int, owner: str) -> Any:
    if isinstance(y, Tensor) and y.dtype == torch.int64 and y.dim() == 1 and len(y) and int(y.min()) == 0:
        return y
    size = tuple(y.shape) if hasattr(y, "shape") else (len(y),) if hasattr(y, "__len__") else ()
    if size[:1] != (n,) or isinstance(y, str):
        return y
    try:
        return as_labels(y, n)
    except DataError as error:
        raise DataError(f"{owner}: {error}") from error


def _tidy_names(names: Any) -> Any:
    if names is None or isinstance(names, str | bytes):
        return names
    try:
        listed = list(names)
    except TypeError:
        return names
    return [str(name) for name in listed] if all(isinstance(name, str | Path) for name in listed) else names
