"""The axes of an array are told by its shape, or asked for."""

from typing import Any

import numpy as np
import pytest
import torch

from decda.core.arrays.layout import find_layout, require_channels_first
from decda.core.errors import DataError, InvalidParameter


@pytest.mark.parametrize(
    ("size", "words", "image", "channels"),
    [
        ((5, 28, 27), {}, (1, 28, 27), "auto"),
        ((5, 40, 33, 3), {}, (3, 40, 33), "last"),
        ((5, 3, 40, 33), {}, (3, 40, 33), "first"),
        ((5, 1, 28, 28), {}, (1, 28, 28), "first"),
        ((5, 28, 28, 1), {}, (1, 28, 28), "last"),
        ((5, 28, 28, 4), {}, (4, 28, 28), "last"),
        ((5, 3, 28, 3), {"channels": "last"}, (3, 3, 28), "last"),
        ((5, 3, 28, 3), {"channels": "first"}, (3, 28, 3), "first"),
        ((5, 12, 12, 7), {"channels": "last"}, (7, 12, 12), "last"),
        ((5, 28, 28, 3), {"channels": "first"}, (28, 28, 3), "first"),
        ((5, 20), {"shape": (4, 5)}, (1, 4, 5), "auto"),
        ((5, 20), {"shape": (1, 4, 5)}, (1, 4, 5), "first"),
        ((5, 30), {"shape": (6, 5, 1)}, (1, 6, 5), "last"),
        ((5, 60), {"shape": (3, 4, 5)}, (3, 4, 5), "first"),
        ((5, 60), {"shape": (5, 4, 3)}, (3, 5, 4), "last"),
        ((5, 60), {"shape": (5, 4, 3), "channels": "first"}, (5, 4, 3), "first"),
        ((5, 4, 5), {"shape": (4, 5)}, (1, 4, 5), "auto"),
        ((5, 9, 8, 3), {"shape": (9, 8, 3)}, (3, 9, 8), "last"),
        ((5, 9, 8, 3), {"shape": (3, 9, 8)}, (3, 9, 8), "last"),
    ],
)
def test_layouts(size: Any, words: Any, image: Any, channels: str) -> None:
    """Gray, channels-first, channels-last and flattened images are told apart, or read as declared."""
    layout = find_layout(size, **words)
    assert (layout.image, layout.channels, layout.table) == (image, channels, False)


def test_rows_without_a_shape_are_a_table() -> None:
    """Rows of which no shape is declared are no images."""
    layout = find_layout((5, 60))
    assert (layout.image, layout.table) == ((1, 1, 60), True)
    assert find_layout((5, 60), input_shape=(1, 1, 60)).table
    assert not find_layout((5, 60), shape=(1, 60), input_shape=(1, 1, 60)).table


@pytest.mark.parametrize(
    ("size", "words", "image", "channels"),
    [
        ((5, 12, 12, 7), {}, (7, 12, 12), "last"),
        ((5, 3, 28, 3), {}, (3, 28, 3), "first"),
        ((5, 3, 28, 3), {}, (3, 3, 28), "last"),
        ((5, 3, 28, 3), {"channels": "first"}, (3, 3, 28), "last"),
        ((5, 28, 28, 3), {"channels": "first"}, (3, 28, 28), "last"),
        ((5, 3, 3, 3), {"channels": "last"}, (3, 3, 3), "last"),
        ((5, 1, 1, 1), {}, (1, 1, 1), "first"),
        ((5, 4, 5), {}, (1, 4, 5), "auto"),
        ((5, 60), {"channels": "first"}, (3, 4, 5), "first"),
        ((5, 60), {"channels": "last"}, (3, 4, 5), "last"),
        ((5, 60), {"shape": (3, 4, 5)}, (3, 4, 5), "first"),
        ((5, 60), {"shape": (4, 5, 3)}, (3, 4, 5), "last"),
        ((5, 20), {}, (1, 4, 5), "auto"),
    ],
)
def test_new_images_get_the_shape_of_the_model(size: Any, words: Any, image: Any, channels: str) -> None:
    """What is ambiguous by itself is told by the shape that a trained model needs."""
    layout = find_layout(size, input_shape=image, **words)
    assert (layout.image, layout.channels) == (image, channels)


