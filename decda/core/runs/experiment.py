"""A whole run: assemble, train, record."""

import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet
from decda.core.errors import DecdaError
from decda.core.events import Event, ignore
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import build_model, check_model, components
from decda.core.runs.collapse import collapse_warnings
from decda.core.runs.device import resolve_device
from decda.core.runs.failures import explain_failure
from decda.core.runs.images import load_images
from decda.core.runs.naming import new_folder, refuse_existing
from decda.core.runs.provenance import describe_end, describe_failure, describe_start
from decda.core.runs.recorder import Recorder
from decda.core.runs.run import SCHEMA_VERSION, Run
from decda.core.runs.run_folder import RunFolder
from decda.core.runs.weights import AUTOENCODER, MODEL, find_pretrained, load_pretrained
from decda.core.training.metrics import scores
from decda.core.training.model import Model
from decda.core.training.precision import check_precision
from decda.core.training.step import StepMode, resolve_mode
from decda.core.training.trainer import Trainer


def run(
    config: RunConfig,
    registry: Registry,
    files: Files,
    *,
    out: Path | None = None,
    notify: Callable[[Event], None] = ignore,
) -> Run:
    """Train as configured, and record it in a folder of its own.

    Args:
        config: from `compose`.
        registry: where the parts are.
        files: where the data is.
        out: the folder, which must not exist; by default a new one below `runs/`.
        notify: called with each event.

    Returns:
        The run; the same stands in the folder.

    Raises:
        DecdaError: something does not fit. If that shows before the first epoch, no folder is left behind.
    """
    steps = run_stepwise(config, registry, files, out=out, notify=notify)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            finished: Run = stop.value
            return finished


def run_stepwise(
    config: RunConfig,
    registry: Registry,
    files: Files,
    *,
    out: Path | None = None,
    notify: Callable[[Event], None] = ignore,
) -> Generator[None, None, Run]:
    """The same as `run`, in steps of about one descent, so that several runs can be interleaved.

    Args:
        config: from `compose`.
        registry: where the parts are.
        files: where the data is.
        out: the folder, which must not exist; by default a new one below `runs/`.
        notify: called with each event.

    Returns:
        A generator whose value at the end is the run.

    Raises:
        DecdaError: as `run`.
    """
    if out is not None:
        refuse_existing(out)
    ready = prepare(config, registry, files)
    config, images = ready.config, ready.images
    provenance = describe_start(config, registry, images, ready.device, config.autoencoder) | {"step": ready.mode}

    folder = RunFolder(new_folder(out, f"{config.recipe or 'custom'}-{config.dataset.short}-seed{config.seed}"))
    folder.write_config(config)
    folder.write_json("provenance.json", provenance)
    try:
        finished, end = yield from _train(ready, registry, folder, notify)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the reason itself, perhaps
            folder.write_json("provenance.json", provenance | describe_failure(error))
        raise
    folder.write_json("provenance.json", provenance | end)
    return finished


def _train(
    ready: "Prepared", registry: Registry, folder: RunFolder, notify: Callable[[Event], None]
) -> Generator[None, None, tuple[Run, dict[str, object]]]:
    """Train, and write everything but the provenance, whose end is returned."""
    config, images, model = ready.config, ready.images, ready.model
    classes = None if images.y is None else images.y.numpy()
    pretrained = config.autoencoder is not None

    def keep_autoencoder() -> None:
        folder.write_weights(AUTOENCODER, {"autoencoder": model.autoencoder})

    recorder = Recorder(config, classes, [folder, notify], keep_autoencoder)
    parts = components(config, registry)
    try:
        trainer = Trainer(
            images.x, model, config.train,
            seed=config.seed, device=ready.device, notify=recorder, pretrained=pretrained,
        )  # fmt: skip
        if pretrained:
            keep_autoencoder()
        yield from trainer.steps()
    except (DecdaError, KeyboardInterrupt):
        raise
    except (Exception, SystemExit) as error:
        explained = explain_failure(error, model, parts, config, tuple(images.x.shape))
        if explained is None:
            raise
        raise explained from error

    labels, confidence = trainer.labels.cpu().numpy(), trainer.confidence.cpu().numpy()
    metrics = scores(classes, labels)
    folder.write_weights(MODEL, model.modules())
    folder.write_labels(labels, confidence, images.names)
    warnings = collapse_warnings(
        labels, config.n_clusters or 0, recorder.start_labels, recorder.start_embeddings, config.seed
    )
    folder.write_json(
        "metrics.json",
        {
            "schema_version": SCHEMA_VERSION,
            "n_samples": len(labels),
            "n_clusters": config.n_clusters,
            **metrics,
            "baseline": recorder.baseline,
            **recorder.ends,
            "warnings": warnings,
        },
    )
    shape = tuple(images.x.shape[1:])
    finished = Run(
        folder.path, config, trainer.model, shape, labels.astype(np.int64), confidence, images.names,
        metrics, recorder.baseline, recorder.seconds, warnings,
        {kind: part for kind, part in parts.items() if kind != "dataset"},  # which may hold all images
    )  # fmt: skip
    return finished, describe_end(recorder.seconds, trainer.mode)


@dataclass(frozen=True)
class Prepared:
    """A run before its first epoch: found, built and tried, with nothing written yet.

    Attributes:
        config: resolved.
        images: of its data set.
        model: built, on the CPU.
        device: where it will be trained.
        mode: how its steps will be made.
    """

    config: RunConfig
    images: ImageSet
    model: Model
    device: torch.device
    mode: StepMode


def prepare(config: RunConfig, registry: Registry, files: Files, images: ImageSet | None = None) -> Prepared:
    """Load the images, build the parts and try them: what does not fit is found before there is a folder.

    Args:
        config: from `compose`.
        registry: where the parts are.
        files: where the data is.
        images: those of the data set, if they have been loaded already.

    Returns:
        What is needed to train.

    Raises:
        DecdaError: something does not fit.
    """
    device = resolve_device(config.device)
    mode = resolve_mode(config.train.step, device)
    check_precision(config.train.precision, device)
    images = images or load_images(config, registry, files)
    config = config.resolved(len(images.x), None if images.y is None else len(images.y.unique()))
    model = build_model(config, registry, tuple(images.x.shape[1:]))
    if config.autoencoder is not None:
        # The file itself, by its absolute path, so that the saved configuration means it from any folder.
        weights = find_pretrained(config.autoencoder).absolute()
        config = replace(config, autoencoder=weights)
        load_pretrained(weights, model.autoencoder, config.encoder.short)
    check_model(model, config, registry, images)
    return Prepared(config, images, model, device, mode)
