"""Values become pixels in [0, 1], or columns on one scale; nothing is guessed."""

from fractions import Fraction
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pytest

from decda.core.arrays import scaling as array_scaling
from decda.core.arrays.scaling import advice, chunks, find_scaling, read_scale
from decda.core.errors import DataError, InvalidParameter

RANDOM = np.random.default_rng(0)


def pixels(*values: Any, dtype: Any = np.float64) -> Any:
    return np.array(values, dtype=dtype).reshape(1, 1, -1)


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        ("255", "255"),
        (255, "255"),
        (255.0, "255"),
        (" 16 ", "16"),
        ("0.5", "0.5"),
        ("1e3", "1000"),
        ("MinMax", "minmax"),
    ],
)
def test_scales_are_written_in_one_way(scale: Any, text: str) -> None:
    """A number may be given as such or as text; what is recorded is the same."""
    assert read_scale(scale) == text


@pytest.mark.parametrize("scale", ["max", "0", "-1", "nan", "inf", "", True, None, 0, "255px", "a" * 500])
def test_unknown_scales(scale: Any) -> None:
    """What is neither a name nor a number above 0 is an error of usage that lists the names."""
    with pytest.raises(InvalidParameter, match="'auto', 'none', 'minmax', 'standard', or a number above 0") as error:
        read_scale(scale)
    assert (error.value.parameter, len(str(error.value)) < 300) == ("scale", True)


@pytest.mark.parametrize(
    ("values", "scale", "resolved", "expected"),
    [
        (pixels(0, 0.25, 1), "auto", "none", [0, 0.25, 1]),
        (pixels(False, True, dtype=bool), "auto", "none", [0, 1]),
        (pixels(0, 1, dtype=np.int64), "none", "none", [0, 1]),
        (pixels(0, 51, 255, dtype=np.int64), "255", "255", [0, 0.2, 1]),
        (pixels(0, 4, 16, dtype=np.uint8), "16", "16", [0, 0.25, 1]),
        (pixels(0, 65535, dtype=">u2"), "65535", "65535", [0, 1]),
        (pixels(-1, 0, 3), "minmax", "minmax", [0, 0.25, 1]),
        (pixels(0, 5, 10, dtype=np.uint8), "minmax", "minmax", [0, 0.5, 1]),
        (pixels(7, 7), "minmax", "minmax", [0, 0]),
        (pixels(0, 1 + 1e-12), "auto", "none", [0, 1]),
    ],
)
def test_pixels(values: Any, scale: str, resolved: str, expected: list[float]) -> None:
    """Pixels are divided by what is declared, or by their own range; floats in [0, 1] stay."""
    scaling = find_scaling(values, table=False, scale=scale)
    scaled = scaling.apply(values)
    assert (scaling.scale, scaled.dtype, scaled.shape) == (resolved, np.float32, values.shape)
    np.testing.assert_array_equal(scaled.ravel(), np.array(expected, np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64, ">i2"])
def test_gray_values_scale_alike_in_every_type(dtype: Any) -> None:
    """Divided by 255, each gray value becomes the very number that uint8 becomes."""
    values = np.arange(256).astype(dtype).reshape(1, 16, 16)
    expected = np.arange(256, dtype=np.float32).reshape(1, 16, 16) / np.float32(255)
    np.testing.assert_array_equal(find_scaling(values, table=False, scale="255").apply(values), expected)


@pytest.mark.parametrize(
    ("values", "scale", "says"),
    [
        (pixels(0, 191, dtype=np.int64), "auto", r"these are int64 from 0 to 191\. Declare .* probably scale='255'"),
        (pixels(0, 1, dtype=np.int64), "auto", r"these are int64 from 0 to 1\. .* scale='1' if they are 0 and 1"),
        (pixels(0, 255.0), "auto", r"these are float64 from 0 to 255\..* probably scale='255'"),
        (pixels(0, 4000, dtype=np.uint16), "none", r"uint16 from 0 to 4000\..* probably scale='4095'"),
        (pixels(0, 1e9), "auto", r"from 0 to 1e\+09\. Declare .* such as scale='1000000000'; or scale='minmax'"),
        (pixels(0, 15.5), "auto", r"from 0 to 15.5\. .* probably scale='255', or .* may have, such as scale='16'; or"),
        (pixels(-0.5, 0.5), "auto", r"from -0.5 to 0.5\. They seem to be in \[-1, 1\]: give \(x \+ 1\) / 2"),
        (pixels(-9, 9), "auto", r"from -9 to 9\. Declare scale='minmax'"),
        (pixels(0, 300.0), "255", r"divided by 255 from 0 to 1.17647.* probably scale='1023'"),
        (pixels(0, 0.5), "standard", "Images cannot be standardised.*'minmax'"),
        (pixels(0, np.nan, 1), "auto", "1 of 1 images hold values that are missing or infinite .* first is image 0"),
        (pixels(-np.inf, 1), "minmax", "1 of 1 images hold values"),
        (pixels(-1.7e308, 1.7e308), "minmax", "too far apart"),
    ],
)
def test_nothing_is_guessed(values: Any, scale: str, says: str) -> None:
    """Pixels beyond [0, 1] are refused with their range and what to declare."""
    with pytest.raises(DataError, match=says):
        find_scaling(values, table=False, scale=scale)


