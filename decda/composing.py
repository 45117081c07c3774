"""The words of `decda.train` and `decda.train_seeds` as one configuration, with what it refers to."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decda.core.config.composition import compose
from decda.core.config.own_images import instead
from decda.core.config.run_config import RunConfig
from decda.core.parts.registry import Registry
from decda.inputs import as_dataset, as_path, as_table

if TYPE_CHECKING:
    from decda.core.contracts import ImageSet, ImageSource
    from decda.core.files import Files


@dataclass(frozen=True)
class Composed:
    """What is to be trained.

    Attributes:
        config: of the run.
        registry: where its parts are, with those that were handed over.
        files: where its data is.
        choice: what was chosen by the images, in words.
        images: those of the data set, if they have been opened already.
    """

    config: RunConfig
    registry: Registry
    files: "Files"
    choice: str
    images: "ImageSet | ImageSource | None"


def compose_words(
    data: Any,
    *,
    registry: Registry | None,
    data_root: str | Path | None,
    offline: bool | None,
    recipe: str | None,
    config: str | Path | Mapping[str, Any] | None,
    parts: Mapping[str, Any],
    train: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    **how: Any,
) -> Composed:
    """Compose what `decda.train` is asked for.

    Args:
        data: as for `decda.train`, and so are those below.
        registry: the parts.
        data_root: the folder of data files.
        offline: whether the network is left alone.
        recipe: the composition to start from.
        config: a configuration file or mapping.
        parts: `encoder`, `head`, `augment` and `start`.
        train: settings of training.
        options: `n_clusters`, `seed`, `device`, `autoencoder`.
        how: `labels`, `channels`, `image_shape`, `scale` of the data.

    Returns:
        The configuration and what goes with it.

    Raises:
        DecdaError: something does not fit.
    """
    from decda.core.files import Files
    from decda.core.runs.opening import ImageOpener

    registry = Registry.discover() if registry is None else registry.copy()
    dataset = as_dataset(registry, data, **how)
    if config is not None and as_path(registry, data) is not None and isinstance(dataset, dict):
        dataset = {**instead(dataset), **dataset}
    named = {"dataset": dataset, "train": train, **{kind: as_table(registry, kind, parts[kind]) for kind in parts}}
    if recipe is None and config is None and inspect.isroutine(data):
        recipe = getattr(data, "recipe", "auto")
    files = Files(None if data_root is None else Path(data_root), offline=offline)
    opener = ImageOpener(registry, files)
    composed = compose(
        registry,
        look=opener,
        recipe=recipe,
        config=Path(config) if isinstance(config, str) else config,
        parts=named,
        **options,
    )
    return Composed(composed, registry, files, opener.choice(composed), opener.opened(composed))


def listener_names(registry: Registry, listen: Sequence[str], report: bool | None) -> list[str]:
    """The listeners of a run: those that are named, and the report unless it is not wanted.

    Args:
        registry: where they are.
        listen: names.
        report: whether a report is written; None: as the environment says.
    """
    from decda.core.runs.listening import default_listeners

    named = [listen] if isinstance(listen, str) else listen
    return [*default_listeners(registry, report), *named]
