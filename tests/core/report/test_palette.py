"""Clusters can be told apart by everybody."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from decda.core.report.palette import DARK, GROUND, LIGHT, SHAPES, mark

SIGHT = {
    "usual": np.eye(3),
    "protanopia": np.array([[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]),
    "deuteranopia": np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]),
    "tritanopia": np.array([[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]]),
}
"""How linear RGB is seen: Machado, Oliveira, Fernandes, IEEE TVCG 2009, severity 1."""


def linear(colour: str) -> NDArray[np.float64]:
    channels = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = sorted(float(linear(colour) @ weights) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(colour: str, sight: str) -> NDArray[np.float64]:
    """CIE L*a*b* of a colour as somebody sees it."""
    seen = np.clip(SIGHT[sight] @ linear(colour), 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ seen / np.array([0.9505, 1, 1.089]) + 1e-9)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize(("palette", "ground"), [(LIGHT, GROUND["light"]), (DARK, GROUND["dark"])])
def test_marks_stand_out(palette: tuple[str, ...], ground: str) -> None:
    """Each colour has a contrast of at least 3 with its ground, as WCAG asks of graphical objects at level AA."""
    assert min(contrast(colour, ground) for colour in palette) >= 3


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("sight", SIGHT)
def test_marks_of_one_shape_differ_in_colour(palette: tuple[str, ...], sight: str) -> None:
    """Of the first ten clusters, those of one shape differ by at least 30 units of L*a*b* for any colour vision."""
    for one, other in itertools.combinations(range(10), 2):
        (colour, shape), (other_colour, other_shape) = mark(one), mark(other)
        if shape == other_shape:
            difference = lab(palette[colour], sight) - lab(palette[other_colour], sight)
            assert np.linalg.norm(difference) >= 30, (one, other)


def test_thirty_clusters_have_thirty_marks() -> None:
    """No two of thirty clusters have both colour and shape in common."""
    assert len({mark(cluster) for cluster in range(30)}) == 30
    assert len(LIGHT) == len(DARK)
    assert len(set(SHAPES)) == len(SHAPES)
