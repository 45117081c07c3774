"""New images for a trained model, prepared as those that it was trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from decda.core.config.composition import compose
from decda.core.config.own_images import own_images
from decda.core.config.run_config import PartConfig
from decda.core.contracts import ImageSet, ImageSource
from decda.core.errors import ConfigError, DataError, InvalidParameter
from decda.core.files import Files
from decda.core.parts.parameters import convert_value
from decda.core.parts.registry import Registry
from decda.core.runs.images import open_images
from decda.core.runs.naming import printable
from decda.core.runs.run import Run

PLAIN = ("auto", "none", "255")
"""Scales of arrays that mean what a folder of images means: bytes divided by 255."""
OF_THE_SET = ("path", "labels")
"""Parameters that say which images these are, not how they are prepared."""


def open_source(
    run: Run,
    path: Path,
    registry: Registry,
    files: Files,
    *,
    settings: Sequence[str] = (),
    settings_origin: str = "setting",
) -> ImageSource:
    """Open a folder or a file of images, to be prepared as those that a run was trained on.

    Args:
        run: a finished run.
        path: a folder of images, or an array: `.npy`, `.npz` or `.csv`.
        registry: where the data sets for these are.
        files: where data files are.
        settings: of the data set: `"dataset.fit=crop"`.
        settings_origin: what errors call a setting.

    Returns:
        The images, not read yet.

    Raises:
        DecdaError: nothing that can be read is there, a setting does not fit, or how values are to be scaled is not
            known.
    """
    part = new_images_part(run, path, registry, settings=settings, settings_origin=settings_origin)
    known = run.config.dataset.parameters
    scaled = known.get("center") or known.get("scale", "auto") not in PLAIN
    if "scale" not in part.parameters and "scale" in known and (scaled or run.input_shape[:2] == (1, 1)):
        raise DataError(
            f"The run {run.folder} was made of rows or of scaled numbers (scale={known['scale']}); the images in the "
            f"folder {printable(path)} are neither. Give an array, in .npy, .npz or text."
        )
    images = open_images(part, registry, files, seed=run.config.seed, input_shape=run.input_shape)
    require_known_scale(images, part, run, printable(path))
    return Loaded(images) if isinstance(images, ImageSet) else images


def require_known_scale(images: ImageSet | ImageSource, part: PartConfig, run: Run, owner: str) -> None:
    """Refuse new images that would be scaled by their own numbers: equal rows would then not get equal labels.

    Args:
        images: opened for a trained model.
        part: the data set that they come from.
        run: that trained the model.
        owner: what errors call them.

    Raises:
        DataError: center and spread were found out anew.
    """
    if images.settings.get("center") and not part.parameters.get("center"):
        raise DataError(
            f"{owner} would be scaled by its own numbers, and the run {run.folder} has not recorded how its images "
            "were scaled. Say how: dataset.scale=none takes the numbers as they are; or give dataset.scale, "
            "dataset.center and dataset.spread."
        )


def new_images_part(
    run: Run, path: Path, registry: Registry, *, settings: Sequence[str] = (), settings_origin: str = "setting"
) -> PartConfig:
    """The data set that reads new images as those of a run were read.

    It gets each parameter that the run's own data set has under the same name, if its value serves.

    Args:
        run: a finished run.
        path: a folder of images, or a file with an array.
        registry: where the data sets for these are.
        settings: of the data set, which come on top.
        settings_origin: what errors call a setting.

    Returns:
        Its name and parameters.

    Raises:
        DecdaError: nothing is at the path, or a setting does not fit.
    """
    strange = [setting for setting in settings if not setting.strip().startswith("dataset.")]
    if strange:
        raise ConfigError(
            f"{settings_origin} {strange[0]}: a trained model stays as it is; only how the images are read can be set "
            "here."
        )
    mapping = run.config.as_mapping()
    table = own_images(path)
    entry = registry.find("dataset", table["name"])
    declared = {parameter.name: parameter for parameter in registry.load(entry).parameters}
    kept: dict[str, Any] = {}
    rescaled = any(setting.strip().startswith("dataset.scale") for setting in settings)
    of_another_scale = ("center", "spread") if rescaled else ()
    for name, value in mapping["dataset"].items():
        if name in declared and name not in (*OF_THE_SET, *of_another_scale):
            try:
                kept[name] = convert_value("data set", declared[name], value)
            except InvalidParameter:  # another data set's parameter that only has the same name
                continue
    mapping["dataset"] = {**kept, **table}
    return compose(
        registry, config=mapping, settings=settings, settings_origin=settings_origin,
        unresolved=("encoder", "head", "augment", "start"),
    ).dataset  # fmt: skip


class Loaded(ImageSource):
    """Images in memory, read like others.

    Args:
        images: the set.

    Example:
        >>> import torch
        >>> Loaded(ImageSet(torch.zeros(3, 1, 2, 2))).read(1, 3)[0].shape
        torch.Size([2, 1, 2, 2])
    """

    def __init__(self, images: ImageSet):
        n, *shape = images.x.shape
        self.images = images
        self.shape = (n, *shape)  # type: ignore[assignment]
        self.dtype = images.x.dtype
        self.y, self.names, self.settings = images.y, images.names, images.settings
        self.value_range, self.skipped = images.value_range, images.skipped

    def read(self, start: int, stop: int) -> tuple[Tensor, dict[int, str]]:
        """Some consecutive images.

        Args:
            start: position of the first.
            stop: position after the last.

        Returns:
            The images, and no failures.
        """
        return self.images.x[start:stop], {}

    def whole(self) -> Tensor:
        """All images."""
        return self.images.x
