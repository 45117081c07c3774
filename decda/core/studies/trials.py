"""The trials of a study: which run each is, which pretraining it shares with others, and what it came to."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from decda.core.atomic_files import read_object
from decda.core.config.run_config import RunConfig
from decda.core.errors import DataError
from decda.core.runs.folder import folder_name
from decda.core.runs.pretrained import WEIGHTS


@dataclass(frozen=True)
class Cell:
    """One entry of a table: a composition on a data set, tried with several seeds.

    Attributes:
        row: what it is called in the table: `"FcDEC-DA"`.
        column: the name of the data set.
        config: resolved; its seed does not matter.
        data_sha256: of the images.
        published: ACC and NMI to compare with, None where there are none.
    """

    row: str
    column: str
    config: RunConfig
    data_sha256: str
    published: tuple[float, float] | None = None


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
        """Whether its folder, whose name tells of the images and the device, holds this very run to its end."""
        seen = _provenance(self.folder)
        return seen.get("status") == "finished" and seen.get("config_sha256") == self.config.sha256()


def plan_trial(cell: Cell, seed: int, out: Path, device: str) -> Trial:
    """The trial of a cell and a seed, in a study's folder.

    Names end in a digest of all that decides the result, so that a trial is found again when the study is started
    again, and one with other settings lies beside it.

    Args:
        cell: which one.
        seed: which one.
        out: the folder of the study.
        device: the type of the device, which rounds in its own way.
    """
    config = replace(cell.config, seed=seed)
    augmented = config.train.augments("pretrain")
    alike: dict[str, Any] = {
        "data": cell.data_sha256,
        "dataset": config.as_mapping()["dataset"],
        "encoder": config.as_mapping()["encoder"],
        "augment": config.as_mapping()["augment"] if augmented else None,
        "seed": seed,
        "device": device,
        "train": {
            name: value
            for name, value in asdict(config.train).items()
            if name.startswith("pretrain_") or name in ("batch_size", "drop_last", "step", "precision")
        },
    }
    dataset, encoder, head = (config.part(kind).short for kind in ("dataset", "encoder", "head"))
    phase = "augmented" if augmented else "plain"
    stem = folder_name(f"{dataset}-{encoder}-{phase}-seed{seed}")
    pretraining = Pretraining(
        out / "autoencoders" / f"{stem}-{_digest(json.dumps(alike, default=str))}",
        replace(config, train=replace(config.train, max_iter=0)),
        f"{cell.column} {encoder} {phase}",
    )
    stem = folder_name(f"{dataset}-{encoder}-{head}-{config.train.augment_in}-seed{seed}")
    digest = _digest(f"{config.sha256()} {cell.data_sha256} {device}")
    return Trial(cell, seed, out / "trials" / f"{stem}-{digest}", pretraining)


def is_pretrained(pretraining: Pretraining) -> bool:
    """Whether that autoencoder lies in its folder: weights are written whole, and the folder's name tells which."""
    return (pretraining.folder / WEIGHTS).is_file()


def read_outcome(trial: Trial, settings: str) -> dict[str, Any]:
    """What a finished trial came to: its row of `results.csv`, by column.

    Raises:
        DataError: a file in its folder is damaged.
    """
    provenance, metrics = (read_object(trial.folder / name) for name in ("provenance.json", "metrics.json"))
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
        return read_object(folder / "provenance.json")
    except DataError:
        return {}


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:8]
