"""Which of several runs to keep, by figures that know no classes."""

from collections.abc import Mapping, Sequence
from typing import Any

DECIDING = "neighbours"
"""The criterion by which runs are chosen, see `decda.core.runs.criteria`."""


def highest(values: Sequence[float | None]) -> int | None:
    """The position of the highest value, of the first one if several are equal.

    Args:
        values: None where one is unknown.

    Returns:
        The position; None if no value is known.

    Example:
        >>> highest([None, 0.5, 0.7, 0.7])
        2
    """
    known = [(value, -position) for position, value in enumerate(values) if value is not None]
    return -max(known)[1] if known else None


def choose_best(runs: Sequence[Mapping[str, Any]]) -> int | None:
    """The run to keep of several on the same images, by `neighbours` of its judgement. Classes play no part.

    Args:
        runs: the results as mappings, such as those in `SeedsResult.as_mapping()["runs"]`; each holds `judgement`.

    Returns:
        The position of the run in the list; None if no run has that figure.

    Example:
        >>> choose_best([{"judgement": {"neighbours": 0.6}}, {"judgement": {"neighbours": 0.7}}])
        1
    """
    return highest([run.get("judgement", {}).get(DECIDING) for run in runs])
