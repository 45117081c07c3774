"""A trained model read back from the folder of its run, and scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from decda.core.atomic_files import read_json
from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.errors import ConfigError, DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import build_model, components
from decda.core.runs.device import resolve_device
from decda.core.runs.images import hash_images, load_images, open_images
from decda.core.runs.new_images import require_known_scale
from decda.core.runs.reading import read_labels, read_run
from decda.core.runs.run import Run
from decda.core.runs.weights import MODEL, read_weights
from decda.core.training.metrics import scores

SCHEMA_VERSION = 1
SCORES = ("acc", "nmi", "ari")
ENDS = ("pretrain_epochs", "iterations", "stop_reason", "kept")


@dataclass(frozen=True)
class Evaluation:
    """What a trained model makes of a set of images.

    Attributes:
        run: that trained it.
        config: of that run, with the data set that was evaluated.
        labels: the cluster of each image, int64 (N,).
        confidence: the largest soft assignment of each image, float32 (N,).
        metrics: `acc`, `nmi` and `ari` against the classes of the data set, each None where it has none.
        data_sha256: of the images.
        trained_on_these: whether these are the very images the model was trained on.
    """

    run: Run
    config: RunConfig
    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    metrics: dict[str, float | None]
    data_sha256: str
    trained_on_these: bool

    @property
    def sizes(self) -> list[int]:
        """How many images each cluster holds."""
        sizes: list[int] = np.bincount(self.labels, minlength=self.config.known_clusters).tolist()
        return sizes

    def as_mapping(self) -> dict[str, Any]:
        """What `decda evaluate --json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run": str(self.run.folder),
            "recipe": self.run.config.recipe,
            "dataset": self.config.dataset.short,
            "n_samples": len(self.labels),
            "n_clusters": self.config.n_clusters,
            "seed": self.config.seed,
            **self.metrics,
            "data_sha256": self.data_sha256,
            "trained_on_these": self.trained_on_these,
        }


def load_run(path: Path, registry: Registry, *, device: str | None = None) -> Run:
    """Read a finished run back, from its folder alone: the data set it was trained on is not needed.

    Args:
        path: its folder.
        registry: where encoder, head and augmentation are.
        device: where the model computes; None: as the run was configured, or the CPU where that device is missing.

    Returns:
        The run, with its trained model.

    Raises:
        DecdaError: the folder is not a run's, the run has not finished, or a part of it is not installed.
    """
    mapping, provenance = read_run(path)
    if provenance.get("status") != "finished":
        reason = provenance.get("reason")
        because = f" ({provenance.get('status')}: {reason})" if reason else ""
        raise DataError(f"The run {path} has not finished{because}: it has no trained model yet. It can be resumed.")
    shape = provenance.get("input_shape")
    if not (isinstance(shape, list) and len(shape) == 3 and all(type(side) is int and side > 0 for side in shape)):
        raise DataError(f"{path / 'provenance.json'} is damaged: it does not state the shape of the images.")
    config = compose(registry, config=mapping, provenance=provenance, unresolved=("dataset", "start"), device=device)
    config = replace(config, recipe=provenance.get("recipe"))
    if not isinstance(config.n_clusters, int):
        raise DataError(f"{path / 'config.toml'} is damaged: it does not state the number of clusters.")
    model = build_model(config, registry, tuple(shape), _value_range(provenance))
    read_weights(path / MODEL, model.modules())
    place = resolve_device(config.device if device is not None or _is_available(config.device) else "cpu")
    if config.train.precision == "tf32" and place.type != "cuda":
        model = replace(model, precision="float32")
    labels, confidence, names = read_labels(path)
    if len(labels) != provenance.get("n_samples") or not 0 <= labels.min() <= labels.max() < config.n_clusters:
        raise DataError(f"{path / 'labels.csv'} is damaged: it does not hold a cluster for each image of the run.")
    metrics = read_json(path / "metrics.json")
    try:
        sides = (metrics, metrics["baseline"], metrics.get("start", metrics["baseline"]))  # older runs began at k-means
        found, baseline, start = ({name: side[name] for name in SCORES} for side in sides)
        ends = {name: metrics[name] for name in ENDS if name != "kept" or name in metrics}
    except (KeyError, TypeError) as error:
        raise DataError(f"{path / 'metrics.json'} is damaged: {error}.") from error
    model.train(False)
    return Run(
        path, config, model.to(place), tuple(shape), labels, confidence, names, found, baseline, start,
        provenance.get("seconds", {}), ends, metrics.get("warnings", ()),
        components(config, registry, ("encoder", "head", "augment")), metrics.get("judgement", {}),
    )  # fmt: skip


def evaluate(
    path: Path,
    registry: Registry,
    files: Files,
    *,
    dataset: str | None = None,
    settings: Sequence[str] = (),
    settings_origin: str = "setting",
    device: str | None = None,
) -> Evaluation:
    """Assign images to the clusters of a trained model, and compare them with their classes if they have some.

    Args:
        path: the folder of a finished run.
        registry: where its parts are.
        files: where the data is.
        dataset: the name of another data set than the run's, with images of the same shape.
        settings: of the data set: `"dataset.size=8"`.
        settings_origin: what errors call a setting.
        device: where to compute; None: as the run was configured.

    Returns:
        Labels and scores.

    Raises:
        DecdaError: the run, its parts or the images cannot be used.
    """
    strange = [setting for setting in settings if not setting.strip().startswith("dataset.")]
    if strange:
        raise ConfigError(
            f"{settings_origin} {strange[0]}: a trained model stays as it is; only the data set can be set here."
        )
    run = load_run(path, registry, device=device)
    _, provenance = read_run(path)
    mapping = run.config.as_mapping()
    if any(setting.strip().startswith("dataset.path") for setting in settings):
        mapping["dataset"].pop("labels", None)  # those of the images that it was trained on
    config = compose(
        registry, config=mapping, provenance=provenance, parts={"dataset": dataset},
        settings=settings, settings_origin=settings_origin,
    )  # fmt: skip
    opened = open_images(config.dataset, registry, files, seed=config.seed, input_shape=run.input_shape)
    require_known_scale(opened, config.dataset, run, f"The data set '{config.dataset.short}'")
    images = load_images(config, registry, files, opened)
    shape = tuple(images.x.shape[1:])
    if shape != run.input_shape:
        raise DataError(
            f"The data set '{config.dataset.short}' holds images of shape {shape}, and the model of {path} was trained "
            f"on '{run.config.dataset.short}', of shape {run.input_shape}. Name a data set of that shape."
        )
    q = run.apply(run.model.soft_assign, images.x)
    labels, digest = q.argmax(1), hash_images(images.x)
    return Evaluation(
        run=run,
        config=config,
        labels=labels,
        confidence=q.max(1),
        metrics=scores(None if images.y is None else images.y.numpy(), labels),
        data_sha256=digest,
        trained_on_these=digest == provenance.get("data_sha256"),
    )


def _value_range(provenance: Mapping[str, Any]) -> tuple[float, float] | None:
    """Between which values the images of a run lie; older versions of decda knew [0, 1] alone."""
    return None if "value_range" in provenance and provenance["value_range"] is None else (0.0, 1.0)


def _is_available(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.is_available()
    return device != "mps" or torch.backends.mps.is_available()
