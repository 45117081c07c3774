"""What lies in a folder of runs: each run, and several seeds of one composition together."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decda.core.config.run_config import read_toml
from decda.core.errors import DataError, DecdaError
from decda.core.runs.naming import printable
from decda.core.runs.overview import (
    CONFIG,
    DAMAGED,
    DIVERGED,
    FAILED,
    FINISHED,
    INTERRUPTED,
    SCORES,
    STARTED,
    UNREADABLE,
    Overview,
    as_iso,
    folder_time,
    parts_of,
    read_overview,
    status_of,
    total_size,
)
from decda.core.studies.seeds_plan import SEEDS, read_seeds
from decda.core.studies.seeds_result import mean_and_std

PRECEDENCE = (DAMAGED, UNREADABLE, STARTED, INTERRUPTED, DIVERGED, FAILED, FINISHED)
"""The status of several seeds is the first of these that one of them has."""


@dataclass(frozen=True)
class ListedRun:
    """A run, or several seeds of one composition.

    Attributes:
        overview: of the run; of several seeds, what they have in common, with the means of those that have finished.
        seeds: all that the folder is for; None for a single run.
        runs: those seeds that have a folder, by seed.
    """

    overview: Overview
    seeds: tuple[int, ...] | None = None
    runs: tuple[Overview, ...] = ()

    @property
    def n_finished(self) -> int:
        """How many runs have finished."""
        return sum(run.status == FINISHED for run in ((self.overview,) if self.seeds is None else self.runs))

    def as_mapping(self, now: float) -> dict[str, Any]:
        """What `decda runs --json` prints of it.

        Args:
            now: in seconds since 1970.
        """
        seen = self.overview
        return {
            "run": str(seen.folder),
            "status": seen.status,
            "reason": seen.reason,
            "seeds": None if self.seeds is None else list(self.seeds),
            "n_finished": self.n_finished,
            "recipe": seen.recipe,
            "dataset": seen.dataset,
            "data_path": seen.data_path,
            "parts": dict(seen.parts),
            "seed": seen.seed,
            "n_samples": seen.n_samples,
            "n_clusters": seen.n_clusters,
            **{name: seen.scores.get(name) for name in SCORES},
            "seconds": seen.seconds,
            "started": seen.started,
            "finished": seen.finished,
            "time": as_iso(seen.time),
            "age_seconds": None if seen.time is None else round(now - seen.time, 3),
            "bytes": seen.n_bytes,
        }


@dataclass(frozen=True)
class Listing:
    """What lies in a folder.

    Attributes:
        folder: as it was named.
        runs: newest first.
        others: names of the folders in it that hold no run, sorted.
    """

    folder: Path
    runs: Sequence[ListedRun]
    others: Sequence[str] = ()

    def every_run(self) -> list[ListedRun]:
        """The same runs, those of several seeds followed by each of their seeds."""
        return [each for run in self.runs for each in (run, *map(ListedRun, run.runs))]


def list_runs(folder: Path) -> Listing:
    """Look at all that lies in a folder. Only small files are read, and nothing is changed.

    Args:
        folder: of runs; of several seeds, which are then listed one by one; or of a single run.

    Returns:
        The runs, newest first. What is damaged, or may not be read, is among them with that status.

    Raises:
        DataError: there is no such folder, or it may not be listed.

    Example:
        >>> list_runs(Path(".")).runs
        []
    """
    try:
        inner = _subfolders(folder)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        what = "there is no such folder here" if missing else error.strerror or str(error)
        raise DataError(
            f"The folder {printable(folder)} cannot be listed: {what}. Name the folder that your runs are in, or make "
            "a first run: decda train"
        ) from error
    itself = None if _exists(folder / SEEDS) else read_overview(folder)
    if itself is not None:
        return Listing(folder, [ListedRun(itself)])
    listed = {path.name: read_listed(path) for path in inner}
    runs = [run for run in listed.values() if run is not None]
    runs.sort(key=lambda run: (-(run.overview.time or 0), run.overview.folder.name))
    return Listing(folder, runs, sorted(name for name, run in listed.items() if run is None))


def read_listed(folder: Path) -> ListedRun | None:
    """Look at one folder among others.

    Args:
        folder: of a run, of several seeds, or of something else.

    Returns:
        What it says; None if it holds no run.

    Example:
        >>> print(read_listed(Path(".")))
        None
    """
    if not _exists(folder / SEEDS):
        overview = read_overview(folder)
        return None if overview is None else ListedRun(overview)
    time, n_bytes = folder_time(folder), total_size(folder)
    try:
        plan = read_seeds(folder)
        if plan is None:  # it was removed a moment ago
            return None
        configuration = read_toml(folder / CONFIG)
        parts = parts_of(configuration, folder)
    except DecdaError as error:
        return ListedRun(
            Overview(folder=folder, status=status_of(error), reason=str(error), time=time, n_bytes=n_bytes), seeds=()
        )
    seen = (read_overview(folder / f"seed-{seed}") for seed in plan["seeds"])
    runs = tuple(run for run in seen if run is not None)
    finished = [run for run in runs if run.status == FINISHED]
    status, reason = _status(runs, len(plan["seeds"]))
    overview = Overview(
        folder=folder,
        status=status,
        reason=reason,
        recipe=plan["recipe"],
        parts=parts,
        data_path=next((run.data_path for run in runs), None),
        n_samples=next((run.n_samples for run in runs if run.n_samples), None),
        n_clusters=_common([run.n_clusters for run in finished or runs]),
        scores={name: mean_and_std([run.scores[name] for run in finished])[0] for name in SCORES},
        seconds=mean_and_std([run.seconds for run in finished])[0],
        started=min((run.started for run in runs if run.started), default=None),
        finished=None if status == STARTED else max((run.finished for run in runs if run.finished), default=None),
        time=max((run.time for run in runs if run.time is not None), default=time),
        n_bytes=n_bytes,
    )
    return ListedRun(overview, tuple(plan["seeds"]), runs)


def _status(runs: Sequence[Overview], n_seeds: int) -> tuple[str, str]:
    """The status of several seeds, and what the first of those says that have it."""
    statuses = {run.status for run in runs}
    if len(runs) < n_seeds and INTERRUPTED not in statuses:  # they wait, or were never begun
        statuses.add(STARTED)
    status = min(statuses, key=PRECEDENCE.index)
    told = next(((run.folder.name, run.reason) for run in runs if run.status == status and run.reason), None)
    return status, "" if told is None else f"{told[0]}: {told[1]}"


def _common(values: Sequence[int | None]) -> int | None:
    """The value that all have; None if they differ."""
    return values[0] if len(set(values)) == 1 else None


def _subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, each once, by whatever links it can be reached; hidden ones left out."""
    found: dict[tuple[int, int], Path] = {}
    with os.scandir(folder) as entries:
        inner = sorted((entry for entry in entries if not entry.name.startswith(".")), key=os.DirEntry.is_symlink)
    for entry in inner:  # links last, so that they are left out where they lead to a neighbour
        with contextlib.suppress(OSError):  # a link that leads nowhere, or to itself
            if entry.is_dir():
                status = os.stat(entry.path)
                found.setdefault((status.st_dev, status.st_ino), folder / entry.name)
    return list(found.values())


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # what cannot be seen is told when it is read
        return False
