"""Which axis of an array is which: told by its shape where that is certain, asked for where it is not."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decda.core.errors import DataError, InvalidParameter

Shape = tuple[int, ...]
COLOURS = (1, 3, 4)
"""Numbers of channels that images usually have; any other number has to be declared."""
KINDS = "(N, H, W), (N, H, W, C), (N, C, H, W), or rows (N, D)"
FIRST = "x.permute(0, 3, 1, 2) of a tensor, x.transpose(0, 3, 1, 2) of a NumPy array"


@dataclass(frozen=True)
class Layout:
    """How an array holds images or the rows of a table.

    Attributes:
        image: (C, H, W); of a table (1, 1, D).
        table: whether its rows are no images.
        channels: `first` or `last`, or `auto` where there is nothing to tell apart.
    """

    image: tuple[int, int, int]
    table: bool = False
    channels: str = "auto"

    def arrange(self, values: NDArray[Any]) -> NDArray[Any]:
        """View some of the array's images as (n, C, H, W), without copying.

        Args:
            values: some consecutive entries of the array.
        """
        c, h, w = self.image
        if self.channels == "last":
            return np.moveaxis(values.reshape(-1, h, w, c), 3, 1)
        return values.reshape(-1, c, h, w)


def find_layout(size: Shape, *, shape: Shape = (), channels: str = "auto", input_shape: Shape | None = None) -> Layout:
    """Tell how an array holds images.

    Args:
        size: the shape of the array.
        shape: of the images that rows (N, D) were flattened from, (H, W), (C, H, W) or (H, W, C). (): rows are a table.
        channels: `first`, `last`, or `auto`: told by the shape.
        input_shape: (C, H, W) that the images must get, or None.

    Returns:
        The layout.

    Raises:
        DataError: the array cannot hold such images, or where its channels are has to be declared.
        InvalidParameter: shape or channels make no sense.

    Example:
        >>> find_layout((5, 40, 33, 3))
        Layout(image=(3, 40, 33), table=False, channels='last')
        >>> find_layout((5, 60))
        Layout(image=(1, 1, 60), table=True, channels='auto')
    """
    if channels not in ("auto", "first", "last"):
        raise InvalidParameter(f"channels must be 'auto', 'first' or 'last', not {channels!r}.", parameter="channels")
    if len(shape) not in (0, 2, 3) or any(side < 1 for side in shape):
        raise InvalidParameter(
            f"shape must be the height and width of the images, with their channels first or last if they have any: "
            f"such as 28,28 or 3,32,32; not {tuple(shape)}.",
            parameter="shape",
        )
    if not 2 <= len(size) <= 4 or 0 in size:
        raise DataError(f"Images must be an array of shape {KINDS}, and not empty; this one has the shape {size}.")
    if len(size) == 2:
        return _of_rows(size, shape, channels, input_shape)
    if input_shape is not None:
        return _for_model(size, channels, input_shape)
    if len(size) == 3:
        layout = Layout((1, size[1], size[2]))
    else:
        layout = _of_four(size, "last" if _is_last(size, channels) else "first")
    if shape and layout.image not in _readings(shape, channels):
        raise DataError(
            f"The images of this array have the shape {layout.image} (channels, height, width), and {tuple(shape)} was "
            "declared. Declare the shape of rows (N, D) alone, or give the images that were meant.",
            parameter="shape",
        )
    return layout


def require_channels_first(x: Any, owner: str) -> None:
    """Refuse images of which the channels, said to come first, seem to come last.

    Args:
        x: images that should be (N, C, H, W): a tensor or an array.
        owner: what errors call them.

    Raises:
        DataError: their last axis has the size of channels, and the second has not.

    Example:
        >>> require_channels_first(np.zeros((5, 3, 28, 28)), "data set 'mine'")
    """
    size = tuple(x.shape)
    if len(size) != 4:
        return
    if (size[3] in (3, 4) and size[1] > 4) or (size[3] == 1 and size[1] == size[2] > 4):
        raise DataError(
            f"{owner}: images must be (N, C, H, W), and of these, (N, {size[1]}, {size[2]}, {size[3]}), the channels "
            f"seem to come last. Bring them first: {FIRST}; or declare channels='last' where that is a parameter."
        )


def _of_rows(size: Shape, shape: Shape, channels: str, input_shape: Shape | None) -> Layout:
    """Rows: of a table, or images that were flattened."""
    d = size[1]
    if input_shape is not None:
        if input_shape[:2] == (1, 1) and not shape and input_shape[2] == d:
            return Layout((1, 1, d), table=True)
        if d != math.prod(input_shape):
            raise _mismatch(size, input_shape, f"rows of {d} numbers")
        declared = _readings(shape, channels) if len(shape) == 3 else {}
        told = [order for image, order in declared.items() if image == input_shape]
        order = channels if channels != "auto" or input_shape[0] == 1 else told[0] if len(told) == 1 else None
        return _flattened(input_shape, order)
    if not shape:
        return Layout((1, 1, d), table=True)
    if math.prod(shape) != d:
        product = " x ".join(str(side) for side in shape)
        raise DataError(
            f"Rows of {d} numbers cannot be images of shape {tuple(shape)}, which have {product} = {math.prod(shape)}.",
            parameter="shape",
        )
    readings = _readings(shape, channels)
    if len(readings) > 1:
        likely = {image: order for image, order in readings.items() if image[0] in COLOURS}
        readings = likely if len(likely) == 1 else readings
    image, order = next(iter(readings.items()))
    return _flattened(image, order if len(readings) == 1 else None)


def _flattened(image: Shape, order: str | None) -> Layout:
    if order is None:
        raise DataError(
            f"Rows of {math.prod(image)} numbers may hold images with their channels first or last. Declare "
            "channels='first' or channels='last'.",
            parameter="channels",
        )
    c, h, w = image
    return Layout((c, h, w), channels=order)


def _readings(shape: Shape, channels: str) -> dict[Shape, str]:
    """The images (C, H, W) that a declared shape may mean, each with the order of channels that it takes."""
    if len(shape) == 2:
        return {(1, *shape): "auto"}
    first, last = tuple(shape), (shape[2], shape[0], shape[1])
    if channels != "auto":
        return {first: "first"} if channels == "first" else {last: "last"}
    return {first: "first", last: "last"} if first != last else {first: "auto"}


def _for_model(size: Shape, channels: str, input_shape: Shape) -> Layout:
    """Images that must get a shape; an order of channels that does not fit gives way to the one that does."""
    fits = [order for order in ("first", "last") if len(size) == 4 and _of_four(size, order).image == input_shape]
    if len(size) == 3 and (1, *size[1:]) == input_shape:
        return Layout((1, size[1], size[2]))
    if not fits:
        if len(size) == 3:
            found: Any = (1, *size[1:])
        else:
            found = _of_four(size, "last" if channels == "last" or _seems_last(size) else "first").image
        raise _mismatch(size, input_shape, f"the shape {found} (channels, height, width)")
    if len(fits) == 2 and channels == "auto" and input_shape[0] > 1:
        raise _ambiguous(size)
    return _of_four(size, channels if channels in fits else fits[0])


def _of_four(size: Shape, order: str) -> Layout:
    return Layout((size[3], size[1], size[2]) if order == "last" else (size[1], size[2], size[3]), channels=order)


def _seems_last(size: Shape) -> bool:
    return size[3] in COLOURS and size[1] not in COLOURS


def _is_last(size: Shape, channels: str) -> bool:
    if channels != "auto":
        return channels == "last"
    if (size[1] in COLOURS) == (size[3] in COLOURS):
        raise _ambiguous(size)
    return _seems_last(size)


def _ambiguous(size: Shape) -> DataError:
    return DataError(
        f"An array of shape {size} could be read as (N, C, H, W) or as (N, H, W, C). Declare channels='first' or "
        "channels='last'.",
        parameter="channels",
    )


def _mismatch(size: Shape, input_shape: Shape, found: str) -> DataError:
    c, h, w = input_shape
    alone = [input_shape, (h, w, c), *([(h, w)] if c == 1 else [])]
    hint = " A single image needs an axis more: x[None]." if size in alone else ""
    return DataError(
        f"This array of shape {size} holds {found}, and the model was trained on images of shape {input_shape} "
        f"(channels, height, width). Bring them to that size.{hint}"
        if (c, h) != (1, 1)
        else f"This array of shape {size} holds {found}, and the model was trained on rows of {w} numbers (or images "
        f"of shape {input_shape}). Give the same columns, in the same order."
    )
