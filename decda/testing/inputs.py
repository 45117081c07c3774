"""What parts are tried on: image shapes, images, devices, and copies of the part itself."""

import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from decda.core.errors import in_a_line
from decda.core.random_keys import keyed_generator
from decda.testing.rules import Subject, Violation

SHAPES = {
    "gray": ((1, 16, 16), (1, 28, 28), (1, 32, 32), (1, 64, 64), (1, 128, 128)),
    "colour": ((3, 16, 16), (3, 32, 32), (3, 64, 64), (3, 128, 128)),
    "odd": ((1, 17, 17), (1, 13, 13), (3, 33, 33), (1, 65, 65), (3, 129, 129)),
    "non-square": ((1, 13, 24), (3, 20, 12), (1, 48, 33), (1, 96, 64), (3, 160, 128)),
}
"""Image shapes (C, H, W) by sort. A part may refuse shapes by ValueError, but must accept at least one of each sort."""

Build = Callable[[Subject, tuple[int, ...]], object]
"""Builds the part under test for images of a shape (C, H, W)."""


def images(n: int, shape: tuple[int, ...], *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Draw images of uniform noise.

    Args:
        n: number of images.
        shape: shape of an image (C, H, W).
        seed: equal seeds give equal images.
        dtype: dtype of the result.

    Returns:
        Images (n, C, H, W) in [0, 1].
    """
    return torch.rand(n, *shape, generator=keyed_generator(seed, "kit images"), dtype=torch.float64).to(dtype)


def choose_shape(subject: Subject, sort: str, build: Build) -> tuple[int, ...]:
    """Find the first shape of a sort that a part accepts.

    Args:
        subject: the part under test.
        sort: a key of `SHAPES`.
        build: builds the part.

    Returns:
        (C, H, W).

    Raises:
        Violation: the part refuses all shapes of that sort.
    """
    reasons = []
    for shape in SHAPES[sort]:
        try:
            build(subject, shape)
        except ValueError as error:
            reasons.append(f"{shape}: {error}")
        else:
            return shape
    raise Violation(f"it accepts no {sort} images: {'; '.join(reasons)}")


def choose_any_shape(subject: Subject, build: Build) -> tuple[int, ...]:
    """Find a shape that a part accepts, gray and square if possible.

    Args:
        subject: the part under test.
        build: builds the part.

    Returns:
        (C, H, W).

    Raises:
        Violation: the part refuses all shapes.
    """
    for sort in SHAPES:
        try:
            return choose_shape(subject, sort, build)
        except Violation:
            continue
    raise Violation(f"it accepts none of these image shapes: {[s for shapes in SHAPES.values() for s in shapes]}")


def make_copies(part: object) -> dict[str, Any]:
    """Copy a part in every way that it must support.

    Args:
        part: the part to copy.

    Returns:
        A deep copy and an unpickled copy, by the name of the method.

    Raises:
        Violation: a copy cannot be made.
    """
    made = {}
    ways: dict[str, Callable[[Any], Any]] = {"deepcopy": deepcopy, "pickle": lambda it: pickle.loads(pickle.dumps(it))}
    for way, copy in ways.items():
        try:
            made[way] = copy(part)
        except Exception as error:
            raise Violation(f"{way} fails: {in_a_line(error)}") from error
    return made


def devices() -> list[str]:
    """List the devices that parts are tried on.

    Returns:
        `meta`, which computes only shapes and rejects what a CUDA graph would reject; and `cuda` if there is a GPU.
    """
    return ["meta", *(["cuda"] if torch.cuda.is_available() else [])]
