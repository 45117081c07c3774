"""The images of a run: loaded from its data set, checked, and identified by their digest."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import torch
from torch import Tensor

from decda.core.arrays import as_labels, require_channels_first, tidy
from decda.core.config.run_config import PartConfig, RunConfig
from decda.core.contracts import ImageSet, ImageSource
from decda.core.errors import BrokenComponent, ContractViolation, DataError, InvalidParameter
from decda.core.files import Files
from decda.core.mapped_files import parts
from decda.core.parts.parameters import convert_value, find_parameter
from decda.core.parts.registry import Component, Registry
from decda.core.runs.assembly import components, make_part, owner_of
from decda.core.runs.collection import collect

CHUNK = 2**24
"""Pixels looked at together: checks and digests need memory for so many, whatever the size of the set."""


def open_images(
    dataset: PartConfig,
    registry: Registry,
    files: Files,
    *,
    seed: int = 0,
    input_shape: tuple[int, ...] | None = None,
) -> ImageSet | ImageSource:
    """Call the function of a data set. Images that are read part by part are not read yet.

    Args:
        dataset: which, with its parameters.
        registry: where it is.
        files: where its files are.
        seed: of PyTorch's global generator meanwhile.
        input_shape: (C, H, W) that the images must get, for a trained model; passed on to data sets that ask for it.

    Returns:
        What the function returned.

    Raises:
        DataError: files are missing or unusable.
        ContractViolation: the data set returned something other than images.
    """
    component = registry.load(registry.find("dataset", dataset.name))
    with torch.random.fork_rng(devices=[]):
        try:
            images = make_part(component, dataset.parameters, seed, files=files, input_shape=input_shape)
        except BrokenComponent as error:
            if isinstance(error.__cause__, OSError):  # a file that it could not find or read
                raise DataError(str(error)) from error
            raise
    if not isinstance(images, ImageSet | ImageSource):
        raise ContractViolation(f"{owner_of(component)} must return an ImageSet, not {type(images).__name__}.")
    return _opened(images, component)


def _opened(images: ImageSet | ImageSource, component: Component) -> ImageSet | ImageSource:
    """The same, with settings of the declared types; of a source, its description is checked, too."""
    owner = owner_of(component)
    _expect(isinstance(images.settings, Mapping), f"{owner} must return settings as a mapping.")
    try:
        settings = {
            name: convert_value(owner, find_parameter(owner, component.parameters, name), value)
            for name, value in images.settings.items()
        }
    except InvalidParameter as error:
        raise ContractViolation(f"What it found out does not fit: {error}") from error
    if isinstance(images, ImageSet):
        return replace(images, settings=settings)
    shape, dtype = getattr(images, "shape", None), getattr(images, "dtype", None)
    whole = isinstance(shape, tuple) and len(shape) == 4 and all(type(side) is int and side > 0 for side in shape)
    _expect(whole, f"{owner} must state the shape of its images as (N, C, H, W), whole numbers above 0, not {shape!r}.")
    _expect(dtype in (torch.uint8, torch.float32), f"{owner} must state their dtype, torch.uint8 or torch.float32.")
    images.settings = settings
    if images.y is not None:
        images.y = as_labels(images.y, images.shape[0])
    if images.names is not None:
        _expect(len(images.names) == images.shape[0], f"{owner} must give one name for each of its images.")
    return images


def load_images(
    config: RunConfig, registry: Registry, files: Files, opened: ImageSet | ImageSource | None = None
) -> ImageSet:
    """Load the images of a run's data set, and check them.

    Args:
        config: of the run.
        registry: where the data set is.
        files: where its files are, and what reports progress.
        opened: what `open_images` returned for it, if it was called already.

    Returns:
        The images.

    Raises:
        DataError: files are missing, or the images are unusable (no pixels, NaN, values outside [0, 1]).
        ContractViolation: the data set returned something other than images.
    """
    owner = owner_of(components(config, registry, ("dataset",))["dataset"])
    images = open_images(config.dataset, registry, files, seed=config.seed) if opened is None else opened
    if isinstance(images, ImageSource):
        images = collect(images, files.images, owner, files.notify)
    images = tidy(images, owner)
    check_images(images, owner)
    if "channels" not in images.settings:  # a data set with that setting has looked at it
        require_channels_first(images.x, owner)
    return images


def count_classes(images: ImageSet | ImageSource) -> int | None:
    """The number of different classes, None where the images have no labels.

    Args:
        images: opened or loaded.
    """
    return None if images.y is None else len(images.y.unique())


def check_images(images: ImageSet, owner: str) -> None:
    """Require images with matching labels and names, if there are any.

    Args:
        images: what a data set returned.
        owner: what errors call it.

    Raises:
        ContractViolation: tensors of the wrong shape, type or device, or names that are not texts.
        DataError: no pixels, NaN, values outside [0, 1].
    """
    x, y, names = images.x, images.y, images.names
    plain = isinstance(x, Tensor) and x.layout == torch.strided and not x.requires_grad
    _expect(plain and x.dim() == 4, f"{owner} must return images as a dense tensor (N, C, H, W) without gradient.")
    fits = x.dtype in (torch.float32, torch.uint8) and x.device.type == "cpu"
    _expect(fits, f"{owner} must return float32 or uint8 images on the CPU; they are {x.dtype} on {x.device}.")
    if y is not None:
        fits = isinstance(y, Tensor) and y.shape == (len(x),) and y.dtype == torch.int64
        _expect(fits, f"{owner} must return labels as int64 of shape ({len(x)},).")
    named = isinstance(names, Sequence) and len(names) == len(x) and all(isinstance(name, str) for name in names)
    _expect(names is None or named, f"{owner} must return names as texts, one for each of its {len(x)} images.")
    if 0 in x.shape:
        raise DataError(f"{owner} holds no pixels: its images have the shape {tuple(x.shape)}.")
    if x.dtype == torch.float32:
        check_pixels(x, owner, names, images.value_range)


def check_distinct(images: ImageSet, n_clusters: int, owner: str) -> None:
    """Require as many different images as clusters. On most sets, only the first few images are looked at.

    Args:
        images: the checked images.
        n_clusters: K.
        owner: what errors call them.

    Raises:
        DataError: all images are equal, or fewer of them differ than there are clusters.

    Example:
        >>> check_distinct(ImageSet(torch.eye(4).view(4, 1, 2, 2)), 4, "data set 'mine'")
    """
    seen: set[bytes] = set()
    for image in chain.from_iterable(chunks(images.x)):  # not all at once: a view of each image takes half a kilobyte
        # A digest, because there may be as many clusters as images. -0.0 + 0 is 0.0.
        seen.add(hashlib.sha256((image + 0).contiguous().numpy().data.cast("B")).digest())
        if len(seen) == n_clusters:
            return
    n = len(images.x)
    found = f"all its {n} images are equal" if len(seen) == 1 else f"only {len(seen)} of its {n} images are distinct"
    raise DataError(
        f"{owner} cannot be divided into {n_clusters} clusters: {found}. Give other images"
        f"{', or fewer clusters' if len(seen) > 1 else ''}.",
        parameter="n_clusters",
    )


def check_pixels(
    x: Tensor,
    owner: str,
    names: Sequence[str] | None = None,
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> None:
    """Require finite pixels in their range.

    Args:
        x: images (N, ...), float.
        owner: what errors call them.
        names: of the images, if they have some.
        value_range: in which pixels must lie; None: any finite ones serve.

    Raises:
        DataError: some are not; the message names the first image.
    """
    infinite: list[Tensor] = []
    outside: list[Tensor] = []
    for chunk in chunks(x):
        flat = chunk.flatten(1)
        low, high = flat.aminmax(dim=1)  # NaN if there is one
        infinite.append(~(low.isfinite() & high.isfinite()))
        if value_range is not None:
            outside.append((low < value_range[0]) | (high > value_range[1]))
    kinds = [(infinite, "not finite (NaN or infinite)")]
    if value_range is not None:
        kinds.append((outside, f"not in [{value_range[0]:g}, {value_range[1]:g}]"))
    for bad, what in kinds:
        rows = torch.cat(bad).nonzero().flatten()
        if len(rows):
            first = int(rows[0])
            name = f" ({names[first]})" if names is not None else ""
            raise DataError(
                f"{owner}: {len(rows)} of {len(x)} images have pixels that are {what}; the first is image {first}"
                f"{name}. Repair or leave out those images; float pixels must be in [0, 1]."
            )


def hash_images(x: Tensor) -> str:
    """Digest of a set of images.

    Args:
        x: images (N, C, H, W) on the CPU.

    Returns:
        SHA-256 of their type, their shape and then their bytes, in hexadecimal.

    Example:
        >>> hash_images(torch.zeros(1, 1, 2, 2))[:8]
        '1466d55d'
    """
    digest = hashlib.sha256(f"{x.dtype} {tuple(x.shape)}".encode())
    for chunk in chunks(x):
        digest.update(chunk.contiguous().numpy().data.cast("B"))
    return digest.hexdigest()


def chunks(x: Tensor) -> Iterator[Tensor]:
    """Views of consecutive images, of a bounded number of pixels each; mapped files take no more memory than that.

    Args:
        x: images (N, ...).
    """
    return parts(x, max(CHUNK // max(x[0].numel(), 1), 1)) if len(x) else iter(())


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise ContractViolation(message)
