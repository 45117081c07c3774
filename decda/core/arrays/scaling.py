"""Values of arrays -> pixels in [0, 1], or the columns of a table on one scale; what is ambiguous is asked for.

A scale is one of `auto`, `none`, `minmax`, `standard`, or a number as text, by which values are divided.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decda.core.errors import DataError, InvalidParameter
from decda.core.mapped_files import give_back

Array = NDArray[Any]
CHUNK = 2**20
"""Values looked at together: checks and statistics need memory for so many, whatever the size of the array."""
NAMES = ("auto", "none", "minmax", "standard")
FULL_SCALES = (255, 1023, 4095, 16383, 65535)
"""The largest values of images of 8, 10, 12, 14 and 16 bits."""
NOISE = 16 * np.finfo(np.float64).eps
"""Columns whose deviation is below this share of their mean hold one value, up to rounding."""


@dataclass(frozen=True)
class Scaling:
    """What is done to the values of an array: (x - center) / spread.

    Attributes:
        scale: `none`, `minmax`, `standard`, or a number as text.
        center: one number for each column of a table, or one for all pixels; () where nothing is subtracted.
        spread: as many, above 0.
        clip: whether what leaves [0, 1] is moved to its edge.
    """

    scale: str = "none"
    center: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    clip: bool = False

    @property
    def divisor(self) -> float:
        """The number that values are divided by."""
        return 1.0 if self.scale in NAMES else float(self.scale)

    def apply(self, values: Array) -> NDArray[np.float32]:
        """Scale some values, in float64.

        Args:
            values: (n, C, H, W).

        Returns:
            float32 (n, C, H, W), a copy.
        """
        numbers = np.array(values, dtype=np.float64, order="C")
        if self.center:
            numbers -= np.array(self.center)
            numbers /= np.array(self.spread)
        elif self.divisor != 1:
            numbers /= self.divisor
        if self.clip:
            np.clip(numbers, 0, 1, out=numbers)
        with np.errstate(over="ignore"):  # checked when the scaling was found out
            return numbers.astype(np.float32)


def read_scale(scale: str | float) -> str:
    """Check a scale, and write a number in one way.

    Args:
        scale: one of the names, or a number above 0, as such or as text.

    Returns:
        The name, or the number as text.

    Raises:
        InvalidParameter: it is neither.

    Example:
        >>> read_scale(255.0), read_scale("16"), read_scale("minmax")
        ('255', '16', 'minmax')
    """
    text = str(scale).strip().lower()
    if isinstance(scale, str) and text in NAMES:
        return text
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if isinstance(scale, bool) or not (0 < number < math.inf):
        listed = ", ".join(f"'{name}'" for name in NAMES)
        raise InvalidParameter(
            f"scale must be one of {listed}, or a number above 0 that values are divided by, such as '255'; not "
            f"{str(scale)[:60]!r}.",
            parameter="scale",
        )
    return str(int(number)) if number == int(number) else repr(number)


def find_scaling(
    values: Array, *, table: bool, scale: str = "auto", center: Sequence[float] = (), spread: Sequence[float] = ()
) -> Scaling:
    """Find out how the values of an array become pixels, or comparable columns, and check that they can.

    Args:
        values: the whole array, (N, D) if it is a table; numbers of any type.
        table: whether it is one.
        scale: as `read_scale` returns it.
        center: with `spread`, what was found out from other images before, for `minmax` and `standard`.
        spread: see center.

    Returns:
        The scaling, with nothing left open.

    Raises:
        DataError: values are not finite, or not in [0, 1] with that scale.
        InvalidParameter: center and spread do not fit.

    Example:
        >>> find_scaling(np.array([[0.0], [4.0]]), table=True)
        Scaling(scale='standard', center=(2.0,), spread=(2.0,), clip=False)
    """
    center, spread = tuple(map(float, center)), tuple(map(float, spread))
    if table and scale == "auto":
        scale = "standard"
    if not table and scale == "standard":
        raise DataError(
            "Images cannot be standardised, because pixels must be in [0, 1]. Use the scale 'minmax', or the largest "
            "value that a pixel may have, such as '255'; 'standard' is for tables.",
            parameter="scale",
        )
    if center or spread:
        _check_given(scale, center, spread, values.shape[1] if table else 1)
    if table:
        return _of_table(values, scale, center, spread)
    return _of_images(values, scale, center, spread)


def chunks(values: Array) -> Iterator[tuple[int, Array]]:
    """Some consecutive entries of an array after the other, with the position of the first.

    Args:
        values: (N, ...). If it is mapped, its memory is given back after each chunk.
    """
    rows = max(CHUNK // max(math.prod(values.shape[1:]), 1), 1)
    for start in range(0, len(values), rows):
        yield start, values[start : start + rows]
        give_back(values)


def _check_given(scale: str, center: Sequence[float], spread: Sequence[float], columns: int) -> None:
    fits = len(center) == len(spread) and len(center) in (1, columns)
    if scale not in ("minmax", "standard"):
        problem = f"go with the scales 'minmax' and 'standard', not with '{scale}'"
    elif not fits:
        problem = (
            f"must hold {columns} number{'s' if columns != 1 else ''} each; they hold {len(center)} and {len(spread)}"
        )
    elif not all(map(math.isfinite, (*center, *spread))) or min(spread) <= 0:
        problem = "must be finite, and spread above 0"
    else:
        return
    raise InvalidParameter(f"center and spread {problem}.", parameter="spread" if fits else "center")


def _of_images(values: Array, scale: str, center: tuple[float, ...], spread: tuple[float, ...]) -> Scaling:
    unsure = scale == "auto" and values.dtype.kind in "iu"  # whole numbers: black and white, or gray values?
    scale = "none" if scale == "auto" else scale
    if scale in ("none", "255") and values.dtype == np.uint8:
        return Scaling(scale)  # bytes, which are divided by 255 as they are used
    low, high = _range(values)
    if scale == "minmax":
        if not center:
            return Scaling(scale, (low,), (_span(low, high) or 1.0,), clip=True)
        scaled = [(edge - center[0]) / spread[0] for edge in (low, high)]
        if min(scaled) < -1 or max(scaled) > 2:
            raise DataError(
                f"The pixels, from {low:g} to {high:g}, lie far outside the range of the images that the scale "
                f"'minmax' was found out from, {center[0]:g} to {center[0] + spread[0]:g}. Bring them "
                "to the same scale first."
            )
        return Scaling(scale, center, spread, clip=True)
    scaling = Scaling(scale)
    edges = np.array([low, high]) / scaling.divisor
    if unsure or (edges.astype(np.float32) < 0).any() or (edges.astype(np.float32) > 1).any():
        divided = "" if scale == "none" else f", divided by {scale} from {edges[0]:g} to {edges[1]:g}"
        raise DataError(
            f"Pixels must be uint8 or in [0, 1]; these are {values.dtype} from {low:g} to {high:g}{divided}. "
            f"{advice(low, high)}",
            parameter="scale",
        )
    return scaling


def advice(low: float, high: float) -> str:
    """What scale pixels of a range seem to have.

    Args:
        low: the smallest.
        high: the largest.

    Returns:
        A sentence or two.

    Example:
        >>> advice(0, 4000)
        "Declare what to divide them by, probably scale='4095'; or scale='minmax', by their smallest and largest."
    """
    if low < 0:
        start = "They seem to be in [-1, 1]: give (x + 1) / 2, or d" if low >= -1 and high <= 1 else "D"
        return f"{start}eclare scale='minmax', which scales them by their smallest and largest."
    if high <= 1:  # whole numbers
        return "Declare scale='1' if they are 0 and 1, scale='255' if they are gray values of 8 bits."
    full = next((full for full in FULL_SCALES if high <= full), None)
    likely = f"Declare what to divide them by, probably scale='{full}'" if full else "Declare what to divide them by"
    if full is None or high < full / 2:
        likely += f", or the largest value that they may have, such as scale='{math.ceil(high)}'"
    return f"{likely}; or scale='minmax', by their smallest and largest."


def _of_table(values: Array, scale: str, center: tuple[float, ...], spread: tuple[float, ...]) -> Scaling:
    n, width = values.shape
    low, high, total = np.full(width, np.inf), np.full(width, -np.inf), np.zeros(width)
    with np.errstate(over="ignore", invalid="ignore"):
        for _, chunk in chunks(values):
            # In one order and type, so that equal numbers give equal sums, however they were stored.
            numbers = np.ascontiguousarray(chunk, dtype=np.float64)
            low, high = np.minimum(low, numbers.min(0)), np.maximum(high, numbers.max(0))
            total += numbers.sum(0)
    if not (np.isfinite(low) & np.isfinite(high)).all():
        raise _not_finite(values, "rows")
    if not center and scale == "minmax":
        center, spread = tuple(low.tolist()), tuple(_span(*edges) or 1.0 for edges in zip(low, high, strict=True))
    elif not center and scale == "standard":
        mean, deviation = _moments(values, low, high, np.where(low == high, low, total / n))
        center, spread = tuple(mean.tolist()), tuple(deviation.tolist())
    scaling = Scaling(scale, center, spread)
    edges = _scaled(scaling, low, high)
    if np.abs(edges).max() > np.finfo(np.float32).max:
        column = int(np.abs(edges).max(0).argmax())
        raise DataError(
            f"The values of column {column} (counted from 0), from {low[column]:g} to {high[column]:g}, are too large. "
            "Give their logarithms, or leave that column out.",
            parameter="scale",
        )
    return scaling


def _scaled(scaling: Scaling, low: Array, high: Array) -> Array:
    """The smallest and largest value of each column, scaled."""
    with np.errstate(over="ignore"):
        edges = np.stack([low, high])
        if scaling.center:
            edges = (edges - np.array(scaling.center)) / np.array(scaling.spread)
        return np.asarray(edges / scaling.divisor)


def _moments(values: Array, low: Array, high: Array, mean: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each column: a second pass over deviations from the mean of the first."""
    drift, squares = np.zeros_like(mean), np.zeros_like(mean)
    with np.errstate(over="ignore", invalid="ignore"):
        for _, chunk in chunks(values):
            deviations = np.ascontiguousarray(chunk, dtype=np.float64) - mean
            drift += deviations.sum(0)
            squares += np.square(deviations).sum(0)
        drift /= len(values)
        variance = np.maximum(squares / len(values) - np.square(drift), 0)
        deviation = np.sqrt(variance)
        exact = mean + drift
    if not np.isfinite(deviation).all():
        column = int(np.flatnonzero(~np.isfinite(deviation))[0])
        raise DataError(
            f"The values of column {column} (counted from 0), from {low[column]:g} to {high[column]:g}, are too large "
            "to be standardised. Give their logarithms, or leave that column out.",
            parameter="scale",
        )
    constant = (low == high) | (deviation <= NOISE * np.abs(exact))
    return np.where(low == high, low, exact), np.where(constant, 1.0, deviation)