def test_only_bytes_are_not_looked_at() -> None:
    """uint8 images need no pass over their values, so that a mapped file is not read."""

    class Unread(np.ndarray):
        def __getitem__(self, *_: Any) -> Any:
            raise AssertionError("it was read")

    values = np.zeros((3, 4, 4), np.uint8).view(Unread)
    assert [find_scaling(values, table=False, scale=scale).scale for scale in ("auto", "none", "255")] == [
        *("none", "none", "255")
    ]
    with pytest.raises(AssertionError, match="it was read"):
        find_scaling(values, table=False, scale="16")


def test_advice() -> None:
    """The likely scale is the largest value of the next number of bits."""
    likely = [advice(0, high).partition("probably scale=")[2][:7] for high in (200, 1000, 4095, 65535, 1e6)]
    assert likely == ["'255'; ", "'1023';", "'4095';", "'65535'", ""]


def slow_statistics(table: Any) -> tuple[list[float], list[float]]:
    """Mean and population deviation by Python's exact fractions."""
    columns = [[Fraction(float(value)) for value in column] for column in table.T]
    return [float(sum(c) / len(c)) for c in columns], [float(pstdev(c)) for c in columns]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ">f4", np.int32, np.uint8])
@pytest.mark.parametrize("order", ["C", "F"])
def test_tables_are_standardised(dtype: Any, order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each column gets mean 0 and deviation 1; the numbers are those of exact arithmetic, in any type, order, chunk."""
    monkeypatch.setattr(array_scaling, "CHUNK", 40)
    table = (RANDOM.random((50, 4)) * 200).astype(dtype, order=order)
    scaling = find_scaling(table, table=True)
    mean, deviation = slow_statistics(table)
    np.testing.assert_allclose(scaling.center, mean, rtol=1e-14)
    np.testing.assert_allclose(scaling.spread, deviation, rtol=1e-13)
    scaled = scaling.apply(table[:, None, None])
    assert (scaling.scale, scaled.shape, scaled.dtype) == ("standard", (50, 1, 1, 4), np.float32)
    np.testing.assert_allclose(scaled.mean((0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std((0, 1, 2)), 1, atol=1e-6)
    again = find_scaling(np.asfortranarray(table.astype(np.float64)), table=True)
    assert again == scaling


def test_statistics_are_safe() -> None:
    """A small deviation far from 0, which the usual formula loses, is found; a column of one value gets spread 1."""
    noise = RANDOM.random(1000)
    table = np.stack([1e9 + noise, np.full(1000, 0.1), np.full(1000, -3e200), noise * 1e150, np.zeros(1000)], 1)
    scaling = find_scaling(table, table=True)
    assert scaling.spread[0] == pytest.approx(pstdev(table[:, 0]), rel=1e-6)
    assert scaling.center[:3] == (pytest.approx(fmean(table[:, 0]), rel=1e-15), 0.1, -3e200)
    assert (scaling.spread[1], scaling.spread[2], scaling.spread[4]) == (1, 1, 1)
    assert scaling.spread[3] == pytest.approx(pstdev(table[:, 3]), rel=1e-9)
    scaled = scaling.apply(table)
    assert np.isfinite(scaled).all()
    assert not scaled[:, [1, 2, 4]].any()


def test_the_mean_is_exact_where_its_sum_is_not() -> None:
    """What the sum of large numbers loses is found again by the second pass."""
    table = 1e15 + RANDOM.integers(0, 100, (5001, 2)).astype(np.float64)
    mean, deviation = slow_statistics(table)
    scaling = find_scaling(table, table=True)
    assert np.abs(np.array(scaling.center) - mean).max() <= 0.125  # the distance of neighbouring numbers there
    np.testing.assert_allclose(scaling.spread, deviation, rtol=1e-9)
    assert np.abs(table.sum(0) / 5001 - mean).max() > 0.25


def test_a_column_that_varies_by_rounding_alone_is_constant() -> None:
    """What rounding leaves of a constant column is not blown up to a deviation of 1."""
    table = np.array([[0.1 + 0.2], [0.3], [0.3]])
    assert find_scaling(table, table=True).spread == (1.0,)


@pytest.mark.parametrize(
    ("scale", "expected", "resolved"),
    [
        ("minmax", [[0, 0], [0.5, 0], [1, 0]], ("minmax", (2.0, 5.0), (4.0, 1.0))),
        ("none", [[2, 5], [4, 5], [6, 5]], ("none", (), ())),
        ("2", [[1, 2.5], [2, 2.5], [3, 2.5]], ("2", (), ())),
    ],
)
def test_other_scales_of_tables(scale: str, expected: Any, resolved: Any) -> None:
    """Columns by their smallest and largest value, by a number, or as they are, also beyond [0, 1]."""
    table = np.array([[2, 5], [4, 5], [6, 5]])
    scaling = find_scaling(table, table=True, scale=scale)
    assert (scaling.scale, scaling.center, scaling.spread) == resolved
    np.testing.assert_array_equal(scaling.apply(table), expected)


@pytest.mark.parametrize("table", [True, False])
@pytest.mark.parametrize("scale", ["minmax", "standard"])
def test_new_rows_are_scaled_as_the_first_were(table: bool, scale: str) -> None:
    """Center and spread, given back, are used again, whatever the range of the new values."""
    if not table and scale == "standard":
        scale = "minmax"
    first, new = RANDOM.random((30, 3)), RANDOM.random((8, 3)) * 1.3 - 0.1
    found = find_scaling(first, table=table, scale=scale)
    again = find_scaling(new, table=table, scale=scale, center=found.center, spread=found.spread)
    assert again == found
    expected = (new - found.center) / found.spread
    np.testing.assert_array_equal(again.apply(new), (expected if table else expected.clip(0, 1)).astype(np.float32))


def test_new_images_of_another_scale_are_refused() -> None:
    """What lies far outside the range that was found out is not clipped silently."""
    with pytest.raises(DataError, match="from 0 to 200, lie far outside the range .* 0 to 1"):
        find_scaling(pixels(0, 200.0), table=False, scale="minmax", center=(0.0,), spread=(1.0,))


@pytest.mark.parametrize(
    ("words", "says", "parameter"),
    [
        ({"scale": "none", "center": (0.0,), "spread": (1.0,)}, "go with the scales 'minmax' and 'standard'", "spread"),
        ({"scale": "standard", "center": (0.0, 1.0), "spread": (1.0, 1.0)}, "must hold 3 numbers each", "center"),
        ({"scale": "standard", "center": (0.0,) * 3}, "hold 3 numbers each; they hold 3 and 0", "center"),
        ({"scale": "standard", "center": (0.0,) * 3, "spread": (1.0, 0.0, 1.0)}, "spread above 0", "spread"),
        ({"scale": "standard", "center": (np.nan,) * 3, "spread": (1.0,) * 3}, "must be finite", "spread"),
    ],
)
def test_center_and_spread_that_do_not_fit(words: Any, says: str, parameter: str) -> None:
    """What was found out from other data must be of as many columns, finite, and above 0."""
    with pytest.raises(InvalidParameter, match=says) as error:
        find_scaling(np.zeros((4, 3)), table=True, **words)
    assert error.value.parameter == parameter


@pytest.mark.parametrize(
    ("table", "scale", "says"),
    [
        ([[1, 2], [np.nan, 3], [4, np.inf]], "auto", r"2 of 3 rows .* first is row 1, in column 0 \(counted from 0\)"),
        ([[1, 2], [np.nan, np.nan]], "none", "1 of 2 rows .* in columns 0, 1"),
        ([[1, 1e300], [1, 2e300]], "none", "column 1 .* are too large"),
        ([[1, 1.7e308], [1, -1.7e308]], "auto", "column 1 .* too large to be standardised"),
        ([[1, 1.7e308], [1, -1.7e308]], "minmax", "too far apart"),
        ([[1, 1e40], [1, 2]], "10", "too large"),
    ],
)
def test_tables_that_cannot_be_scaled(table: Any, scale: str, says: str) -> None:
    """Missing and infinite values are counted, with the first row and its column; too large ones are told."""
    with pytest.raises(DataError, match=says):
        find_scaling(np.array(table), table=True, scale=scale)


@pytest.mark.parametrize("chunk", [1, 7, 10**6])
def test_the_first_bad_row_is_found_in_any_chunk(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count and place do not depend on the size of the chunks."""
    monkeypatch.setattr(array_scaling, "CHUNK", chunk)
    values = np.zeros((50, 3, 3), np.float32)
    values[[20, 33, 40], 1, 1] = np.nan
    with pytest.raises(DataError, match="3 of 50 images .* first is image 20"):
        find_scaling(values, table=False)
    assert np.concatenate([part for _, part in chunks(values)]).shape == values.shape
