"""A run before its first epoch: found, built and tried."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet, ImageSource, Start
from decda.core.errors import ConfigError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import build_model, build_start, check_model, check_start
from decda.core.runs.device import resolve_device
from decda.core.runs.images import check_distinct, count_classes, load_images, open_images
from decda.core.runs.residence import resolve_images
from decda.core.runs.weights import find_pretrained, load_pretrained
from decda.core.training.images import ImagesMode
from decda.core.training.model import Model
from decda.core.training.precision import check_precision, resolve_precision
from decda.core.training.step import StepMode, resolve_mode


@dataclass(frozen=True)
class Prepared:
    """A run before its first epoch: found, built and tried, with nothing written yet.

    Attributes:
        config: resolved.
        images: of its data set.
        model: built, on the CPU; where the clusters are yet to be counted, with a head for the most there may be.
        start: clusters the pretrained embeddings.
        device: where it will be trained.
        mode: how its steps will be made.
        images_mode: whether the images stay on the device, or are streamed there.
    """

    config: RunConfig
    images: ImageSet
    model: Model
    start: Start
    device: torch.device
    mode: StepMode
    images_mode: ImagesMode


def prepare(
    config: RunConfig,
    registry: Registry,
    files: Files,
    images: ImageSet | ImageSource | None = None,
    *,
    pretrained: bool = True,
    started: bool = False,
    n_processes: int = 1,
) -> Prepared:
    """Load the images, build the parts and try them: what does not fit is found before there is a folder.

    Args:
        config: from `compose`.
        registry: where the parts are.
        files: where the data is.
        images: those of the data set, if they have been loaded or opened already.
        pretrained: whether to load the pretrained autoencoder that the configuration may name; a resumed run holds its
            own weights.
        started: whether clustering has begun already, so that the start is not tried: it is not needed any more.
        n_processes: how many share the run; each must have an image.

    Returns:
        What is needed to train.

    Raises:
        DecdaError: something does not fit.
    """
    device = resolve_device(config.device)
    mode = resolve_mode(config.train.step, device) if n_processes == 1 else "plain"
    precision = resolve_precision(config.train.precision, device)
    check_precision(precision, device)
    config = replace(config, train=replace(config.train, precision=precision))
    if images is None:
        images = open_images(config.dataset, registry, files, seed=config.seed)
    if isinstance(images, ImageSource):  # which may take long to read
        config.resolved(images.shape[0], count_classes(images))
    images = load_images(config, registry, files, images)
    config = config.resolved(len(images.x), count_classes(images))
    config = replace(
        config, dataset=replace(config.dataset, parameters={**config.dataset.parameters, **images.settings})
    )
    config = with_absolute_paths(config)
    least = most = config.known_clusters
    if config.n_clusters == "auto":
        least, most = config.train.n_clusters_range
        most = min(most, len(images.x))
    if len(images.x) < n_processes:
        raise ConfigError(f"{n_processes} processes cannot share {len(images.x)} images. Start fewer processes.")
    check_distinct(images, least, f"The data set '{config.dataset.short}'")
    model = build_model(config.counted(most), registry, tuple(images.x.shape[1:]), images.value_range)
    if config.autoencoder is not None and pretrained:
        # The file itself, by its absolute path, so that the saved configuration means it from any folder.
        weights = find_pretrained(config.autoencoder).absolute()
        config = replace(config, autoencoder=weights)
        load_pretrained(weights, model.autoencoder, config.encoder.short)
    check_model(model, config, registry, images, shared=n_processes > 1)
    start = build_start(config, registry)
    if not started:
        check_start(start, model, config, registry, len(images.x))
    images_mode = resolve_images(config.train.images, images.x, device, n_processes)
    return Prepared(config, images, model, start, device, mode, images_mode)


def with_absolute_paths(config: RunConfig) -> RunConfig:
    """The same run with the paths of its start absolute, so that the saved configuration means them from any folder.

    Args:
        config: from `compose`.
    """
    parameters = {name: _from_anywhere(value) for name, value in config.start.parameters.items()}
    return replace(config, start=replace(config.start, parameters=parameters))


def _from_anywhere(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_from_anywhere, value))
    return value.expanduser().absolute() if isinstance(value, Path) else value
