"""Several runs of the same images combined: labels that they agree on, in a folder of their own."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decda.core.consensus.classes import read_classes
from decda.core.consensus.voters import Voter, read_voters
from decda.core.consensus.voting import vote
from decda.core.errors import DecdaError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.naming import check_out, new_folder
from decda.core.runs.run_folder import RunFolder
from decda.core.training.metrics import ari, scores

SCHEMA_VERSION = 1
SUMMARY = "summary.json"


@dataclass(frozen=True, repr=False, eq=False)
class Combined:
    """What several runs agree on. The same stands in its folder.

    Attributes:
        folder: with `labels.csv`, of the form that a run's has, and `summary.json`.
        dataset: the name of the data set of the first run.
        data_sha256: of the images.
        labels: the cluster of each image, int64 (N,).
        agreement: for each image, the share of runs that voted for its cluster, float32 (N,).
        names: a name for each image, or None.
        metrics: `acc`, `nmi` and `ari` of the consensus against the classes, each None where they are not known.
        runs: of each run its folder (`run`), `recipe`, `seed`, `n_clusters` that it uses, `ari_with_consensus`, and
            the same metrics.
        warnings: sentences on what was left out.
    """

    folder: Path
    dataset: str
    data_sha256: str
    labels: NDArray[np.int64]
    agreement: NDArray[np.float32]
    names: Sequence[str] | None
    metrics: Mapping[str, float | None]
    runs: Sequence[Mapping[str, Any]]
    warnings: Sequence[str] = ()

    def __repr__(self) -> str:
        """The consensus in a line."""
        n, k = len(self.labels), len(self.sizes)
        return f"<Combined {self.folder}: {n} images in {k} cluster{'' if k == 1 else 's'}, by {len(self.runs)} runs>"

    @property
    def sizes(self) -> list[int]:
        """How many images each cluster holds."""
        sizes: list[int] = np.bincount(self.labels).tolist()
        return sizes

    def as_mapping(self) -> dict[str, Any]:
        """What `decda combine --json` prints, and `summary.json` holds."""
        return {
            "schema_version": SCHEMA_VERSION,
            "out": str(self.folder),
            "dataset": self.dataset,
            "n_samples": len(self.labels),
            "n_clusters": len(self.sizes),
            "sizes": self.sizes,
            "agreement": float(self.agreement.mean(dtype=np.float64)),
            "unanimous": float((self.agreement == 1).mean()),
            **self.metrics,
            "data_sha256": self.data_sha256,
            "runs": [dict(run) for run in self.runs],
            "warnings": list(self.warnings),
        }


def combine(
    folders: Sequence[Path],
    registry: Registry,
    files: Files,
    *,
    n_clusters: int | None = None,
    out: Path | None = None,
    unfinished: Sequence[Path] = (),
) -> Combined:
    """Find the labels that several runs agree on, by voting after relabelling, and write them to a folder.

    The runs are read from their folders and are not changed. Classes, where they can be had, are looked at when the
    labels stand; they measure and decide nothing.

    Args:
        folders: of at least two finished runs of the same images.
        registry: where their data set is, for scores.
        files: where its files are.
        n_clusters: the most clusters of the consensus; None: as many as most runs use.
        out: the folder to make, which must not exist; None: a new one below `runs/`.
        unfinished: runs that were meant, too, and have no labels yet; a warning says that they are left out.

    Returns:
        The labels, and how far the runs agree.

    Raises:
        ConfigError: fewer than two runs, a number of clusters that no run has, or a folder that cannot be made.
        DataError: a run has not finished, is damaged, or was trained on other images.
        OutputError: the results cannot be written; nothing is left of them.
    """
    check_out(out)
    voters = read_voters(folders, unfinished)
    labels, agreement = vote([voter.labels for voter in voters], n_clusters)
    told = [f"{folder} is left out: it has not finished." for folder in unfinished]
    used = int(labels.max()) + 1
    if n_clusters is not None and used < n_clusters:
        told.append(f"The runs agree on {used} cluster{'' if used == 1 else 's'}; {n_clusters} were asked for.")
    classes = _classes(voters, registry, files, told)
    dataset = _short(voters[0].configuration, "dataset")
    folder = new_folder(out, f"consensus-{dataset}")
    combined = Combined(
        folder=folder,
        dataset=dataset,
        data_sha256=voters[0].provenance["data_sha256"],
        labels=labels,
        agreement=agreement,
        names=voters[0].names,
        metrics=scores(classes, labels),
        runs=[_described(voter, labels, classes) for voter in voters],
        warnings=told,
    )
    try:
        to = RunFolder(folder)
        to.write_labels(labels, agreement, combined.names)
        to.write_json(SUMMARY, combined.as_mapping())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # it was made a moment ago
        raise
    return combined


def _classes(voters: Sequence[Voter], registry: Registry, files: Files, told: list[str]) -> NDArray[np.int64] | None:
    """The classes of the images, by the first run that knows some; a consensus does not need them."""
    knowing = [voter for voter in voters if voter.provenance.get("classes_sha256") is not None]
    if not knowing:
        return None
    try:
        return read_classes(knowing[0], registry, files)
    except DecdaError as error:
        told.append(f"There are no scores, because the classes cannot be read: {error}")
        return None


def _described(voter: Voter, labels: NDArray[np.int64], classes: NDArray[np.int64] | None) -> dict[str, Any]:
    return {
        "run": str(voter.folder),
        "recipe": voter.provenance.get("recipe"),
        "seed": voter.provenance.get("seed"),
        "n_clusters": len(np.unique(voter.labels)),
        "ari_with_consensus": ari(voter.labels, labels),
        **scores(classes, voter.labels),
    }


def _short(configuration: Mapping[str, Any], kind: str) -> str:
    """The name of a part without its package."""
    table = configuration.get(kind)
    name = table.get("name") if isinstance(table, Mapping) else table
    return str(name).rpartition(":")[2]
