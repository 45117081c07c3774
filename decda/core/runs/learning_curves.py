"""`log.csv` of a run -> the curves of its training."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from decda.core.errors import DataError, in_a_line
from decda.core.regular_files import read_regular
from decda.core.report.facts import Curve
from decda.core.runs.run_folder import LOG, LOG_COLUMNS, SCORES

MAX_BYTES = 2**28
"""More than the log of a million refreshes takes."""
Line = tuple[list[float], list[float]]


@dataclass(frozen=True)
class Curves:
    """The curves of a run; each is None where there is nothing to draw.

    Attributes:
        pretrain: the loss of pretraining.
        cluster: the loss of clustering, by term.
        changed: the share of labels that changed since the last refresh.
        scores: agreement with the known classes.
    """

    pretrain: Curve | None
    cluster: Curve | None
    changed: Curve | None
    scores: Curve | None

    def drawn(self) -> list[Curve]:
        """Those that there are."""
        return [curve for curve in (self.pretrain, self.cluster, self.changed, self.scores) if curve is not None]


def read_curves(folder: Path) -> Curves:
    """The curves of a run.

    Args:
        folder: of the run.

    Returns:
        What its `log.csv` says.

    Raises:
        DataError: the log is missing or damaged.
    """
    file = folder / LOG
    try:
        text = read_regular(file, max_bytes=MAX_BYTES).decode()
        table = csv.DictReader(StringIO(text, newline=""))
        if table.fieldnames is None or tuple(table.fieldnames) != LOG_COLUMNS:
            raise ValueError("its first line does not name its columns")
        rows = list(table)
        pretrain = _terms([row for row in rows if row["phase"] == "pretrain"])
        refreshes = [row for row in rows if row["phase"] == "cluster"]
        cluster = _terms(refreshes)
        changed = _columns(refreshes[1:], ("changed",))  # at the first there is nothing to compare with
        scores = _columns(refreshes, SCORES)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(f"{file} cannot be read: it is damaged ({in_a_line(error)}).") from error
    return Curves(
        Curve("Pretraining: loss", "epoch", pretrain, logarithmic=_positive(pretrain)) if pretrain else None,
        Curve("Clustering: loss", "iteration", cluster, logarithmic=_positive(cluster)) if cluster else None,
        Curve("Labels changed since the last refresh", "iteration", changed, percent=True) if changed else None,
        Curve("Agreement with the known classes", "iteration", scores, percent=True) if scores else None,
    )


def _terms(rows: Sequence[Mapping[str, str]]) -> dict[str, Line]:
    """The loss terms: `"kl=0.2 reconstruction=0.01"` in each row."""
    lines: dict[str, Line] = {}
    for row in rows:
        for name, _, value in (term.rpartition("=") for term in row["terms"].split()):
            _add(lines, name, row["step"], value)
    return lines


def _columns(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for row in rows:
        for name in names:
            if row[name]:
                _add(lines, name.upper() if name in SCORES else name, row["step"], row[name])
    return lines


def _add(lines: dict[str, Line], name: str, step: str, value: str) -> None:
    steps, values = lines.setdefault(name, ([], []))
    steps.append(float(step))
    values.append(float(value))


def _positive(lines: Mapping[str, Line]) -> bool:
    return all(value > 0 for _, values in lines.values() for value in values)
