"""A whole run: assemble, train, record."""

import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet
from decda.core.errors import BrokenComponent, ConfigError, DecdaError
from decda.core.events import Event, Initialised, PhaseEnded, PhaseStarted, Refreshed, Scored
from decda.core.files import Files
from decda.core.functional import kmeans, squared_distances
from decda.core.parts.registry import Component, Registry
from decda.core.random_keys import key
from decda.core.runs.assembly import Model, build_model, check_model, components, load_images
from decda.core.runs.folder import RunDir, refuse_existing
from decda.core.runs.pretrained import WEIGHTS, find_weights, load_pretrained
from decda.core.runs.provenance import describe, finish
from decda.core.training.failing_part import culprit
from decda.core.training.metrics import scores
from decda.core.training.precision import check_precision
from decda.core.training.step import Way, resolve_way
from decda.core.training.trainer import Trainer, ignore

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Result:
    """What a run came to.

    Attributes:
        path: the run's folder.
        config: the configuration with everything resolved.
        labels: cluster of each image, int64 (N,), by the final weights.
        confidence: the largest soft assignment of each image, float32 (N,).
        metrics: `acc`, `nmi`, `ari` against the data set's classes, None where it has none.
        baseline: the same of k-means on the pretrained embedding.
        seconds: how long each phase took, and `total`.
    """

    path: Path
    config: RunConfig
    labels: Tensor
    confidence: Tensor
    metrics: Mapping[str, float | None]
    baseline: Mapping[str, float | None]
    seconds: Mapping[str, float]

    def as_mapping(self) -> dict[str, Any]:
        """What `decda train --json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run": str(self.path),
            "recipe": self.config.recipe,
            "dataset": self.config.dataset.short,
            "n_samples": len(self.labels),
            "n_clusters": self.config.n_clusters,
            "seed": self.config.seed,
            **self.metrics,
            "seconds": dict(self.seconds),
            "baseline": dict(self.baseline),
        }


def run(
    config: RunConfig,
    registry: Registry,
    files: Files,
    *,
    out: Path | None = None,
    notify: Callable[[Event], None] = ignore,
) -> Result:
    """Train as configured, and record it in a folder of its own.

    Args:
        config: from `compose`.
        registry: where the parts are.
        files: where the data is.
        out: the folder, which must not exist; by default a new one below `runs/`.
        notify: gets each event.

    Returns:
        The result; the same stands in the folder.

    Raises:
        DecdaError: something does not fit. Before the first epoch, no folder is left behind.
    """
    steps = running(config, registry, files, out=out, notify=notify)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: Result = stop.value
            return result


def running(
    config: RunConfig,
    registry: Registry,
    files: Files,
    *,
    out: Path | None = None,
    notify: Callable[[Event], None] = ignore,
) -> Generator[None, None, Result]:
    """The same as `run`, in steps of a descent or so each, so that several runs can go on in turns."""
    if out is not None:
        refuse_existing(out)
    ready = prepare(config, registry, files)
    config, images, model, device = ready.config, ready.images, ready.model, ready.device
    classes = None if images.y is None else images.y.numpy()
    provenance = describe(config, registry, images, device, config.autoencoder) | {"step": ready.way}

    folder = RunDir.create(out, f"{config.recipe or 'custom'}-{config.dataset.short}-seed{config.seed}")
    folder.write_config(config)
    folder.write_json("provenance.json", provenance)
    listener = _Recorder(config, classes, [folder, notify])
    trainer = Trainer(
        images.x, model.autoencoder, model.head, model.augment, config.train,
        seed=config.seed, device=device, notify=listener, pretrained=config.autoencoder is not None,
    )  # fmt: skip
    listener.on_pretrained = lambda: folder.write_weights(WEIGHTS, {"autoencoder": model.autoencoder})
    if config.autoencoder is not None:
        listener.on_pretrained()
    try:
        yield from trainer.steps()
    except (DecdaError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        blame(error, model, components(config, registry))
        if isinstance(error, SystemExit):  # by code that belongs to no object of a part; never a silent success
            raise BrokenComponent(f"A part left the program while training (SystemExit: {error}).") from error
        raise

    labels, confidence = trainer.labels.cpu(), trainer.confidence.cpu()
    metrics = scores(classes, labels.numpy())
    folder.write_weights("model.safetensors", model.modules())
    folder.write_labels(labels, confidence, images.names)
    folder.write_json(
        "metrics.json",
        {
            "schema_version": SCHEMA_VERSION,
            "n_samples": len(labels),
            "n_clusters": config.n_clusters,
            **metrics,
            "baseline": listener.baseline,
            **listener.ends,
        },
    )
    folder.write_json("provenance.json", provenance | finish(listener.seconds, trainer.way))
    return Result(folder.path, config, labels, confidence, metrics, listener.baseline, listener.seconds)


@dataclass(frozen=True)
class Prepared:
    """A run before its first epoch: found, built and tried, with nothing written yet."""

    config: RunConfig
    images: ImageSet
    model: Model
    device: torch.device
    way: Way


def prepare(config: RunConfig, registry: Registry, files: Files, images: ImageSet | None = None) -> Prepared:
    """Load the images, build the parts and try them: what does not fit is found here, before there is a folder.

    Args:
        config: from `compose`.
        registry: where the parts are.
        files: where the data is.
        images: those of the data set, if they have been loaded.

    Raises:
        DecdaError: something does not fit.
    """
    device = resolve_device(config.device)
    way = resolve_way(config.train.step, device)
    check_precision(config.train.precision, device)
    images = images or load_images(config, registry, files)
    config = config.resolved(len(images.x), None if images.y is None else len(images.y.unique()))
    model = build_model(config, registry, tuple(images.x.shape[1:]))
    if config.autoencoder is not None:
        # The file itself, whole, so that the saved configuration means it from any folder.
        weights = find_weights(config.autoencoder).absolute()
        config = replace(config, autoencoder=weights)
        load_pretrained(weights, model.autoencoder, config.encoder.short)
    check_model(model, config, registry, images)
    return Prepared(config, images, model, device, way)


def resolve_device(name: str) -> torch.device:
    """`auto` is a CUDA device if there is one, else the CPU.

    Raises:
        ConfigError: the device asked for is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if (name == "cuda" and not torch.cuda.is_available()) or (name == "mps" and not torch.backends.mps.is_available()):
        raise ConfigError(
            f"The device '{name}' is not available here to PyTorch {torch.__version__}. Try --device cpu."
        )
    return torch.device(name)


