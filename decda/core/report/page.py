"""Facts -> a page: one file that needs no other, and no network."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from decda.core.atomic_files import write_text_atomically
from decda.core.report import curves, scatter
from decda.core.report.facts import ComparisonFacts, Points, RunFacts
from decda.core.report.palette import DARK, GROUND, LIGHT, SHAPES, mark
from decda.core.report.pictures import sheet, strip, strip_size
from decda.core.report.texts import number, percent, short

NOTEBOOK_HEIGHT = 720
"""Pixels of a page in a notebook."""


@dataclass(frozen=True, repr=False)
class Page:
    """A page in HTML. Notebooks show it.

    Attributes:
        html: the whole file.
    """

    html: str

    def __repr__(self) -> str:
        """What it is, without its content."""
        return f"<Page of {len(self.html) / 1e6:.1f} MB; save(path) writes it>"

    def save(self, path: str | Path) -> Path:
        """Write the page; what was there before is kept if that fails.

        Args:
            path: of the file.

        Returns:
            The path.

        Raises:
            OutputError: it cannot be written.
        """
        write_text_atomically(Path(path), self.html)
        return Path(path)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that it and the notebook leave each other's style alone."""
        return (
            f'<iframe srcdoc="{escape(self.html)}" sandbox="allow-scripts" title="decda report" '
            f'style="width: 100%; height: {NOTEBOOK_HEIGHT}px; border: 0"></iframe>'
        )


def run_page(facts: RunFacts) -> Page:
    """The report of a run.

    Args:
        facts: what it shows.

    Returns:
        The page.
    """
    points = None if facts.points is None else scatter.order(facts.points)
    return _render("run.html", facts.title, facts=facts, points=points, data=None if points is None else _data(points))


def comparison_page(facts: ComparisonFacts) -> Page:
    """A comparison of several runs or studies.

    Args:
        facts: what it shows.

    Returns:
        The page.
    """
    return _render("comparison.html", facts.title, facts=facts)


def _render(template: str, title: str, **content: Any) -> Page:
    script, style = _asset("page.js"), _style()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    html = _environment().get_template(template).render(
        title=title, policy=policy, style=Markup(style), script=Markup(script), **content
    )  # fmt: skip
    return Page(html)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("decda.core.report", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {
        "curve": lambda each: Markup(curves.draw(each)),
        "layout": scatter.draw,
        "symbols": scatter.symbols,
        "strip": strip,
        "strip_size": strip_size,
        "mark": mark,
        "shapes": SHAPES,
        "map_size": (scatter.WIDTH, scatter.HEIGHT),
    }
    environment.filters |= {"short": short, "number": number, "percent": percent}
    return environment


@cache
def _asset(name: str) -> str:
    return files("decda.core.report").joinpath("templates", name).read_text(encoding="utf-8")


def _style() -> str:
    """The style sheet, with the colours of clusters for light and dark ground."""
    light, dark = (
        "".join(f"--c{number}:{colour};" for number, colour in enumerate(palette))
        + f"--ground:{GROUND[name]};"
        + "".join(f"--line-{number}:{palette[position]};" for number, position in enumerate((1, 0, 8, 2, 9, 5, 3, 6)))
        for name, palette in (("light", LIGHT), ("dark", DARK))
    )
    classes = "".join(f".c{number}{{color:var(--c{number})}}" for number in range(len(LIGHT)))
    return (
        f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}{classes}{_asset('page.css')}"
    )


def _data(points: Points) -> Mapping[str, Any]:
    """What the script needs to show an image of the map: the sheet of pictures and a text for each."""
    n = len(points.labels)
    columns = max(int(np.ceil(np.sqrt(n))), 1)
    names = points.names or [f"image {position}" for position in points.index.tolist()]
    texts = {
        "columns": columns,
        "size": None if points.pictures is None else [points.pictures.shape[2], points.pictures.shape[1]],
        "labels": points.labels.tolist(),
        "confidence": [round(share, 3) for share in points.confidence.tolist()],
        "names": [short(name) for name in names],
    }
    # No sign in it can end the element it stands in.
    safe = json.dumps(texts, ensure_ascii=True).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return {
        "json": Markup(safe),
        "sheet": None if points.pictures is None else sheet(points.pictures, columns),
    }
