"""Finished runs as voters: their labels, read from their folders alone, and whether they are of the same images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decda.core.errors import ConfigError, DataError
from decda.core.runs.naming import printable
from decda.core.runs.reading import read_labels, read_run


@dataclass(frozen=True, eq=False)
class Voter:
    """A finished run, as far as a consensus needs it. Neither its model is loaded, nor its parts, nor its images.

    Attributes:
        folder: of the run.
        labels: the cluster of each image, int64 (N,).
        names: of the images, or None.
        configuration: the mapping in `config.toml`.
        provenance: the mapping in `provenance.json`.
    """

    folder: Path
    labels: NDArray[np.int64]
    names: list[str] | None
    configuration: dict[str, Any]
    provenance: dict[str, Any]


def read_voter(folder: Path) -> Voter:
    """Read what a finished run says of its images.

    Args:
        folder: of the run.

    Returns:
        Its labels, and what it was made of.

    Raises:
        DataError: it is not the folder of a run, the run has not finished, or its files are damaged.
    """
    configuration, provenance = read_run(folder)
    if provenance.get("status") != "finished":
        reason = provenance.get("reason")
        because = f" ({provenance.get('status')}: {reason})" if reason else ""
        raise DataError(
            f"The run {printable(folder)} has not finished{because}: it has no labels yet. Resume it, or leave it out."
        )
    if not isinstance(provenance.get("data_sha256"), str):
        raise DataError(f"{printable(folder / 'provenance.json')} is damaged: it does not identify the images.")
    labels, _, names = read_labels(folder)
    if not len(labels) or len(labels) != provenance.get("n_samples") or labels.min() < 0:
        raise DataError(
            f"{printable(folder / 'labels.csv')} is damaged: it does not hold a cluster for each image of the run."
        )
    return Voter(folder, labels, names, configuration, provenance)


def read_voters(folders: Sequence[Path], unfinished: Sequence[Path] = ()) -> list[Voter]:
    """Read runs of the same images.

    Args:
        folders: of at least two runs, each named once.
        unfinished: of runs that were meant, too; the error names them if those that have finished are too few.

    Returns:
        The runs, in the same order.

    Raises:
        ConfigError: there are fewer than two.
        DataError: one cannot be read, or they are not of the same images in the same order.
    """
    if len(folders) < 2:
        named = f"only {printable(folders[0])}" if folders else "none"
        advice = "Name more."
        if unfinished:
            verb, them = ("has", "it") if len(unfinished) == 1 else ("have", "them")
            advice = f"{', '.join(map(printable, unfinished))} {verb} not finished. Resume {them}, or name other runs."
        raise ConfigError(f"A consensus needs at least two runs of the same images; there is {named}. {advice}")
    voters = [read_voter(folder) for folder in folders]
    first = voters[0]
    for voter in voters[1:]:
        if len(voter.labels) != len(first.labels):
            differ = f"{len(first.labels)} and {len(voter.labels)}"
        elif voter.provenance["data_sha256"] != first.provenance["data_sha256"]:
            differ = "other pixels, or another order"
        else:
            continue
        raise DataError(
            f"{printable(first.folder)} and {printable(voter.folder)} were not trained on the same images ({differ}). "
            "Only runs of the same images, prepared alike and in the same order, can be combined."
        )
    return voters
