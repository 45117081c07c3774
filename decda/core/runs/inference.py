"""A trained model read back from its run's folder, and scored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.errors import ConfigError, DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import Model, build_model, components, load_images
from decda.core.runs.experiment import blame, resolve_device
from decda.core.runs.folder import read_run, read_weights
from decda.core.runs.provenance import hash_images
from decda.core.training.metrics import scores
from decda.core.training.trainer import Trainer

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Evaluation:
    """What a trained model makes of a set of images.

    Attributes:
        path: the folder of the run that trained it.
        recipe: that the run was built on, for the record.
        config: of that run, with the data set that was evaluated.
        labels: cluster of each image, int64 (N,).
        confidence: the largest soft assignment of each image, float32 (N,).
        metrics: `acc`, `nmi`, `ari` against the data set's classes, None where it has none.
        data_sha256: of the images.
        trained_on_these: whether these are the very images the model was trained on.
    """

    path: Path
    recipe: str | None
    config: RunConfig
    labels: Tensor
    confidence: Tensor
    metrics: dict[str, float | None]
    data_sha256: str
    trained_on_these: bool

    def as_mapping(self) -> dict[str, Any]:
        """What `decda evaluate --json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run": str(self.path),
            "recipe": self.recipe,
            "dataset": self.config.dataset.short,
            "n_samples": len(self.labels),
            "n_clusters": self.config.n_clusters,
            "seed": self.config.seed,
            **self.metrics,
            "data_sha256": self.data_sha256,
            "trained_on_these": self.trained_on_these,
        }


def load_run(path: Path, registry: Registry) -> tuple[RunConfig, Model, dict[str, Any]]:
    """A finished run's configuration, its model with the trained weights, and its provenance; from the folder alone.

    Raises:
        DecdaError: the folder is not a run's, the run has not finished, or a part of it is not installed.
    """
    mapping, provenance = read_run(path)
    if provenance.get("status") != "finished":
        raise DataError(f"The run {path} has not finished: it has no trained model. Train it again, or name another.")
    shape = provenance.get("input_shape")
    if not (isinstance(shape, list) and len(shape) == 3 and all(type(side) is int and side > 0 for side in shape)):
        raise DataError(f"{path / 'provenance.json'} is damaged: it does not tell the shape of the images.")
    config = compose(registry, config=mapping, provenance=provenance)
    if config.n_clusters is None:
        raise DataError(f"{path / 'config.toml'} is damaged: it does not tell the number of clusters.")
    model = build_model(config, registry, tuple(shape))
    read_weights(path / "model.safetensors", model.modules())
    return config, model, provenance


def evaluate(
    path: Path,
    registry: Registry,
    files: Files,
    *,
    dataset: str | None = None,
    settings: Sequence[str] = (),
    device: str | None = None,
) -> Evaluation:
    """Assign images to the clusters of a trained model, and compare with their classes if they have some.

    Args:
        path: the folder of a finished run.
        registry: where its parts are.
        files: where the data is.
        dataset: the name of another data set than the run's, with images of the same shape.
        settings: of the data set: `"dataset.size=8"`.
        device: where to compute; None: as the run was configured.

    Raises:
        DecdaError: the run, its parts or the images cannot be used.
    """
    strange = [setting for setting in settings if not setting.strip().startswith("dataset.")]
    if strange:
        raise ConfigError(f"--set {strange[0]}: a trained model stays as it is; only the data set can be set here.")
    config, model, provenance = load_run(path, registry)
    trained_on = config.dataset.short
    config = compose(registry, config=config.as_mapping(), parts={"dataset": dataset}, settings=settings, device=device)
    place = resolve_device(config.device)
    images = load_images(config, registry, files)
    shape = tuple(images.x.shape[1:])
    if list(shape) != provenance["input_shape"]:
        raise DataError(
            f"The data set '{config.dataset.short}' holds images of shape {shape}, and the model of {path} was trained "
            f"on '{trained_on}', of shape {tuple(provenance['input_shape'])}. Name a data set of that shape."
        )
    q = _soft_assign(images.x, model, config, registry, place)
    if not bool(q.isfinite().all()):
        raise DataError(f"The model of {path} gives numbers that are not finite: its weights are damaged.")
    confidence, labels = q.max(1)
    digest = hash_images(images.x)
    return Evaluation(
        path=path,
        recipe=provenance.get("recipe"),
        config=config,
        labels=labels,
        confidence=confidence,
        metrics=scores(None if images.y is None else images.y.numpy(), labels.numpy()),
        data_sha256=digest,
        trained_on_these=digest == provenance.get("data_sha256"),
    )


def _soft_assign(x: Tensor, model: Model, config: RunConfig, registry: Registry, device: torch.device) -> Tensor:
    """Soft assignments (N, K) of images (N, C, H, W), as the trainer takes them after its last step."""
    # No step is made, and a model that was trained in tf32 can be used where there is none.
    precision = "float32" if config.train.precision == "tf32" and device.type != "cuda" else config.train.precision
    train = replace(config.train, step="plain", precision=precision)
    trainer = Trainer(x, model.autoencoder, model.head, model.augment, train, seed=config.seed, device=device)
    try:
        with torch.no_grad():
            return model.head.soft_assign(trainer.embed()).cpu()
    except (Exception, SystemExit) as error:
        blame(error, model, components(config, registry), "in use")
        raise
