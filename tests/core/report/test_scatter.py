"""Maps are drawn with a mark for each image."""

import re

import numpy as np

from decda.core.report.facts import Map, Points
from decda.core.report.scatter import HEIGHT, WIDTH, draw, order, symbols

LABELS = np.array([1, 0, 1, 3, 0])


def points(positions: object) -> Points:
    place = np.asarray(positions, dtype=np.float64)
    return Points(
        np.arange(5) * 10, LABELS, np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32), list("abcde"),
        np.arange(5, dtype=np.uint8).reshape(5, 1, 1), [Map("PCA", place)],
    )  # fmt: skip


def test_order() -> None:
    """One cluster follows the other, and everything about an image moves with it."""
    found = order(points([[float(i), 0.0] for i in range(5)]))
    assert found.labels.tolist() == [0, 0, 1, 1, 3]
    assert found.index.tolist() == [10, 40, 0, 20, 30]
    assert found.names == list("beacd")
    assert found.pictures is not None
    assert found.pictures.ravel().tolist() == [1, 4, 0, 2, 3]
    assert found.maps[0].positions[:, 0].tolist() == [1, 4, 0, 2, 3]
    assert np.allclose(found.confidence, [0.8, 0.5, 0.9, 0.7, 0.6])


def test_each_image_has_a_mark() -> None:
    """Groups say where in the order they begin, hold as many marks as images, and each has its number beside it."""
    found = order(points(np.random.default_rng(0).random((5, 2))))
    svg = draw(found.maps[0], found)
    groups = re.findall(r'<g class="c\d" data-cluster="(\d)" data-from="(\d)">(.*?)</g>', svg)
    assert [(cluster, start, marks.count("<use ")) for cluster, start, marks in groups] == [
        ("0", "0", 2), ("1", "2", 2), ("3", "4", 1),
    ]  # fmt: skip
    assert re.findall(r'class="tag" data-cluster="\d"[^>]*>(\d)<', svg) == ["0", "1", "3"]
    assert 'id="m0"' in symbols()


def test_marks_stay_in_the_drawing() -> None:
    """Wherever the embeddings lie, also all in one place, or one of them far away, marks are inside."""
    for positions in (np.zeros((5, 2)), np.array([[1e12, -1e12], *[[0.0, 1.0]] * 4]), np.eye(5)[:, :2] * 1e-12):
        found = order(points(positions))
        places = re.findall(r'x="([-\d.]+)" y="([-\d.]+)"', draw(found.maps[0], found))
        assert len(places) == 5 + 3
        assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in places)
