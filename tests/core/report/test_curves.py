"""Curves are vector graphics that take on the colours of the page."""

import re
from xml.etree import ElementTree

import pytest

from decda.core.report.curves import INK, LINES, draw
from decda.core.report.facts import Curve

LOSS = ([1.0, 2.0, 3.0], [0.5, 0.2, 0.1])


@pytest.mark.parametrize(
    "curve",
    [
        Curve("loss", "epoch", {"a": LOSS}, logarithmic=True),
        Curve("changed", "iteration", {"changed": LOSS}, percent=True),
        Curve("single", "epoch", {"a": ([1.0], [0.0])}),
        Curve("many", "epoch", {str(number): LOSS for number in range(9)}),
    ],
    ids=lambda curve: curve.title,
)
def test_a_curve_is_an_svg_element(curve: Curve) -> None:
    """It is well formed, scales with the page, and none of its placeholders for colours is left."""
    svg = draw(curve)
    root = ElementTree.fromstring(svg.replace("xlink:href", "href"))
    assert root.tag == "svg"
    assert "width" not in root.attrib
    assert "currentColor" in svg
    assert "var(--line-0)" in svg
    assert not [colour for colour in (INK, *LINES) if colour in svg]


def test_text_is_text() -> None:
    """The names of lines and axes can be searched for and read aloud."""
    svg = draw(Curve("loss", "epoch", {"kl": LOSS, "reconstruction": LOSS}))
    assert {"epoch", "kl", "reconstruction"} <= set(re.findall(r">([^<>]+)</text>", svg))


def test_markup_in_names_is_text() -> None:
    """A name that looks like markup, or like a formula of matplotlib, is drawn as it is written."""
    svg = draw(Curve("loss", "epoch", {"<script>x</script>": LOSS, "$\\frac{$": LOSS}))
    assert "<script>" not in svg
    assert "&lt;script&gt;" in svg
    assert "$\\frac{$" in svg


def test_equal_curves_are_equal_bytes() -> None:
    """Nothing in a drawing depends on the time or on chance."""
    curve = Curve("loss", "epoch", {"a": LOSS})
    assert draw(curve) == draw(curve)


def test_identifiers_do_not_clash() -> None:
    """Two curves on one page have no identifier in common."""
    one, other = (set(re.findall(r'id="([^"]+)"', draw(Curve(title, "x", {"a": LOSS})))) for title in ("one", "two"))
    assert one
    assert other
    assert not one & other
