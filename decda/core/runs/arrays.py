"""Arrays of users -> images as decda takes them; what cannot be told for certain from the array is asked for."""

import warnings
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.errors import DataError
from decda.core.runs.images import check_pixels

Channels = Literal["first", "last"]
COLOURS = (1, 3, 4)
"""Numbers of channels that images usually have; any other number has to be declared."""


def as_images(array: Any, *, channels: Channels | None = None, shape: tuple[int, ...] | None = None) -> Tensor:
    """Bring an array into the shape (N, C, H, W).

    Args:
        array: NumPy array, tensor or anything that NumPy can read: (N, H, W), (N, H, W, C), (N, C, H, W), or rows
            (N, D), which become (N, 1, 1, D). uint8, booleans, or floats in [0, 1].
        channels: whether channels come `first` or `last`, where the shape alone leaves that open.
        shape: (C, H, W) of the images that a model was trained on; rows of C * H * W numbers are then taken, too.

    Returns:
        uint8, or float32 in [0, 1]; on the CPU, contiguous.

    Raises:
        DataError: shape, type or range do not fit, or the layout has to be declared.

    Example:
        >>> as_images(np.zeros((5, 40, 33, 3), dtype=np.uint8)).shape
        torch.Size([5, 3, 40, 33])
    """
    x = _as_tensor(array)
    if x.dim() < 2 or x.dim() > 4 or 0 in x.shape:
        raise DataError(
            "Images must be an array of shape (N, H, W), (N, H, W, C), (N, C, H, W) or (N, D), and not empty; this one "
            f"has the shape {tuple(x.shape)}."
        )
    if x.dim() == 2:
        x = _from_rows(x, shape, channels) if shape is not None else x[:, None, None]
    elif x.dim() == 3:
        x = x.unsqueeze(1)
    elif _channels_last(x, channels, shape):
        x = x.movedim(3, 1)
    if shape is not None and tuple(x.shape[1:]) != shape:
        raise DataError(
            f"These images have the shape {tuple(x.shape[1:])} (channels, height, width), and the model was trained on "
            f"images of shape {shape}. Bring them to that size, or declare channels='first' or channels='last'."
        )
    x = x.contiguous()
    if x.dtype != torch.uint8:
        _check_range(x)
    return x


def as_labels(labels: Any, n: int) -> Tensor:
    """Class labels of any kind -> classes numbered from 0, in sorted order.

    Args:
        labels: N numbers or texts.
        n: the number of images.

    Returns:
        int64 (N,).

    Raises:
        DataError: there are more or fewer of them, or they are not one for each image.

    Example:
        >>> as_labels(["cat", "dog", "cat"], 3)
        tensor([0, 1, 0])
    """
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if array.shape != (n,):
        raise DataError(f"Labels must be one number or text for each of the {n} images; their shape is {array.shape}.")
    try:
        _, numbers = np.unique(array, return_inverse=True)
    except TypeError as error:
        raise DataError(f"Labels must all be numbers, or all texts: {error}.") from error
    return torch.from_numpy(numbers.astype(np.int64))


def _from_rows(x: Tensor, shape: tuple[int, ...], channels: Channels | None) -> Tensor:
    """Rows (N, D) as the images they were flattened from."""
    if x.shape[1] != int(np.prod(shape)):
        return x[:, None, None]
    if shape[0] > 1 and channels is None:
        raise DataError(
            f"Rows of {x.shape[1]} numbers may hold images of shape {shape} with their channels first or last. Declare "
            "channels='first' or channels='last'.",
            parameter="channels",
        )
    n_channels, height, width = shape
    return x.reshape(-1, height, width, n_channels).movedim(3, 1) if channels == "last" else x.reshape(-1, *shape)


def _as_tensor(array: Any) -> Tensor:
    if isinstance(array, Tensor):
        if array.layout != torch.strided or array.is_complex():
            raise DataError(f"Images must be a dense tensor of real numbers, not {array.layout}, {array.dtype}.")
        x = array.detach().cpu()
        return x.float() if x.is_floating_point() or x.dtype == torch.bool else _as_bytes(x)
    try:
        values: NDArray[Any] = np.asarray(array)
    except (ValueError, TypeError) as error:  # rows of several lengths, for one
        raise DataError(f"Images must be an array of numbers, all of one size: {error}.") from error
    if values.dtype.kind not in "buif":
        raise DataError(
            f"Images must be an array of numbers; these are of type {values.dtype}. If they differ in size, bring them "
            "to one size first."
        )
    if values.dtype.kind in "bf":
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
    if values.dtype != np.uint8:
        values = (np.minimum(values, 2**62) if values.dtype == np.uint64 else values).astype(np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # images are only read, so that an array may be read-only
        return _as_bytes(torch.from_numpy(np.ascontiguousarray(values)))


def _as_bytes(x: Tensor) -> Tensor:
    if x.dtype != torch.uint8:
        raise DataError(
            f"Whole numbers must be uint8, gray values from 0 to 255; these are {x.dtype}, from {int(x.min())} to "
            f"{int(x.max())}. Convert them with .astype('uint8') if they are gray values, else divide them into [0, 1]."
            if x.numel()
            else f"Images must not be empty; the shape is {tuple(x.shape)}."
        )
    return x


def _channels_last(x: Tensor, channels: Channels | None, shape: tuple[int, ...] | None) -> bool:
    if channels is not None:
        if channels not in ("first", "last"):
            raise DataError(f"channels must be 'first' or 'last', not {channels!r}.")
        return channels == "last"
    if shape is not None:
        first, last = tuple(x.shape[1:]) == shape, (x.shape[3], x.shape[1], x.shape[2]) == shape
        if first != last:
            return last
    first, last = x.shape[1] in COLOURS, x.shape[3] in COLOURS
    if first == last:
        raise DataError(
            f"An array of shape {tuple(x.shape)} could be read as (N, C, H, W) or as (N, H, W, C). Declare "
            "channels='first' or channels='last'.",
            parameter="channels",
        )
    return last


def _check_range(x: Tensor) -> None:
    low, high = x.aminmax()
    if bool(low.isfinite() & high.isfinite()) and (low < 0 or high > 1):
        advice = "Divide them by 255" if low >= 0 and 1 < high <= 255 else "Scale them: (x - min) / (max - min)"
        raise DataError(
            f"Floats must be in [0, 1]; these are from {low.item():g} to {high.item():g}. {advice}, the same way for "
            "all images."
        )
    check_pixels(x, "The array")