def blame(error: BaseException, model: Model, parts: Mapping[str, Component], when: str = "while training") -> None:
    """Raise an error that names the part an exception came out of, if it was one.

    Raises:
        BrokenComponent: the innermost method of a part (or of a layer of its) on the way tells which.
    """
    kind = culprit(error, model.autoencoder, model.head, model.augment)
    if kind is not None:
        entry = parts[kind].entry
        raise BrokenComponent(
            f"The {kind} '{entry.name}' of {entry.owner} failed {when}: {type(error).__name__}: {error}"
        ) from error


class _Recorder:
    """Passes events on; measures labels against the classes, and time, on the way."""

    def __init__(self, config: RunConfig, classes: Any, listeners: list[Callable[[Event], None]]):
        self.config = config
        self.classes = classes
        self.listeners = listeners
        self.on_pretrained: Callable[[], None] = lambda: None
        self.baseline: dict[str, float | None] = {}
        self.ends: dict[str, Any] = {"pretrain_epochs": 0}
        self.seconds: dict[str, float] = {}
        self._start = self._phase_start = time.perf_counter()

    def __call__(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self._phase_start = time.perf_counter()
        elif isinstance(event, Initialised):
            self.baseline = self._measure_kmeans(event.embeddings)
        elif isinstance(event, Refreshed):
            self._tell(Scored(scores(self.classes, event.labels.cpu().numpy())))
        elif isinstance(event, PhaseEnded):
            now = time.perf_counter()
            self.seconds[event.phase] = round(now - self._phase_start, 3)
            self.seconds["total"] = round(now - self._start, 3)
            if event.phase == "pretrain":
                self.ends["pretrain_epochs"] = event.steps
                self.on_pretrained()
            elif event.phase == "cluster":
                self.ends["iterations"], self.ends["stop_reason"] = event.steps, event.reason
        self._tell(event)

    def _measure_kmeans(self, z: Tensor) -> dict[str, float | None]:
        if self.classes is None:
            return scores(None, ())
        centers = kmeans(z, self.config.n_clusters or 0, key(self.config.seed, "centers"))
        return scores(self.classes, squared_distances(z, centers).argmin(1).cpu().numpy())

    def _tell(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
