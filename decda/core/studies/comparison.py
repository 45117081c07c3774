"""Several runs or studies side by side: their figures, how far they agree, and the settings in which they differ."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decda.core.atomic_files import read_json
from decda.core.config.run_config import PartConfig
from decda.core.errors import ConfigError, DataError
from decda.core.runs.naming import printable
from decda.core.runs.reading import read_labels, read_run
from decda.core.studies.folders import find_runs
from decda.core.studies.seeds_plan import read_seeds
from decda.core.studies.seeds_result import mean_and_std
from decda.core.training.metrics import ari

SCHEMA_VERSION = 1
FIGURES = ("acc", "nmi", "ari", "neighbours", "smallest", "uncertain", "iterations", "seconds")
"""What is compared; of the first six, all but `uncertain` are better the higher they are."""
JUDGED = ("neighbours", "smallest", "uncertain")
NOT_SETTINGS = ("seed", "device", "autoencoder")
"""Of a configuration, what does not say how a run was made."""


@dataclass(frozen=True)
class ComparedRun:
    """One finished run.

    Attributes:
        folder: of the run.
        seed: of the run.
        figures: each of `FIGURES`, None where it is not known.
        labels: the cluster of each image (N,).
        n_clusters: how many clusters it has.
        data: a digest of the images.
        settings: of the run, by `part.parameter`, as text.
        warnings: those of the run itself.
    """

    folder: Path
    seed: int
    figures: Mapping[str, float | None]
    labels: NDArray[np.int64]
    n_clusters: int | None
    data: str | None
    settings: Mapping[str, str]
    warnings: Sequence[str]


@dataclass(frozen=True)
class Group:
    """What is compared as one: a run, or the seeds of a study.

    Attributes:
        name: what it is called.
        runs: at least one.
        unfinished: how many more seeds there are, without a result.
    """

    name: str
    runs: Sequence[ComparedRun]
    unfinished: int = 0

    def mean(self, figure: str) -> tuple[float | None, float | None]:
        """Mean and sample standard deviation over the runs.

        Args:
            figure: one of `FIGURES`.

        Returns:
            Both None where one run does not have it; the deviation None for a single run.
        """
        return mean_and_std([run.figures[figure] for run in self.runs])


@dataclass(frozen=True)
class Comparison:
    """Several groups side by side.

    Attributes:
        groups: at least one.
        agreement: the mean adjusted Rand index of runs of one group with those of another, or of the same; None where
            there is no pair, or the images differ.
        settings: those in which the groups differ, each with its value in every group; "" where a group lacks it.
        same_images: whether all were made of the same images.
    """

    groups: Sequence[Group]
    agreement: Sequence[Sequence[float | None]]
    settings: Mapping[str, Sequence[str]]
    same_images: bool

    def shown(self) -> list[str]:
        """The figures that at least one group has."""
        return [name for name in FIGURES if any(group.mean(name)[0] is not None for group in self.groups)]

    def as_mapping(self) -> dict[str, Any]:
        """What `decda compare --json` prints."""
        groups = []
        for group in self.groups:
            spreads = {name: group.mean(name) for name in FIGURES}
            groups.append(
                {
                    "name": group.name,
                    "runs": [{"run": str(r.folder), "seed": r.seed, **r.figures} for r in group.runs],
                    "unfinished": group.unfinished,
                    "mean": {name: mean for name, (mean, _) in spreads.items()},
                    "std": {name: deviation for name, (_, deviation) in spreads.items()},
                    "warnings": list(dict.fromkeys(warning for run in group.runs for warning in run.warnings)),
                }
            )
        return {
            "schema_version": SCHEMA_VERSION,
            "same_images": self.same_images,
            "groups": groups,
            "agreement": [list(row) for row in self.agreement],
            "settings": {name: list(values) for name, values in self.settings.items()},
        }


def compare(paths: Sequence[Path]) -> Comparison:
    """Compare runs or studies by what their folders hold; no model is loaded, no image is needed.

    Args:
        paths: folders of single runs, or of several seeds, which count as one. A single folder of several seeds is
            compared seed by seed.

    Returns:
        The comparison.

    Raises:
        ConfigError: no folder was named.
        DataError: a path is no run, one has not finished, or a file is damaged.
    """
    if not paths:
        raise ConfigError("There is nothing to compare: name at least one run.")
    groups = [_group(path) for path in paths]
    if len(groups) == 1 and read_seeds(paths[0]) is not None:
        groups = [Group(f"seed {run.seed}", [run]) for run in groups[0].runs]
    runs = [run for group in groups for run in group.runs]
    same = len({(run.data, len(run.labels)) for run in runs}) == 1
    names = dict.fromkeys(name for run in runs for name in run.settings)
    values = {name: [_value(group, name) for group in groups] for name in names}
    differing = {name: each for name, each in values.items() if len(set(each)) > 1}
    return Comparison(groups, _agreement(groups) if same else [[None] * len(groups)] * len(groups), differing, same)


def _group(path: Path) -> Group:
    found = find_runs([path])
    runs = [_read(folder) for folder in found.folders]
    plan = read_seeds(path)
    name = printable(path)
    return Group(name if plan is None else f"{name} ({len(runs)} seeds)", runs, len(found.unfinished))


def _read(folder: Path) -> ComparedRun:
    configuration, provenance = read_run(folder)
    if provenance.get("status") != "finished":
        raise DataError(f"The run {printable(folder)} has not finished: it has no result yet. It can be resumed.")
    metrics = read_json(folder / "metrics.json")
    judged, seconds = metrics.get("judgement", {}), provenance.get("seconds", {})
    try:
        figures = {
            **{name: metrics.get(name) for name in FIGURES},
            **{name: judged.get(name) for name in JUDGED},
            "seconds": seconds.get("total"),
        }
        warnings = [str(warning) for warning in metrics.get("warnings", ())]
    except (AttributeError, TypeError) as error:
        raise DataError(f"{printable(folder / 'metrics.json')} is damaged: {error}.") from error
    numbers = {name: value if isinstance(value, int | float) else None for name, value in figures.items()}
    seed = provenance.get("seed")
    return ComparedRun(
        folder=folder,
        seed=seed if isinstance(seed, int) else 0,
        figures=numbers,
        labels=read_labels(folder)[0],
        n_clusters=metrics.get("n_clusters"),
        data=provenance.get("data_sha256"),
        settings=_settings(configuration),
        warnings=warnings,
    )


def _settings(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Names of parts, and settings, flat and as text."""
    flat: dict[str, str] = {}
    for name, value in configuration.items():
        if name in NOT_SETTINGS:
            continue
        if isinstance(value, Mapping):
            for inner, each in value.items():
                text = PartConfig(str(each)).short if inner == "name" else each
                flat[name if inner == "name" else f"{name}.{inner}"] = printable(text)
        else:
            flat[name] = printable(value)
    return flat


def _value(group: Group, name: str) -> str:
    """A setting of a group; where its runs differ in it, all values."""
    return ", ".join(dict.fromkeys(run.settings.get(name, "") for run in group.runs))


def _agreement(groups: Sequence[Group]) -> list[list[float | None]]:
    table: list[list[float | None]] = [[None] * len(groups) for _ in groups]
    for (i, one), (j, other) in itertools.combinations_with_replacement(enumerate(groups), 2):
        if i == j:
            pairs = [(a.labels, b.labels) for a, b in itertools.combinations(one.runs, 2)]
        else:
            pairs = [(a.labels, b.labels) for a in one.runs for b in other.runs]
        if pairs:
            table[i][j] = table[j][i] = float(np.mean([ari(a, b) for a, b in pairs]))
    return table
