"""The choice between runs."""

import pytest

from decda.core.runs.best import choose_best, highest


def result(value: float | None, acc: float | None = None) -> dict:
    """What a run came to, as far as it matters here."""
    return {"acc": acc, "judgement": {"neighbours": value, "silhouette": 0.9}}


def test_the_best_neighbours_win() -> None:
    """The run with the highest value is chosen, whatever its ACC."""
    assert choose_best([result(0.5, acc=0.99), result(0.7, acc=0.1), result(0.6)]) == 1
    assert choose_best([result(-0.5), result(-0.4)]) == 1


def test_the_first_of_equals() -> None:
    """Of equal runs the first is chosen."""
    assert choose_best([result(0.5), result(0.7), result(0.7)]) == 1


@pytest.mark.parametrize("unknown", [result(None), {"acc": 0.9}, {"judgement": {}}])
def test_runs_without_the_figure(unknown: dict) -> None:
    """A run whose figure is unknown, such as one of an older version, is never preferred; none is if all are."""
    assert choose_best([unknown, result(-0.9)]) == 1
    assert choose_best([unknown, unknown]) is None
    assert choose_best([]) is None


def test_highest_of_plain_values() -> None:
    """Positions are those in the list, counted with the unknown ones."""
    assert highest([None, None, 0.0, -1.0]) == 2
    assert highest([]) is None
