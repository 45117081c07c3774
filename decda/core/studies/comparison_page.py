"""A comparison as a page."""

from collections.abc import Sequence

from decda.core.report.facts import ComparisonFacts, Curve
from decda.core.report.page import Page, comparison_page
from decda.core.runs.learning_curves import read_curves
from decda.core.studies.comparing import TITLES, describe, figure_text, warn
from decda.core.studies.comparison import Comparison, Group

DRAWN = 8
"""Most lines that are drawn over one another."""


def page_of(comparison: Comparison, title: str) -> Page:
    """A comparison as a page.

    Args:
        comparison: of runs or studies.
        title: of the page.

    Returns:
        The page.

    Raises:
        DataError: the log of a run is damaged.
    """
    shown = comparison.shown()
    runs = sum(len(group.runs) for group in comparison.groups)
    facts = ComparisonFacts(
        title=title,
        about=f"{runs} runs side by side",
        verdict=describe(comparison),
        warnings=warn(comparison),
        names=[group.name for group in comparison.groups],
        figures={TITLES[name]: [figure_text(group, name) for group in comparison.groups] for name in shown},
        agreement=comparison.agreement,
        settings=comparison.settings,
        curves=_curves(comparison.groups),
    )
    return comparison_page(facts)


def _curves(groups: Sequence[Group]) -> list[Curve]:
    """The curves of the first run of each group, over one another."""
    drawn: dict[str, Curve] = {}
    for group in groups[:DRAWN]:
        for curve in read_curves(group.runs[0].folder).drawn():
            # Of several lines the first: ACC of the scores; of a loss its sum would hide which term moves.
            name, line = next(iter(curve.lines.items()))
            title = f"{curve.title} ({name})" if len(curve.lines) > 1 else curve.title
            former = drawn.get(title)
            lines = {**(former.lines if former else {}), group.name: line}
            drawn[title] = Curve(title, curve.across, lines, curve.logarithmic, curve.percent)
    return list(drawn.values())
