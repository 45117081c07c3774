"""Several seeds in words, and what they come to together."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decda.core.errors import InvalidParameter, TrainingDiverged
from decda.core.execution.messages import Failed, Finished
from decda.core.studies.seeds_result import SeedsResult, mean_and_std
from decda.core.studies.seed_ranges import format_seeds, parse_seeds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", (3,)),
        ("0-4", (0, 1, 2, 3, 4)),
        ("0,2,5", (0, 2, 5)),
        ("7,0-2", (0, 1, 2, 7)),
        (" 1 , 3 - 4 ", (1, 3, 4)),
        ("5-5", (5,)),
        ("123456789012345678", (123456789012345678,)),
        ("0-999", tuple(range(1000))),
    ],
)
def test_seeds_in_words(text: str, expected: tuple[int, ...]) -> None:
    """Single seeds, ranges and both mixed are read, and sorted."""
    assert parse_seeds(text) == expected


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", ["a seed is missing", "0-4 or 0,2,5"]),
        ("1,,2", ["a seed is missing"]),
        ("4-0", ["4-0 runs backwards", "Write 0-4"]),
        ("1,0-2", ["the seed 1 is named twice"]),
        ("-3", ["'-3' is neither a seed nor a range", "from 0 up"]),
        ("1.5", ["'1.5'"]),
        ("two", ["'two'"]),
        ("0-2-4", ["'0-2-4'"]),
        ("٣", ["'٣'"]),
        ("9" * 5000, ["neither a seed"]),
        ("0-1000", ["more than 1000 seeds"]),
        ("0-599,600-1000", ["more than 1000 seeds"]),
        ("0-999999999999", ["more than 1000 seeds"]),
    ],
)
def test_mistakes_in_seeds(text: str, pieces: list[str]) -> None:
    """What is no list of seeds is told with the piece that is wrong, and at once, however long a range is."""
    with pytest.raises(InvalidParameter) as caught:
        parse_seeds(text)
    assert all(piece in str(caught.value) for piece in pieces)


def test_seeds_name_a_folder() -> None:
    """Ranges are joined, and a long list is told by its ends and its length."""
    assert format_seeds(range(5)) == "0-4"
    assert format_seeds([3]) == "3"
    assert format_seeds([0, 1, 5]) == "0-1_5"
    assert format_seeds([0, 5]) == "0_5"
    assert format_seeds(range(0, 100, 2)) == "0-98x50"


def test_spread() -> None:
    """Mean and sample standard deviation are numpy's; None where a value is missing or one alone has none."""
    values = [0.25, 0.5, 0.9, 0.1]
    assert mean_and_std(values) == pytest.approx((np.mean(values), np.std(values, ddof=1)), rel=1e-12)
    assert mean_and_std([0.5]) == (0.5, None)
    assert mean_and_std([]) == mean_and_std([0.5, None]) == (None, None)


def run(seed: int, acc: float | None) -> Finished:
    result: dict[str, Any] = {"seed": seed, "acc": acc, "nmi": acc, "ari": acc, "seconds": {"total": 2.0 + seed}}
    return Finished(seed, result, [1, 2])


def test_what_is_printed_of_several_seeds() -> None:
    """The runs as they stand, mean and deviation of their scores; those that failed only where there are any."""
    series = SeedsResult(Path("x"), [run(0, 0.5), run(1, 1.0)], [], {})
    mapping = json.loads(json.dumps(series.as_mapping()))
    assert list(mapping) == ["schema_version", "runs", "mean", "std"]
    assert mapping["runs"] == [run(0, 0.5).result, run(1, 1.0).result]
    assert mapping["mean"] == {"acc": 0.75, "nmi": 0.75, "ari": 0.75, "seconds": 2.5}
    assert mapping["std"]["acc"] == pytest.approx(0.5**1.5)
    assert list(mapping["std"]) == ["acc", "nmi", "ari"]
    assert series.exit_code == 0


def test_what_is_printed_without_scores() -> None:
    """Where the data set has no classes, and where no seed has a result, mean and deviation are null."""
    empty = {"acc": None, "nmi": None, "ari": None}
    unlabelled = SeedsResult(Path("x"), [run(0, None), run(1, None)], [], {}).as_mapping()
    assert (unlabelled["mean"], unlabelled["std"]) == ({**empty, "seconds": 2.5}, empty)
    series = SeedsResult(Path("x"), [], [Failed(3, "no", 4), Failed(4, "nor this", 5)], {})
    assert series.as_mapping()["mean"] == {**empty, "seconds": None}
    assert series.as_mapping()["failed"] == [{"seed": 3, "error": "no"}, {"seed": 4, "error": "nor this"}]
    assert series.exit_code == 4


def test_a_failure_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors for users keep message and exit code, a full disk names the file, a bug leaves its traceback on stderr."""
    assert Failed.of(1, TrainingDiverged("It diverged.")) == Failed(1, "It diverged.", 4)
    assert Failed.of(1, OSError(28, "No space left on device", "x.csv")) == Failed(1, "x.csv: No space left on device")
    assert capsys.readouterr().err == ""
    assert Failed.of(2, ZeroDivisionError("by zero\nmore")) == Failed(2, "ZeroDivisionError: by zero", 1)
    assert "ZeroDivisionError: by zero" in capsys.readouterr().err