def _span(low: float, high: float) -> float:
    span = float(high) - float(low)
    if not math.isfinite(span):
        raise DataError(f"The values, from {low:g} to {high:g}, are too far apart.", parameter="scale")
    return span


def _range(values: Array) -> tuple[float, float]:
    """The smallest and largest pixel, all of which must be finite."""
    edges = [(chunk.min(), chunk.max()) for _, chunk in chunks(values)]  # NaN if there is one
    low, high = float(np.min([edge[0] for edge in edges])), float(np.max([edge[1] for edge in edges]))
    if not (math.isfinite(low) and math.isfinite(high)):
        raise _not_finite(values, "images")
    return low, high


def _not_finite(values: Array, what: str) -> DataError:
    """The error for values that are missing or infinite; it names the first row."""
    count, first = 0, 0
    for start, chunk in chunks(values):
        bad = np.flatnonzero(~np.isfinite(chunk).reshape(len(chunk), -1).all(1))
        first = start + int(bad[0]) if len(bad) and not count else first
        count += len(bad)
    columns = ""
    if what == "rows":
        places = np.flatnonzero(~np.isfinite(values[first]))
        columns = f", in {'column' if len(places) == 1 else 'columns'} {', '.join(map(str, places[:5]))}"
    return DataError(
        f"{count} of {len(values)} {what} hold values that are missing or infinite (NaN, inf); the first is "
        f"{what[:-1]} {first}{columns} (counted from 0). Leave them out, or fill them in."
    )
