"""What a run came to is told in plain words, and what speaks against it is not left out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decda.core.parts.registry import Registry
from decda.core.report.facts import Curve
from decda.core.runs.inference import load_run
from decda.core.runs.learning_curves import Curves
from decda.core.runs.run import Run
from decda.core.runs.verdict import Measured, describe, figures, warn

NO_CURVES = Curves(None, None, None, None)
NOTHING = Measured()


@pytest.fixture(scope="module")
def run(finished_run: Path, registry: Registry) -> Run:
    return load_run(finished_run, registry)


def sound(run: Run, **changes: Any) -> Run:
    """The run with clusters of one size, and nothing that speaks against it."""
    labels = np.arange(len(run.labels)) % 10
    judgement = {"neighbours": 0.8, "neighbours_at_start": 0.7, "silhouette": 0.1, "uncertain": 0.0, "smallest": 0.1}
    scores = {"acc": None, "nmi": None, "ari": None}
    ends = {"iterations": 60, "stop_reason": "converged"}
    given = {"labels": labels, "judgement": judgement, "metrics": scores, "start": scores, "ends": ends, "warnings": ()}
    return replace(run, **{**given, **changes})


def changed(last: float) -> Curves:
    return replace(NO_CURVES, changed=Curve("changed", "iteration", {"changed": ([30.0, 60.0], [0.5, last])}))


def test_sizes_and_neighbours(run: Run) -> None:
    """Sizes come first, then how far images that look alike lie together, beside chance; classes only where known."""
    assert describe(sound(run)) == [
        "1,797 images fall into 10 clusters of 179 to 180 images.",
        "Images that look alike lie together: 90% of an image's nearest neighbours, by their pixels, are in its "
        "cluster. By chance it would be 10%.",
    ]
    known = sound(run, metrics={"acc": 0.9, "nmi": 0.8, "ari": 0.8})
    assert describe(known)[-1] == "Matched one to one, clusters and known classes agree for 90.0% of the images."


@pytest.mark.parametrize(("neighbours", "words"), [(0.85, "lie together"), (0.5, "mostly lie"), (0.1, "often lie")])
def test_words_follow_the_figure(run: Run, neighbours: float, words: str) -> None:
    """The higher the share of neighbours in one cluster, the better the word for it."""
    judged = sound(run, judgement={"neighbours": neighbours})
    assert f"Images that look alike {words}" in describe(judged)[1]


def test_empty_clusters_are_counted(run: Run) -> None:
    """Clusters without images are no clusters that images fall into."""
    assert describe(sound(run, labels=np.zeros(len(run.labels), np.int64)))[0] == (
        "1,797 images fall into 1 of 10 clusters of 1,797 images."
    )


def test_a_sound_run_has_no_warnings(run: Run) -> None:
    """Where nothing speaks against a run, nothing is said."""
    assert warn(sound(run), changed(0.0), Measured(0.95, 0.9)) == []


@pytest.mark.parametrize(
    ("changes", "curves", "measured", "words"),
    [
        ({"warnings": ("Only 1 of 2.",)}, NO_CURVES, NOTHING, "Only 1 of 2."),
        ({"labels": np.array([9] * 5 + [i % 9 for i in range(1792)])}, NO_CURVES, NOTHING, "Cluster 9 (5) is tiny"),
        (
            {"judgement": {"neighbours": 0.7, "neighbours_at_start": 0.8}},
            NO_CURVES,
            Measured(),
            "ended below its own start",
        ),
        ({"judgement": {"uncertain": 0.5}}, NO_CURVES, NOTHING, "50% of the images are uncertain"),
        ({"metrics": {"acc": 0.6}, "start": {"acc": 0.63}}, NO_CURVES, NOTHING, "(ACC 0.630, then 0.600)"),
        (
            {"ends": {"iterations": 60, "stop_reason": "completed"}},
            changed(0.05),
            Measured(),
            "had not come to rest: 5.0%",
        ),
        ({}, NO_CURVES, Measured(steady=0.5), "Only 50% of augmented copies"),
        ({}, NO_CURVES, Measured(explained=-0.1), "reconstructs only 0% of what"),
    ],
)
def test_warnings(run: Run, changes: dict[str, Any], curves: Curves, measured: Measured, words: str) -> None:
    """Each fault is told, in one sentence that says how large it is."""
    (found,) = warn(sound(run, **changes), curves, measured)
    assert words in found


def test_a_run_that_kept_its_start_is_not_below_it(run: Run) -> None:
    """Labels that were not changed, or are those of the start, cannot be worse than it."""
    judgement = {"neighbours": 0.7, "neighbours_at_start": 0.8}
    for ends in ({"iterations": 0, "stop_reason": "completed"}, {"iterations": 60, "kept": "start"}):
        assert warn(sound(run, judgement=judgement, ends=ends), NO_CURVES, Measured()) == []


@pytest.mark.parametrize(
    ("schedule", "last", "told"), [("constant", 0.5, True), ("constant", 0.99, False), ("onecycle", 0.5, False)]
)
def test_pretraining_that_ended_early(run: Run, schedule: str, last: float, told: bool) -> None:
    """A loss that still falls is told, unless the schedule makes it fall at the end."""
    train = replace(run.config.train, pretrain_schedule=schedule)
    losses = [1.0] * 19 + [last]
    curves = replace(NO_CURVES, pretrain=Curve("loss", "epoch", {"a": (list(range(20)), losses)}))
    found = warn(sound(run, config=replace(run.config, train=train)), curves, Measured())
    assert bool(found) == told
    assert not told or "its loss fell by 50%" in found[0]


def test_figures(run: Run) -> None:
    """Each figure stands with what it says; what was not measured is left out."""
    found = {figure.name: figure.value for figure in figures(sound(run), Measured(0.95, 0.85))}
    assert found == {
        "neighbours": "0.800", "neighbours at the start": "0.700", "silhouette": "0.100", "uncertain": "0.0%",
        "smallest cluster": "10.0%", "reconstructed": "85.0%", "steady": "95.0%",
    }  # fmt: skip
    assert figures(sound(run, judgement={}), Measured()) == []
