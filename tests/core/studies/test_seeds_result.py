"""The combined result of several seeds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decda.core.execution.messages import Failed, Finished
from decda.core.studies.seeds_result import SeedsResult, mean_and_std


def test_mean_and_std() -> None:
    """Mean and sample deviation equal NumPy's; both are None if a value is missing, the deviation for a single one."""
    values = [0.25, 0.5, 0.9, 0.1]
    assert mean_and_std(values) == pytest.approx((np.mean(values), np.std(values, ddof=1)), rel=1e-12)
    assert mean_and_std([0.5]) == (0.5, None)
    assert mean_and_std([]) == mean_and_std([0.5, None]) == (None, None)


def run(seed: int, acc: float | None) -> Finished:
    result: dict[str, Any] = {"seed": seed, "acc": acc, "nmi": acc, "ari": acc, "seconds": {"total": 2.0 + seed}}
    return Finished(seed, result, [1, 2])


def test_json_of_several_seeds() -> None:
    """The output has every run and the mean and deviation of the scores, and failures only if there are any."""
    series = SeedsResult(Path("x"), [run(0, 0.5), run(1, 1.0)], [])
    mapping = json.loads(json.dumps(series.as_mapping()))
    assert list(mapping) == ["schema_version", "runs", "mean", "std", "best", "warnings"]
    assert mapping["warnings"] == ["No seed is named as the one to use: none has the figure that decides, neighbours."]
    assert mapping["runs"] == [run(0, 0.5).result, run(1, 1.0).result]
    assert mapping["mean"] == {"acc": 0.75, "nmi": 0.75, "ari": 0.75, "seconds": 2.5}
    assert mapping["std"]["acc"] == pytest.approx(0.5**1.5)
    assert list(mapping["std"]) == ["acc", "nmi", "ari"]
    assert series.exit_code == 0


def test_the_best_is_named_without_labels() -> None:
    """The seed with the highest `neighbours` is named, whatever its accuracy; none, if no seed has that figure."""
    judged = []
    for seed, acc, figure in ((0, 0.9, 0.6), (1, 0.5, 0.7), (2, 0.8, None)):
        result = {**run(seed, acc).result, "run": f"x/seed-{seed}", "judgement": {"neighbours": figure}}
        judged.append(Finished(seed, result, [1, 2]))
    series = SeedsResult(Path("x"), judged, [])
    assert series.best is judged[1]
    assert series.as_mapping()["best"] == "x/seed-1"
    assert SeedsResult(Path("x"), judged[2:], []).best is None


def test_no_seed_is_best_of_different_numbers_of_clusters() -> None:
    """`neighbours` does not compare across numbers of clusters; a warning names these, and no seed is preferred."""
    judged = []
    for seed, k in ((0, 9), (1, 11), (2, 9)):
        figures = {"run": f"x/seed-{seed}", "n_clusters": k, "judgement": {"neighbours": 0.5 + seed / 10}}
        judged.append(Finished(seed, {**run(seed, 0.5).result, **figures}, [1, 2]))
    series = SeedsResult(Path("x"), judged, [])
    assert (series.best, series.numbers) == (None, [9, 11])
    mapping = series.as_mapping()
    assert mapping["best"] is None
    (warning,) = mapping["warnings"]
    assert "they have different numbers of clusters (9, 11)" in warning
    agreed = SeedsResult(Path("x"), judged[::2], [])
    assert (agreed.best, agreed.undecided) == (judged[2], None)
    assert "warnings" not in agreed.as_mapping()


def test_json_without_scores() -> None:
    """If the data set has no classes, or no seed has a result, the mean and deviation of the scores are null."""
    empty = {"acc": None, "nmi": None, "ari": None}
    unlabelled = SeedsResult(Path("x"), [run(0, None), run(1, None)], []).as_mapping()
    assert (unlabelled["mean"], unlabelled["std"]) == ({**empty, "seconds": 2.5}, empty)
    series = SeedsResult(Path("x"), [], [Failed(3, "no", 4), Failed(4, "nor this", 5)])
    assert series.as_mapping()["mean"] == {**empty, "seconds": None}
    assert series.as_mapping()["failed"] == [{"seed": 3, "error": "no"}, {"seed": 4, "error": "nor this"}]
    assert series.exit_code == 4
