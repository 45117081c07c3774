"""Arrays passed by users are converted to images."""

from typing import Any

import numpy as np
import pytest
import torch

from decda.core.errors import DataError
from decda.core.runs.arrays import as_images, as_labels

RANDOM = np.random.default_rng(0)


def floats(*shape: int) -> Any:
    return RANDOM.random(shape)


@pytest.mark.parametrize(
    ("array", "words", "shape"),
    [
        (floats(5, 28, 27), {}, (5, 1, 28, 27)),
        (floats(5, 40, 33, 3), {}, (5, 3, 40, 33)),
        (floats(5, 3, 40, 33), {}, (5, 3, 40, 33)),
        (floats(5, 1, 28, 28), {}, (5, 1, 28, 28)),
        (floats(5, 28, 28, 4), {}, (5, 4, 28, 28)),
        (floats(5, 7), {}, (5, 1, 1, 7)),
        (floats(5, 3, 28, 3), {"channels": "last"}, (5, 3, 3, 28)),
        (floats(5, 3, 28, 3), {"channels": "first"}, (5, 3, 28, 3)),
        (floats(5, 12, 12, 7), {"channels": "last"}, (5, 7, 12, 12)),
        (floats(5, 12, 12, 7), {"shape": (7, 12, 12)}, (5, 7, 12, 12)),
        (floats(5, 3, 28, 3), {"shape": (3, 28, 3)}, (5, 3, 28, 3)),
        (floats(5, 60), {"shape": (3, 4, 5), "channels": "first"}, (5, 3, 4, 5)),
        (floats(5, 60), {"shape": (3, 4, 5), "channels": "last"}, (5, 3, 4, 5)),
        (floats(5, 20), {"shape": (1, 4, 5)}, (5, 1, 4, 5)),
        (floats(5, 60), {"shape": (1, 1, 60)}, (5, 1, 1, 60)),
    ],
)
def test_layouts(array: Any, words: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Gray, channels-first, channels-last and flat images are recognised; ambiguous shapes need a declaration."""
    x = as_images(array, **words)
    assert (tuple(x.shape), x.dtype, x.is_contiguous()) == (shape, torch.float32, True)


def test_channels_last_is_transposed_without_moving_pixels() -> None:
    """Each pixel of a channels-last array keeps its position and channel."""
    array = floats(2, 6, 5, 3)
    x = as_images(array)
    assert x[1, 2, 3, 4] == pytest.approx(array[1, 3, 4, 2], abs=1e-7)


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (floats(3, 8, 8).astype(np.float16), torch.float32),
        (floats(3, 8, 8).tolist(), torch.float32),
        (floats(3, 8, 8) > 0.5, torch.float32),
        (np.zeros((3, 8, 8), np.uint8), torch.uint8),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), torch.uint8),
        (torch.rand(3, 8, 8, dtype=torch.float64, requires_grad=True), torch.float32),
        (np.asfortranarray(floats(3, 8, 8)), torch.float32),
        (floats(3, 8, 8)[::-1], torch.float32),
    ],
)
def test_types(array: Any, dtype: torch.dtype) -> None:
    """uint8 stays uint8; floats of any width, booleans and lists become float32."""
    x = as_images(array)
    assert (x.dtype, tuple(x.shape), x.requires_grad) == (dtype, (3, 1, 8, 8), False)


@pytest.mark.parametrize(
    ("array", "words", "says"),
    [
        (floats(5, 3, 28, 3), {}, r"\(N, C, H, W\) or as \(N, H, W, C\). Declare channels='first' or"),
        (floats(5, 12, 12, 7), {}, "Declare channels="),
        (floats(5), {}, r"this one has the shape \(5,\)"),
        (floats(2, 2, 2, 2, 2), {}, "this one has the shape"),
        (floats(0, 8, 8), {}, "not empty"),
        (floats(3, 8, 8) * 255, {}, "Divide them by 255"),
        (floats(3, 8, 8) - 0.5, {}, r"Scale them: \(x - min\)"),
        (floats(3, 8, 8) * 4000, {}, r"Scale them: \(x - min\)"),
        (np.full((3, 8, 8), np.nan), {}, "3 of 3 images have pixels that are not finite"),
        (np.arange(192).reshape(3, 8, 8), {}, r"must be uint8.*from 0 to 191.*\.astype\('uint8'\)"),
        (torch.arange(192).view(3, 8, 8), {}, "must be uint8"),
        (np.array([["a", "b"]]), {}, "must be an array of numbers"),
        (np.array([None, 1], dtype=object), {}, "must be an array of numbers"),
        (floats(3, 8, 9), {"shape": (1, 8, 8)}, r"\(1, 8, 9\).*trained on images of shape \(1, 8, 8\)"),
        (floats(5, 61), {"shape": (3, 4, 5)}, "trained on images of shape"),
        (floats(5, 60), {"shape": (3, 4, 5)}, "Rows of 60 numbers may hold images"),
        ([[1, 2], [3]], {}, "all of one size"),
        (torch.eye(3).to_sparse(), {}, "must be a dense tensor"),
        (torch.zeros(2, 2, dtype=torch.complex64), {}, "of real numbers"),
        (np.full((2, 8, 8), 2**64 - 1, np.uint64), {}, "must be uint8"),
        (floats(3, 8, 8, 1), {"channels": "middle"}, "must be 'first' or 'last'"),
    ],
)
def test_unsuitable_arrays_are_refused(array: Any, words: dict[str, Any], says: str) -> None:
    """The error says what was found and how to fix it."""
    with pytest.raises(DataError, match=says):
        as_images(array, **words)


def test_labels() -> None:
    """Labels, whether numbers or strings, are mapped to 0, 1, ... in sorted order."""
    assert as_labels(np.array([5, 3, 5]), 3).tolist() == [1, 0, 1]
    assert as_labels(["b", "a"], 2).tolist() == [1, 0]
    assert as_labels(torch.tensor([1, 2]), 2).dtype == torch.int64
    for bad in ([1, 2], np.eye(3), "abc"):
        with pytest.raises(DataError, match="one number or text for each of the 3 images"):
            as_labels(bad, 3)
    with pytest.raises(DataError, match="all be numbers, or all texts"):
        as_labels(np.array([1, "a", None], dtype=object), 3)


def test_flattened_colour_images_come_back(recwarn: pytest.WarningsRecorder) -> None:
    """Rows are read in the order that is declared; an array that may not be written to is taken without a warning."""
    images = (floats(4, 6, 5, 3) * 255).astype(np.uint8)
    images.flags.writeable = False
    expected = as_images(images)
    assert torch.equal(as_images(images.reshape(4, -1), shape=(3, 6, 5), channels="last"), expected)
    first = images.transpose(0, 3, 1, 2).reshape(4, -1)
    assert torch.equal(as_images(first, shape=(3, 6, 5), channels="first"), expected)
    assert not recwarn.list
