"""Whatever holds numbers (arrays, tensors, data frames, nested lists) -> one NumPy array of real numbers, or a reason.

Nothing is copied where the numbers already lie in memory, or in a mapped file, in some order and type of NumPy's.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.errors import DataError, in_a_line
from decda.core.mapped_files import remember_mapping

KINDS = {
    "c": "complex numbers; give their real and imaginary parts, or their magnitudes",
    "M": "dates; give numbers, such as days since the first of them",
    "m": "spans of time; give numbers, such as seconds",
    "U": "texts; give numbers. Images in files are read from their folder: give the path of the folder",
    "S": "texts; give numbers. Images in files are read from their folder: give the path of the folder",
    "T": "texts; give numbers. Images in files are read from their folder: give the path of the folder",
    "V": "records with fields; give a plain array of their numbers",
}
"""What NumPy's other kinds of types hold, and what to do."""


def as_numbers(array: Any) -> NDArray[Any]:
    """Bring anything that holds numbers into a NumPy array.

    Args:
        array: NumPy array (also mapped), tensor, pandas or polars data frame, or nested lists.

    Returns:
        Booleans, integers or floats of any width and byte order, in the shape they came in; without a copy if possible.

    Raises:
        DataError: it holds something else, is sparse or masked, or its rows differ in size.

    Example:
        >>> as_numbers([[1, 2], [3, 4]]).shape
        (2, 2)
    """
    if isinstance(array, Tensor):
        return _from_tensor(array)
    if np.ma.is_masked(array):
        masked = int(np.ma.getmaskarray(array).sum())
        raise DataError(f"{masked} values of the array are masked. Fill them in, as by array.filled(0).")
    if not isinstance(array, np.ndarray) and hasattr(array, "toarray"):
        raise DataError(f"The array is sparse ({type(array).__name__}). Give it as a dense one: array.toarray().")
    if hasattr(array, "columns") and hasattr(array, "to_numpy"):
        return _from_frame(array)
    if isinstance(array, list | tuple) and any(isinstance(item, Tensor) for item in array):
        array = [_from_tensor(item) if isinstance(item, Tensor) else item for item in array]
    try:
        values: NDArray[Any] = np.asarray(array)
    except MemoryError:
        raise
    except Exception as error:  # rows of several lengths, or an object that fails to give its values
        raise DataError(
            f"Images must be an array of numbers, all of one size: {in_a_line(error)}. Bring them to one size first."
        ) from error
    if values.dtype.kind == "O":
        values = _from_objects(values, array)
    if values.dtype.kind not in "buif":
        raise DataError(f"Images must be an array of numbers; these are of type {values.dtype}: {_meaning(values)}.")
    return values


def _meaning(values: NDArray[Any]) -> str:
    return KINDS.get(values.dtype.kind, "give numbers")


def _from_tensor(x: Tensor) -> NDArray[Any]:
    if x.layout != torch.strided or x.is_nested:
        raise DataError(f"Images must be a dense tensor, not one of layout {x.layout}. Give it as x.to_dense().")
    if x.is_complex() or x.is_quantized:
        raise DataError(f"Images must be a tensor of real numbers, not of {x.dtype}.")
    if x.device.type == "meta":
        raise DataError("The tensor is on the device 'meta', where tensors have no values.")
    if x.is_floating_point() and x.dtype not in (torch.float16, torch.float32, torch.float64):
        x = x.float()  # NumPy has no bfloat16
    values: NDArray[Any] = x.numpy(force=True)
    return values


def _from_frame(frame: Any) -> NDArray[Any]:
    """The numbers of a data frame; columns of several types, or with missing values, are looked at one by one."""
    values: NDArray[Any] = np.asarray(frame.to_numpy())
    if values.dtype.kind in "buif":
        return values
    names = list(frame.columns)
    if len(names) != len(set(names)):
        raise DataError("Several columns of the table have the same name. Rename them.")
    columns: list[NDArray[Any]] = []
    others: list[str] = []
    for name in names:
        column = frame[name]
        # pandas' types with missing values (Int64, boolean) come as objects, which NumPy reads if it is told the type.
        if getattr(column.dtype, "kind", "") in tuple("buif"):
            column = column.to_numpy(dtype=np.float64, na_value=np.nan)
        try:
            columns.append(as_numbers(np.asarray(column)))
        except DataError:
            others.append(str(name))
    if others:
        listed = ", ".join(repr(name) for name in others[:10]) + (", ..." if len(others) > 10 else "")
        one = len(others) == 1
        them = "it" if one else "them"
        found = "One column of the table does" if one else f"{len(others)} columns of the table do"
        raise DataError(f"{found} not hold numbers: {listed}. Leave {them} out, or turn {them} into numbers.")
    return np.stack([column.astype(np.float64, copy=False) for column in columns], axis=1)


def _from_objects(values: NDArray[Any], array: Any) -> NDArray[Any]:
    """An array of Python objects: numbers, or arrays of one size."""
    if values.ndim == 0:
        raise DataError(f"Images must be an array of numbers, not an object of type {type(array).__name__}.")
    items: Sequence[Any] = values.ravel().tolist()
    numbers = sum(isinstance(item, bool | int | float | np.bool_ | np.number) or _is_missing(item) for item in items)
    if numbers == len(items):
        filled = [np.nan if _is_missing(item) else item for item in items]
        try:
            read = np.asarray(filled)
            return (read.astype(np.float64) if read.dtype.kind == "O" else read).reshape(values.shape)
        except (OverflowError, ValueError) as error:
            raise DataError(f"Some numbers of the array are too large: {in_a_line(error)}.") from error
    if values.ndim == 1 and all(isinstance(item, np.ndarray | Tensor) for item in items):
        arrays = [as_numbers(item) for item in items]
        sizes = sorted({each.shape for each in arrays})
        if len(sizes) > 1:
            listed = ", ".join(str(size) for size in sizes[:3]) + (", ..." if len(sizes) > 3 else "")
            raise DataError(f"The images differ in size: {listed}. Bring them to one size first.")
        return np.stack(arrays)
    odd = next(item for item in items if not isinstance(item, bool | int | float | np.number) and not _is_missing(item))
    raise DataError(
        f"Images must be an array of numbers; {len(items) - numbers} of the {len(items)} objects in this one are "
        f"something else, the first of type {type(odd).__name__}. If they differ in size, bring them to one size first."
    )


def _is_missing(item: Any) -> bool:
    """Whether an object stands for a missing value: None, pandas' NA and NaT."""
    return item is None or type(item).__name__ in ("NAType", "NaTType")


def as_view(values: NDArray[Any]) -> Tensor:
    """An array as a tensor over the same memory.

    Args:
        values: of a type that PyTorch knows; may be read-only, for images are only read.

    Returns:
        The tensor.

    Raises:
        ValueError: strides are negative, or no multiples of the size of a number.

    Example:
        >>> as_view(np.arange(3)).tolist()
        [0, 1, 2]
    """
    remember_mapping(values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch's, of memory that is read-only
        return torch.from_numpy(values)
