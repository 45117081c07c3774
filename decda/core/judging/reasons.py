"""Says in sentences which run to use, why, and what speaks against relying on that."""

from collections.abc import Mapping, Sequence
from typing import Any

from decda.core.runs.best import DECIDING
from decda.core.runs.naming import printable

BETTER = {
    "neighbours": 1,
    "silhouette": 1,
    "calinski_harabasz": 1,
    "davies_bouldin": -1,
    "agreement": 1,
    "uncertain": -1,
    "smallest": 1,
    "entropy": 1,
}
"""Each criterion, and whether higher values (1) or lower ones (-1) speak for a run."""
AGREES = 0.5
"""Mean adjusted Rand index with the other runs below which the run to use is called into question."""


def explain(runs: Sequence[Mapping[str, Any]], position: int | None) -> str:
    """Explain which run to use.

    Args:
        runs: run, criteria and warnings of each.
        position: of the run to use; None if there is nothing to go by.

    Returns:
        One sentence that names the run and says why; more where something speaks against relying on it.

    Example:
        >>> runs = [{"run": "a", "neighbours": 0.61}, {"run": "b", "neighbours": 0.58}]
        >>> explain(runs, 0)
        "Use a: its clusters keep images that look alike together better than any other's (neighbours .610, then .580)."
        >>> explain([{"run": "a", "neighbours": None}], None)
        'No run can be preferred: a single image has no neighbours to go by.'
    """
    if position is None:
        numbers = sorted({run["n_clusters"] for run in runs if "n_clusters" in run})
        if len(numbers) > 1:
            return (
                f"No run can be preferred: they have different numbers of clusters ({', '.join(map(str, numbers))}), "
                f"across which {DECIDING} does not compare. Decide on a number, and judge the runs that have it."
            )
        return "No run can be preferred: a single image has no neighbours to go by."
    best = runs[position]
    name, value = printable(str(best["run"])), figure(best[DECIDING])
    others = [run for number, run in enumerate(runs) if number != position]
    if not others:
        sentences = [f"{name} is the only run (neighbours {value}): there is nothing to compare it with."]
    else:
        second = figure(max((run[DECIDING] for run in others if run[DECIDING] is not None), default=None))
        equal = [printable(str(run["run"])) for run in others if figure(run[DECIDING]) == value]
        if equal:
            as_good = f"{', '.join(equal)} {'is' if len(equal) == 1 else 'are'} as good to three decimals"
            sentences = [f"Use {name}: no other run keeps images that look alike together any better (neighbours "
                         f"{value}; {as_good})."]  # fmt: skip
        else:
            sentences = [f"Use {name}: its clusters keep images that look alike together better than any other's "
                         f"(neighbours {value}, then {second})."]  # fmt: skip
    agreement = best.get("agreement")
    if agreement is not None and agreement < AGREES:
        sentences.append(
            f"It has little in common with {'the other run' if len(others) == 1 else 'the other runs'}, though "
            f"(agreement {figure(agreement)}): look at its clusters before you rely on them."
        )
    sentences += [f"A warning of that run: {warning}" for warning in best.get("warnings", ())]
    return " ".join(sentences)


def figure(value: float | None) -> str:
    """A criterion in three decimals, without a leading zero.

    Args:
        value: of the criterion.

    Returns:
        The text; "" for None.

    Example:
        >>> figure(0.6123), figure(-0.05), figure(12.0), figure(None)
        ('.612', '-.050', '12.000', '')
    """
    if value is None:
        return ""
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