@pytest.mark.parametrize(
    ("size", "words", "says", "parameter"),
    [
        ((5, 3, 28, 3), {}, r"\(N, C, H, W\) or as \(N, H, W, C\). Declare channels='first' or", "channels"),
        ((5, 12, 12, 7), {}, "Declare channels=", "channels"),
        ((5, 3, 3, 3), {"input_shape": (3, 3, 3)}, "Declare channels=", "channels"),
        ((), {}, r"and not empty; this one has the shape \(\)", None),
        ((5,), {}, r"this one has the shape \(5,\)", None),
        ((2, 2, 2, 2, 2), {}, "this one has the shape", None),
        ((0, 8, 8), {}, "not empty", None),
        ((8, 0), {}, "not empty", None),
        ((5, 61), {"shape": (3, 4, 5)}, r"Rows of 61 numbers .* 3 x 4 x 5 = 60", "shape"),
        ((5, 210), {"shape": (5, 6, 7)}, "Rows of 210 numbers may hold images with their channels first", "channels"),
        ((5, 36), {"shape": (3, 4, 3)}, "may hold images with their channels first", "channels"),
        ((5, 9, 9), {"shape": (8, 8)}, r"shape \(1, 9, 9\) .* and \(8, 8\) was declared", "shape"),
        ((5, 60), {"input_shape": (3, 4, 5)}, "Rows of 60 numbers may hold images", "channels"),
        ((5, 61), {"input_shape": (3, 4, 5)}, r"rows of 61 numbers, and .* of shape \(3, 4, 5\)", None),
        ((5, 61), {"input_shape": (1, 1, 60)}, r"trained on rows of 60 numbers .* Give the same columns", None),
        (
            (3, 8, 9),
            {"input_shape": (1, 8, 8)},
            r"the shape \(1, 8, 9\) .* images of shape \(1, 8, 8\)",
            None,
        ),
        ((3, 9, 9, 3), {"input_shape": (3, 8, 8)}, r"the shape \(3, 9, 9\) .* of shape \(3, 8, 8\)", None),
        ((8, 8, 3), {"input_shape": (3, 8, 8)}, r"A single image needs an axis more: x\[None\]", None),
        ((8, 8), {"input_shape": (1, 8, 8)}, r"x\[None\]", None),
    ],
)
def test_what_does_not_fit(size: Any, words: Any, says: str, parameter: str | None) -> None:
    """The error says both shapes, and names the parameter that would help."""
    with pytest.raises(DataError, match=says) as error:
        find_layout(size, **words)
    assert error.value.parameter == parameter


@pytest.mark.parametrize(
    ("words", "parameter"),
    [
        ({"channels": "middle"}, "channels"),
        ({"shape": (60,)}, "shape"),
        ({"shape": (1, 1, 1, 60)}, "shape"),
        ({"shape": (-4, -15)}, "shape"),
        ({"shape": (0, 60)}, "shape"),
    ],
)
def test_declarations_that_make_no_sense(words: Any, parameter: str) -> None:
    """A wrong declaration is an error of usage."""
    with pytest.raises(InvalidParameter, match=f"{parameter} must be") as error:
        find_layout((5, 60), **words)
    assert (error.value.parameter, error.value.exit_code) == (parameter, 2)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((4, 6, 5), {}),
        ((4, 6, 5, 3), {}),
        ((4, 3, 6, 5), {}),
        ((4, 7), {}),
        ((4, 30), {"shape": (6, 5)}),
        ((4, 90), {"shape": (3, 6, 5)}),
        ((4, 90), {"shape": (6, 5, 3)}),
    ],
)
@pytest.mark.parametrize("order", ["C", "F", "reversed"])
def test_images_are_viewed_not_copied(size: Any, words: Any, order: str) -> None:
    """Bringing an array into (N, C, H, W) copies nothing, whatever the order of its memory."""
    array = np.arange(np.prod(size)).reshape(size)
    array = np.asfortranarray(array) if order == "F" else array[::-1] if order == "reversed" else array
    layout = find_layout(size, **words)
    arranged = layout.arrange(array)
    assert arranged.shape == (4, *layout.image)
    assert np.shares_memory(arranged, array)


def test_pixels_keep_their_places() -> None:
    """Each pixel of a channels-last array keeps its row, column and channel, flattened or not."""
    array = np.random.default_rng(0).random((2, 6, 5, 3))
    whole = find_layout(array.shape).arrange(array)
    flat = find_layout((2, 90), shape=(6, 5, 3)).arrange(array.reshape(2, 90))
    assert whole[1, 2, 3, 4] == array[1, 3, 4, 2]
    np.testing.assert_array_equal(flat, whole)


@pytest.mark.parametrize("size", [(9, 28, 28, 3), (9, 5, 28, 4), (9, 28, 28, 1)])
def test_channels_that_seem_to_come_last(size: tuple[int, ...]) -> None:
    """An (N, 28, 28, 3) that claims to be (N, C, H, W) is refused with the likely reason and the remedy."""
    says = r"data set 'mine': .*seem to come last.*x\.permute\(0, 3, 1, 2\).*channels='last'"
    for x in (torch.zeros(size), np.zeros(size)):
        with pytest.raises(DataError, match=says) as error:
            require_channels_first(x, "data set 'mine'")
        assert f"(N, {size[1]}, {size[2]}, {size[3]})" in str(error.value)


@pytest.mark.parametrize(
    "size", [(9, 3, 28, 28), (9, 3, 3, 3), (9, 4, 28, 3), (9, 1, 1, 4), (9, 8, 9, 1), (9, 1, 28, 1), (9, 28, 3), (9, 3)]
)
def test_channels_that_may_come_first(size: tuple[int, ...]) -> None:
    """Shapes that images (N, C, H, W) may well have, and those of tables, pass."""
    require_channels_first(torch.zeros(size), "data set 'mine'")
