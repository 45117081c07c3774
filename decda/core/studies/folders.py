"""The runs that paths mean: a run's folder means the run, a folder of several seeds those of its runs that finished."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from decda.core.errors import DataError
from decda.core.runs.naming import printable
from decda.core.runs.reading import read_run
from decda.core.studies.seeds_plan import read_seeds


@dataclass(frozen=True)
class Found:
    """What paths mean.

    Attributes:
        folders: of finished runs, in the order of the paths, each once.
        unfinished: folders of seeds that have no result.
    """

    folders: list[Path]
    unfinished: list[Path]


def find_runs(paths: Iterable[Path]) -> Found:
    """Find the runs that are to be compared.

    Args:
        paths: folders of single runs, or of several seeds.

    Returns:
        The folders of the runs.

    Raises:
        DataError: a path is neither, a file in it is damaged, or none of its seeds has finished.

    Example:
        >>> find_runs([])
        Found(folders=[], unfinished=[])
    """
    folders: dict[Path, Path] = {}
    unfinished: dict[Path, Path] = {}
    for path in paths:
        plan = read_seeds(path)
        if plan is None:
            read_run(path)  # or the error would be told only after others were loaded
            folders.setdefault(path.resolve(), path)
            continue
        seeds = [path / f"seed-{seed}" for seed in plan["seeds"]]
        finished = [seed for seed in seeds if _has_finished(seed)]
        if not finished:
            raise DataError(
                f"None of the runs in {printable(path)} has finished. Go on with them: decda train --resume "
                f"{printable(path)}"
            )
        for seed in seeds:
            (folders if seed in finished else unfinished).setdefault(seed.resolve(), seed)
    return Found(list(folders.values()), list(unfinished.values()))


def _has_finished(folder: Path) -> bool:
    if not (folder / "provenance.json").exists():  # it was never started, or killed at once
        return False
    return read_run(folder)[1].get("status") == "finished"
