"""Maps of the embedding as vector graphics: a mark for each image, of its cluster's colour and shape."""

import numpy as np
from markupsafe import Markup

from decda.core.report.facts import Map, Points
from decda.core.report.palette import SHAPES, mark

WIDTH, HEIGHT, MARGIN = 1000, 700, 24
"""Of the drawing, in its own units."""


def order(points: Points) -> Points:
    """The same images, one cluster after the other, as maps and pages hold them.

    Args:
        points: in any order.
    """
    by_cluster = np.argsort(points.labels, kind="stable")
    return Points(
        points.index[by_cluster],
        points.labels[by_cluster],
        points.confidence[by_cluster],
        None if points.names is None else [points.names[position] for position in by_cluster],
        None if points.pictures is None else points.pictures[by_cluster],
        [Map(each.name, each.positions[by_cluster]) for each in points.maps],
    )


def draw(layout: Map, points: Points) -> Markup:
    """Draw a map.

    Args:
        layout: one of the maps of the points.
        points: from `order`.

    Returns:
        The inside of an SVG element of `WIDTH` by `HEIGHT` units: a group for each cluster, with a mark for each image
        and the cluster's number in their middle.
    """
    places = _fit(layout.positions)
    groups, tags = [], []
    for cluster in np.unique(points.labels).tolist():
        members = np.flatnonzero(points.labels == cluster)
        colour, shape = mark(cluster)
        marks = "".join(f'<use href="#p{shape}" x="{x:.1f}" y="{y:.1f}"/>' for x, y in places[members])
        groups.append(f'<g class="c{colour}" data-cluster="{cluster}" data-from="{members[0]}">{marks}</g>')
        x, y = _middle(places[members])
        tags.append(f'<text class="tag" data-cluster="{cluster}" x="{x:.1f}" y="{y:.1f}">{cluster}</text>')
    return Markup("".join(groups) + "".join(tags))


def symbols() -> Markup:
    """The shapes of marks, to be defined once in a page: `m0`, ... beside text, and `p0`, ... on maps."""
    return Markup(
        "".join(f'<path id="{kind}{number}" d="{path}"/>' for kind in "mp" for number, path in enumerate(SHAPES))
    )


def _fit(positions: "np.typing.NDArray[np.float64]") -> "np.typing.NDArray[np.float64]":
    """Positions in the units of the drawing; a few far-off points do not press all others together."""
    low, high = np.quantile(positions, [0.002, 0.998], axis=0)
    span = np.where(high > low, high - low, 1)
    inside = (positions - low) / span
    room = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
    middle = np.where(high > low, 0, 0.5)  # all alike: in the middle
    fitted: np.typing.NDArray[np.float64] = MARGIN + np.clip(inside + middle, -0.02, 1.02) * room
    return fitted


def _middle(places: "np.typing.NDArray[np.float64]") -> "np.typing.NDArray[np.float64]":
    """The member that is nearest to the medians of a cluster: a place that lies in it, even if it is bent."""
    median = np.median(places, axis=0)
    middle: np.typing.NDArray[np.float64] = places[np.square(places - median).sum(1).argmin()]
    return middle
