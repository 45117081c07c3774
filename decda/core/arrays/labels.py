"""Class labels of any kind -> classes numbered from 0."""

from collections import Counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.errors import DataError, in_a_line

MISSING = ("NAType", "NaTType")
"""The types of pandas' missing values, which are equal to nothing."""


def as_labels(labels: Any, n: int) -> Tensor:
    """Class labels of any kind -> classes numbered from 0, in sorted order.

    Args:
        labels: N whole numbers (of any type, from any number on), truth values or texts, as a list, array, tensor or
            pandas series; also as a column (N, 1).
        n: the number of images.

    Returns:
        int64 (n,).

    Raises:
        DataError: there are more or fewer of them, some are missing, or they are not one class for each image.

    Example:
        >>> as_labels(["cat", "dog", "cat"], 3)
        tensor([0, 1, 0])
    """
    values = _as_array(labels)
    if values.ndim == 2 and values.shape == (n, 1):
        values = values[:, 0]
    if values.ndim == 2 and values.shape[0] == n and _is_one_hot(values):
        raise DataError(
            f"Labels must be one number or text for each of the {n} images; these are one-hot rows, of shape "
            f"{values.shape}. Give their classes: labels.argmax(1)."
        )
    if values.shape != (n,):
        raise DataError(f"Labels must be one number or text for each of the {n} images; their shape is {values.shape}.")
    if values.dtype.kind == "O":
        values = _from_objects(values)
    _check_complete(values)
    try:
        _, numbers = np.unique(values, return_inverse=True)
    except TypeError as error:
        raise DataError(f"Labels must all be numbers, or all texts: {error}.") from error
    return torch.from_numpy(numbers.reshape(-1).astype(np.int64))


def _as_array(labels: Any) -> NDArray[Any]:
    if np.ma.is_masked(labels):
        raise DataError(
            f"{int(np.ma.getmaskarray(labels).sum())} labels are masked. Leave out those images, or fill them in."
        )
    if isinstance(labels, Tensor):
        if labels.layout != torch.strided or labels.is_complex() or labels.device.type == "meta":
            raise DataError(f"Labels must be a dense tensor of numbers, not {labels.layout}, {labels.dtype}.")
        return np.asarray((labels.double() if labels.is_floating_point() else labels).numpy(force=True))
    if not isinstance(labels, np.ndarray) and hasattr(labels, "toarray"):
        raise DataError(f"Labels are sparse ({type(labels).__name__}). Give their classes: labels.toarray().argmax(1).")
    # As objects, because NumPy would turn the missing values among texts into the text "nan".
    plain = isinstance(labels, list | tuple)
    try:
        values: NDArray[Any] = np.asarray(labels, dtype=object) if plain else np.asarray(labels)
    except Exception as error:  # rows of several lengths, or an object that fails to give its values
        raise DataError(f"Labels must be one number or text for each image: {in_a_line(error)}.") from error
    return values


def _is_one_hot(values: NDArray[Any]) -> bool:
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        return False
    return bool((((numbers == 0) | (numbers == 1)).all(1) & (numbers.sum(1) == 1)).all())


def _from_objects(values: NDArray[Any]) -> NDArray[Any]:
    items = [item.item() if isinstance(item, Tensor | np.generic) and item.ndim == 0 else item for item in values]
    missing = sum(item is None or type(item).__name__ in MISSING or _is_nan(item) for item in items)
    if missing:
        raise _incomplete(missing, len(items))
    kinds = Counter("text" if isinstance(item, str) else "number" if _is_number(item) else "other" for item in items)
    if kinds["text"] and kinds["number"]:
        raise DataError(f"Labels must all be numbers, or all texts; {kinds['text']} of {len(items)} are texts.")
    nested = next((item for item in items if isinstance(item, list | tuple | dict | set | np.ndarray | Tensor)), None)
    if nested is not None:
        raise DataError(f"Labels must be one number or text for each image; one is a {type(nested).__name__}.")
    if kinds["other"]:  # dates, say: any objects that can be put in order
        result = np.empty(len(items), dtype=object)
        result[:] = items
        return result
    return np.asarray(items)


def _is_number(item: Any) -> bool:
    return isinstance(item, bool | int | float)


def _is_nan(item: Any) -> bool:
    return isinstance(item, float) and item != item


def _check_complete(values: NDArray[Any]) -> None:
    """Require that no label is missing, and that floats are whole numbers."""
    if values.dtype.kind == "M" or values.dtype.kind == "m":
        missing = int(np.isnat(values).sum())
    else:
        missing = int(np.isnan(values).sum()) if values.dtype.kind in "fc" else 0
    if missing:
        raise _incomplete(missing, len(values))
    if values.dtype.kind == "c":
        raise DataError("Labels must be whole numbers or texts, not complex numbers.")
    if values.dtype.kind == "f":
        odd = values[~np.isfinite(values) | (values != np.floor(values))]
        if len(odd):
            raise DataError(f"Labels must be classes: whole numbers or texts, not numbers such as {odd[0]:g}.")


def _incomplete(missing: int, n: int) -> DataError:
    return DataError(
        f"{missing} of {n} labels are missing (NaN or None). Leave out those images, give them a class of their own, "
        "or give no labels: they serve for scoring only."
    )
