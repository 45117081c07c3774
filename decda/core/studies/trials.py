"""The trials of a study: the run of each, the pretraining it shares with others, and its result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from decda.core.atomic_files import read_json
from decda.core.config.provenance_hints import provenance_beside
from decda.core.config.run_config import RunConfig
from decda.core.errors import DataError
from decda.core.parts.registry import Registry
from decda.core.runs.device import resolve_device
from decda.core.runs.naming import folder_name
from decda.core.runs.run_folder import CONFIG
from decda.core.runs.weights import AUTOENCODER
from decda.core.studies.cells import Cell
from decda.core.studies.fingerprint import fingerprint_pretraining, fingerprint_trial


@dataclass(frozen=True)
class Pretraining:
    """An autoencoder that is pretrained once for all trials with the same pretraining.

    Attributes:
        folder: the folder of its run.
        config: a configuration that pretrains and places the centers, but does not cluster.
        name: its name in tables: `"usps fc augmented"`.
    """

    folder: Path
    config: RunConfig
    name: str

    @property
    def title(self) -> str:
        """Its name in progress displays."""
        return f"{self.name} autoencoder seed {self.config.seed}"


@dataclass(frozen=True)
class Trial:
    """One run of a cell with one seed.

    Attributes:
        cell: the cell.
        seed: the seed.
        folder: the folder of its run.
        pretraining: the pretraining of its autoencoder.
    """

    cell: Cell
    seed: int
    folder: Path
    pretraining: Pretraining

    @property
    def config(self) -> RunConfig:
        """The configuration of the whole run, including the pretraining."""
        return replace(self.cell.config, seed=self.seed)

    @property
    def title(self) -> str:
        """Its name in progress displays."""
        return f"{self.cell.column} {self.cell.row} seed {self.seed}"


def plan_trials(
    cells: Sequence[Cell], seeds: Iterable[int], out: Path, registry: Registry, *, device: str | None = None
) -> list[Trial]:
    """Plan a trial for every cell and seed.

    Args:
        cells: from `prepare_cells`.
        seeds: the seeds, without duplicates.
        out: the folder of the study.
        registry: the registry that holds the parts.
        device: the type of the device that they will run on; None: what the configuration means on this machine.

    Returns:
        The trials in the order in which they will run: all cells with the first seed, then with the next.
    """
    device = device or resolve_device(cells[0].config.device).type
    trials = [plan_trial(cell, seed, out, device, registry) for seed in seeds for cell in cells]
    # Cells whose results are decided alike, as by step=auto and step=plain on a CPU, are one trial, under the first.
    return list({trial.folder: trial for trial in reversed(trials)}.values())[::-1]


def plan_trial(cell: Cell, seed: int, out: Path, device: str, registry: Registry) -> Trial:
    """Plan the trial of one cell and seed.

    The names of its folders end in a digest of everything that determines the result. A restarted study thus finds its
    finished trials, and a trial with other settings gets another folder.

    Args:
        cell: the cell.
        seed: the seed.
        out: the folder of the study.
        device: the device type, such as `"cpu"`.
        registry: the registry that holds the parts.

    Returns:
        The trial, with the pretraining it shares with others.
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


def is_finished(folder: Path) -> bool:
    """Whether a folder contains a finished run.

    The name of the folder contains a digest of everything that determines the result, so the run cannot be that of
    other settings.

    Args:
        folder: of a trial or a pretraining.

    Returns:
        True if it does.
    """
    return _provenance(folder).get("status") == "finished"


def is_pretrained(pretraining: Pretraining) -> bool:
    """Whether a pretraining has finished.

    Args:
        pretraining: the pretraining.

    Returns:
        True if its weights exist; they are written completely or not at all.
    """
    return (pretraining.folder / AUTOENCODER).is_file()


def read_outcome(trial: Trial, settings: str) -> dict[str, Any]:
    """Read the result of a finished trial.

    Args:
        trial: the trial.
        settings: describes how the cells were configured.

    Returns:
        Its row of `results.csv`: a value for each column.

    Raises:
        DataError: a file in its folder is missing or damaged.
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
            "start_acc": metrics["start"]["acc"],
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
    return provenance_beside(folder / CONFIG)
