"""What a data set returned -> the types of the contract: kind where nothing is lost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from decda.core.arrays.labels import as_labels
from decda.core.arrays.values import as_view
from decda.core.contracts import ImageSet
from decda.core.errors import DataError


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


def _tidy_pixels(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        if (x.dtype.kind not in "bf" and x.dtype != np.uint8) or np.ma.is_masked(x):
            return x
        with np.errstate(over="ignore"):  # told by the check that follows, as not finite
            x = np.ascontiguousarray(x) if x.dtype == np.uint8 else np.ascontiguousarray(x, dtype=np.float32)
        return as_view(x)
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
