"""Learning curves, drawn by matplotlib as vector graphics that take on the colours of the page."""

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, PercentFormatter

from decda.core.report.facts import Curve
from decda.core.report.texts import short

MAX_LABEL = 28
"""Characters of the name of a line that are shown."""
INK = "#010203"
"""Stands for the colour of the page's text, in which axes and words are drawn."""
LINES = tuple(f"#0102{number:02x}" for number in range(4, 12))
"""Stand for the colours of the lines."""
DASHES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
"""So that lines are told apart without colours."""


def draw(curve: Curve) -> str:
    """Draw a curve.

    Args:
        curve: with at least one line.

    Returns:
        An SVG element. Its colours are `currentColor` and the properties `--line-0` to `--line-7` of the page; its
        text is text.

    Example:
        >>> svg = draw(Curve("loss", "epoch", {"reconstruction": ([1, 2, 3], [0.5, 0.2, 0.1])}))
        >>> svg.startswith("<svg"), "currentColor" in svg
        (True, True)
    """
    with _style():
        figure = Figure(figsize=(4.6, 2.5), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for number, (name, (steps, values)) in enumerate(curve.lines.items()):
            lone = len(steps) == 1
            axes.plot(
                steps, values, label=short(name, MAX_LABEL), linewidth=1.6, color=LINES[number % len(LINES)],
                linestyle=DASHES[number % len(DASHES)], marker="o" if lone else None,
            )  # fmt: skip
        axes.set_xlabel(curve.across)
        axes.xaxis.set_major_locator(MaxNLocator(nbins="auto", integer=True))
        if curve.logarithmic:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
            axes.yaxis.set_minor_formatter("{x:g}")
        if curve.percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, linewidth=0.6)
        if len(curve.lines) > 1:
            axes.legend(frameon=False)
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(stream.getvalue(), curve.title)


@contextmanager
def _style() -> Iterator[None]:
    with matplotlib.rc_context(
        {
            "svg.fonttype": "none", "svg.hashsalt": "decda", "text.parse_math": False,
            "font.family": "sans-serif", "font.size": 9,
            "text.color": INK, "axes.edgecolor": INK, "axes.labelcolor": INK, "xtick.color": INK, "ytick.color": INK,
            "grid.color": INK, "axes.unicode_minus": True,
        }
    ):  # fmt: skip
        yield


def _inline(svg: str, title: str) -> str:
    """The element alone, with the page's colours, a size that follows the page, and identifiers of its own."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true" focusable="false">', svg, count=1
    )
    prefix = f"s{hashlib.sha256(title.encode(errors='surrogatepass')).hexdigest()[:8]}"
    svg = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{prefix}-", svg)
    svg = svg.replace(INK, "currentColor")
    for number, colour in enumerate(LINES):
        svg = svg.replace(colour, f"var(--line-{number})")
    return svg
