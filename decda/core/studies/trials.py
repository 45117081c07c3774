"""The trials of a study: which run each is, which pretraining it shares with others, and what it came to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from decda.core.atomic_files import read_json
from decda.core.config.run_config import RunConfig
from decda.core.errors import DataError
from decda.core.parts.registry import Registry
from decda.core.runs.device import resolve_device
from decda.core.runs.naming import folder_name
from decda.core.runs.weights import AUTOENCODER
from decda.core.studies.cells import Cell
from decda.core.studies.fingerprint import fingerprint_pretraining, fingerprint_trial


@dataclass(frozen=True)
class Pretraining:
    """One autoencoder, pretrained once for all trials that pretrain alike.

    Attributes:
        folder: of its run.
        config: pretrains, places centers, and does not cluster.
        name: what it is called: `"usps fc augmented"`.
    """

    folder: Path
    config: RunConfig
    name: str

    @property
    def title(self) -> str:
        """What it is called while it runs."""
        return f"{self.name} autoencoder seed {self.config.seed}"


@dataclass(frozen=True)
class Trial:
    """One cell with one seed.

    Attributes:
        cell: which one.
        seed: which one.
        folder: of its run.
        pretraining: where its autoencoder comes from.
    """

    cell: Cell
    seed: int
    folder: Path
    pretraining: Pretraining

    @property
    def config(self) -> RunConfig:
        """The configuration of the whole run, as if it were made alone: pretraining included."""
        return replace(self.cell.config, seed=self.seed)

    @property
    def title(self) -> str:
        """What it is called while it runs."""
        return f"{self.cell.column} {self.cell.row} seed {self.seed}"

    def is_finished(self) -> bool:
        """Whether its folder, whose name holds the digest of all that decides the result, holds a finished run."""
        return _provenance(self.folder).get("status") == "finished"


def plan_trials(cells: Sequence[Cell], seeds: Iterable[int], out: Path, registry: Registry) -> list[Trial]:
    """Every cell with every seed; the first seed of all cells comes first.

    Args:
        cells: from `prepare_cells`.
        seeds: each once.
        out: the folder of the study.
        registry: where the parts are.

    Returns:
        The trials in the order in which they are run.
    """
    device = resolve_device(cells[0].config.device).type
    return [plan_trial(cell, seed, out, device, registry) for seed in seeds for cell in cells]


def plan_trial(cell: Cell, seed: int, out: Path, device: str, registry: Registry) -> Trial:
    """The trial of a cell and a seed, in the folder of a study.

    Names of folders end in a digest of all that decides the result, so that a trial is found again when the study is
    started again, and one with other settings lies beside it.

    Args:
        cell: which one.
        seed: which one.
        out: the folder of the study.
        device: the type of the device.
        registry: where the parts are.

    Returns:
        The trial, with the pretraining it shares.
    """
    config = replace(cell.config, seed=seed)
    dataset, encoder, head = (config.part(kind).short for kind in ("dataset", "encoder", "head"))
    phase = "augmented" if config.train.augments("pretrain") else "plain"
    stem = folder_name(f"{dataset}-{encoder}-{phase}-seed{seed}")
    pretraining = Pretraining(
        out / "autoencoders" / f"{stem}-{fingerprint_pretraining(cell, seed, device, registry)}",
        replace(config, train=replace(config.train, max_iter=0)),
        f"{cell.column} {encoder} {phase}",
    )
    stem = folder_name(f"{dataset}-{encoder}-{head}-{config.train.augment_in}-seed{seed}")
    folder = out / "trials" / f"{stem}-{fingerprint_trial(cell, seed, device, registry)}"
    return Trial(cell, seed, folder, pretraining)


def is_pretrained(pretraining: Pretraining) -> bool:
    """Whether an autoencoder lies in its folder: weights are written completely or not at all.

    Args:
        pretraining: which one.
    """
    return (pretraining.folder / AUTOENCODER).is_file()


def read_outcome(trial: Trial, settings: str) -> dict[str, Any]:
    """What a finished trial came to.

    Args:
        trial: which one.
        settings: how the cells were configured, in words.

    Returns:
        Its row of `results.csv`, by column.

    Raises:
        DataError: a file in its folder is damaged.
    """
    provenance, metrics = (read_json(trial.folder / name) for name in ("provenance.json", "metrics.json"))
    pretraining = _provenance(trial.pretraining.folder)
    try:
        return {
            "run": trial.folder.name,
            "cell": trial.cell.row,
            "dataset": trial.cell.column,
            "seed": trial.seed,
            "settings": settings,
            "acc": metrics["acc"],
            "nmi": metrics["nmi"],
            "ari": metrics["ari"],
            "kmeans_acc": metrics["baseline"]["acc"],
            "epochs": trial.config.train.pretrain_epochs,
            "iterations": metrics["iterations"],
            "stop_reason": metrics["stop_reason"],
            "seconds": provenance["seconds"]["total"],
            "pretrain_seconds": pretraining.get("seconds", {}).get("pretrain"),
            "autoencoder": trial.pretraining.folder.name,
            "data_sha256": provenance["data_sha256"],
            "config_sha256": provenance["config_sha256"],
            "device": provenance["device"],
            "versions": " ".join(f"{name}={version}" for name, version in provenance["versions"].items()),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"The trial {trial.folder} is damaged: {error}. Remove it to run it again.") from error


def _provenance(folder: Path) -> Mapping[str, Any]:
    """What a run says of itself, or nothing where it cannot be read: it is then made again."""
    try:
        return read_json(folder / "provenance.json")
    except DataError:
        return {}
