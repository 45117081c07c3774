"""Which of several runs on the same images to use, by criteria that know no classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from decda.core.config.composition import compose
from decda.core.config.provenance_hints import provenance_beside
from decda.core.config.run_config import PART_KINDS
from decda.core.errors import ConfigError, DataError, UnknownComponent
from decda.core.files import Files
from decda.core.judging.reasons import explain
from decda.core.parts.registry import Registry
from decda.core.runs import criteria
from decda.core.runs.best import DECIDING, highest
from decda.core.runs.images import hash_images, load_images
from decda.core.runs.naming import printable
from decda.core.runs.reading import read_run
from decda.core.runs.run import Run
from decda.core.runs.run_folder import CONFIG
from decda.core.runs.space import pixel_space

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class JudgedRun:
    """What speaks for a run, and against it.

    Attributes:
        run: the run.
        criteria: each criterion by its name, in the order of `reasons.BETTER`; None where it is not defined.
    """

    run: Run
    criteria: Mapping[str, float | None]

    def as_mapping(self) -> dict[str, Any]:
        """Its entry in what `decda judge --json` prints; `acc` was not used."""
        config = self.run.config
        return {
            "run": str(self.run.folder),
            "recipe": config.recipe,
            "seed": config.seed,
            "n_clusters": config.n_clusters,
            **self.criteria,
            "acc": self.run.metrics.get("acc"),
            "warnings": list(self.run.warnings),
        }


@dataclass(frozen=True)
class Judgement:
    """Several runs on the same images, compared without classes.

    Attributes:
        runs: each with its criteria, in the order given.
        position: of the run to use; None if there is nothing to go by, or if they have different numbers of clusters.
        reason: why, in sentences.
        data_sha256: of the images.
        unfinished: folders of seeds that were meant, too, and have no result.
    """

    runs: Sequence[JudgedRun]
    position: int | None
    reason: str
    data_sha256: str
    unfinished: Sequence[Path] = ()

    @property
    def best(self) -> Run | None:
        """The run to use; None if none can be preferred, of which `reason` says why."""
        return None if self.position is None else self.runs[self.position].run

    def __repr__(self) -> str:
        """The judgement in a line."""
        word = "run" if len(self.runs) == 1 else "runs"
        return f"<Judgement of {len(self.runs)} {word}: {self.reason}>"

    def as_mapping(self) -> dict[str, Any]:
        """What `decda judge --json` prints."""
        first = self.runs[0].run
        return {
            "schema_version": SCHEMA_VERSION,
            "dataset": first.config.dataset.short,
            "n_samples": len(first.labels),
            "data_sha256": self.data_sha256,
            "criterion": DECIDING,
            "best": None if self.best is None else str(self.best.folder),
            "reason": self.reason,
            "runs": [judged.as_mapping() for judged in self.runs],
            "unfinished": [str(folder) for folder in self.unfinished],
        }


def judge(
    runs: Sequence[Run],
    registry: Registry,
    files: Files,
    *,
    images: Tensor | None = None,
    unfinished: Sequence[Path] = (),
) -> Judgement:
    """Compare runs on the same images by criteria that know no classes, and say which one to use.

    They are compared in a space made of the images alone, see `decda.core.runs.space`, because each model would flatter
    itself in its own embedding; so models of any kind can be compared. `neighbours` decides, see
    `decda.core.runs.criteria`. With one thread or several, figures may differ in their last digits.

    Args:
        runs: finished ones, at least one; one that is named twice counts once.
        registry: where the data set of the first one is.
        files: where its files are.
        images: those that all runs were made of (N, C, H, W), as loaded for a run. None: they are loaded again.
        unfinished: runs that were meant, too, and have no result yet, for the record.

    Returns:
        The criteria of each run, and the run to use.

    Raises:
        ConfigError: no run was named.
        DataError: the runs are not of the same images, or these are not there any more.
    """
    runs = list({run.folder.resolve(): run for run in reversed(runs)}.values())[::-1]
    if not runs:
        raise ConfigError("There is nothing to judge: name at least one run.")
    digest = _digest_of(runs)
    x = _load_again(runs[0], registry, files) if images is None else images
    if len(x) != len(runs[0].labels) or digest not in (None, hash_images(x)):
        raise DataError(
            f"These are not the images that {printable(runs[0].folder)} was made of: they have changed since. "
            "Restore them; runs on other images cannot be judged by these.",
            parameter="images",
        )
    with threadpool_limits(limits=torch.get_num_threads()):
        space = pixel_space(x)
        found = criteria.find_neighbours(space.points)
        agreements = criteria.agreement([run.labels for run in runs])
        judged = []
        for run, agreement in zip(runs, agreements, strict=True):
            drawn, k = run.labels[space.index], run.config.known_clusters
            figures = {
                "neighbours": criteria.neighbours(space.points, drawn, found=found),
                "silhouette": criteria.silhouette(space.points, drawn),
                "calinski_harabasz": criteria.calinski_harabasz(space.points, drawn),
                "davies_bouldin": criteria.davies_bouldin(space.points, drawn),
                "agreement": agreement,
                "uncertain": criteria.uncertain(run.confidence),
                "smallest": criteria.smallest(run.labels, k),
                "entropy": criteria.entropy(run.labels, k),
            }
            judged.append(JudgedRun(run, figures))
    alike = len({run.config.known_clusters for run in runs}) == 1  # or the figure that decides does not compare
    position = highest([each.criteria[DECIDING] for each in judged]) if alike else None
    reason = explain([each.as_mapping() for each in judged], position)
    return Judgement(judged, position, reason, digest or hash_images(x), tuple(unfinished))


def _digest_of(runs: Sequence[Run]) -> str | None:
    """The digest of the images that all runs were made of; None if the runs do not say."""
    first = runs[0]
    digest = read_run(first.folder)[1].get("data_sha256")
    for run in runs[1:]:
        n, n_first = len(run.labels), len(first.labels)
        ours, theirs = printable(first.folder), printable(run.folder)
        if n != n_first:
            raise DataError(
                f"Only runs on the same images can be compared: {theirs} has {n} images, and {ours} has {n_first}. "
                "Judge them separately."
            )
        if read_run(run.folder)[1].get("data_sha256") != digest:
            raise DataError(
                f"Only runs on the same images can be compared: those of {theirs} "
                f"('{run.config.dataset.short}') are not those of {ours} ('{first.config.dataset.short}'). Judge them "
                "separately."
            )
    return digest if isinstance(digest, str) else None


def _load_again(run: Run, registry: Registry, files: Files) -> Tensor:
    """The images of a run, from its data set; their classes are left behind."""
    provenance = provenance_beside(run.folder / CONFIG)
    others = [kind for kind in PART_KINDS if kind != "dataset"]  # which may be classes that only the run knows
    try:
        config = compose(registry, config=run.config.as_mapping(), provenance=provenance, unresolved=others)
    except UnknownComponent as error:
        raise DataError(f"The images of {printable(run.folder)} cannot be loaded again: {error}") from error
    return load_images(config, registry, files).x
