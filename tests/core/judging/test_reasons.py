"""Why a run is the one to use."""

import re
from pathlib import Path
from typing import Any

import pytest

from decda.core.judging.reasons import BETTER, explain, figure

GUIDE = Path(__file__).parents[3] / "docs" / "judging.md"


def run(name: str, value: float | None, **more: Any) -> dict[str, Any]:
    """A judged run."""
    return {"run": name, "neighbours": value, "agreement": 0.9, "n_clusters": 3, "warnings": [], **more}


def test_the_best_and_the_next() -> None:
    """The sentence names the run, its figure and that of the next one."""
    text = explain([run("c", None), run("a", 0.5), run("b", 0.75)], 2)
    assert text == (
        "Use b: its clusters keep images that look alike together better than any other's (neighbours .750, then .500)."
    )


def test_others_are_as_good() -> None:
    """Runs that are equal to three decimals are said to be as good, and no others."""
    text = explain([run("a", 0.5001), run("b", 0.5), run("c", 0.4)], 0)
    assert "Use a: no other run" in text
    assert "; b is as good to three decimals)" in text
    assert "b, c are as good" in explain([run("a", 0.5), run("b", 0.5), run("c", 0.5)], 0)


@pytest.mark.parametrize(("agreement", "says"), [(0.49, True), (0.5, False), (None, False)])
def test_a_run_that_stands_alone(agreement: float | None, says: bool) -> None:
    """A best run that has little in common with the others is called into question."""
    text = explain([run("a", 0.5, agreement=agreement), run("b", 0.4)], 0)
    assert ("It has little in common with the other run, though (agreement .490)" in text) is says


def test_warnings_of_the_best_run() -> None:
    """What the best run warns of is repeated, and what another one does is not."""
    text = explain([run("a", 0.5, warnings=["Only 2 of 3."]), run("b", 0.4, warnings=["Lost."])], 0)
    assert text.endswith("A warning of that run: Only 2 of 3.")
    assert "Lost" not in text


def test_other_numbers_of_clusters() -> None:
    """Where no run can be preferred because their numbers of clusters differ, these are named."""
    text = explain([run("a", 0.5), run("b", 0.4, n_clusters=4)], None)
    assert text.startswith("No run can be preferred: they have different numbers of clusters (3, 4), across which")
    assert "different numbers of clusters" not in explain([run("a", None), run("b", None)], None)


def test_nothing_to_compare() -> None:
    """A single run is said to be the only one, and no run is preferred where the figure is unknown."""
    assert explain([run("a", 0.5)], 0).startswith("a is the only run (neighbours .500)")
    assert explain([run("a", None)], None).startswith("No run can be preferred")


def test_odd_names_stay_in_one_line() -> None:
    """A name with control characters is printed so that they are seen."""
    assert "\n" not in explain([run("a\nb", 0.5), run("b", 0.4)], 0)


def test_figures() -> None:
    """Three decimals, and no zero before the point."""
    assert [figure(value) for value in (0.0, 1.0, -0.25, 10.25, None)] == [".000", "1.000", "-.250", "10.250", ""]


def test_the_guide_explains_every_criterion() -> None:
    """The table in docs/judging.md has a row for each criterion, with the direction that the code takes."""
    rows = re.findall(r"^\| `(\w+)` \| .+? \| (higher|lower)? ?\|", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name, _ in rows} == set(BETTER)
    assert all(BETTER[name] == {"higher": 1, "lower": -1}[better] for name, better in rows if better)
