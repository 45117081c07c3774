"""The images of a run: loaded from its data set, checked, and identified by their digest."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet
from decda.core.errors import BrokenComponent, ContractViolation, DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import components, make_part, owner_of

CHUNK = 2**24
"""Pixels looked at together: checks and digests need memory for so many, whatever the size of the set."""


def load_images(config: RunConfig, registry: Registry, files: Files) -> ImageSet:
    """Load the images of a run's data set, and check them.

    Args:
        config: of the run.
        registry: where the data set is.
        files: where its files are.

    Returns:
        The images, contiguous.

    Raises:
        DataError: files are missing, or the images are unusable (no pixels, NaN, values outside [0, 1]).
        ContractViolation: the data set returned something other than images.
    """
    component = components(config, registry, ("dataset",))["dataset"]
    with torch.random.fork_rng(devices=[]):
        try:
            images: ImageSet = make_part(component, config, files=files)
        except BrokenComponent as error:
            if isinstance(error.__cause__, OSError):  # a file that it could not find or read
                raise DataError(str(error)) from error
            raise
    owner = owner_of(component)
    if not isinstance(images, ImageSet):
        raise ContractViolation(f"{owner} must return an ImageSet, not {type(images).__name__}.")
    check_images(images, owner)
    # Pixels in the order of the shape, so that parts may view them as rows even if they were read as (H, W, C).
    return replace(images, x=images.x.contiguous())


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
        check_pixels(x, owner, names)


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
    for image in images.x:
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


def check_pixels(x: Tensor, owner: str, names: Sequence[str] | None = None) -> None:
    """Require finite pixels in [0, 1].

    Args:
        x: images (N, ...), float.
        owner: what errors call them.
        names: of the images, if they have some.

    Raises:
        DataError: some are not; the message names the first image.
    """
    infinite: list[Tensor] = []
    outside: list[Tensor] = []
    for chunk in chunks(x):
        flat = chunk.flatten(1)
        low, high = flat.aminmax(dim=1)  # NaN if there is one
        infinite.append(~(low.isfinite() & high.isfinite()))
        outside.append((low < 0) | (high > 1))
    for bad, what in ((infinite, "not finite (NaN or infinite)"), (outside, "not in [0, 1]")):
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


def chunks(x: Tensor) -> Sequence[Tensor]:
    """Views of consecutive images, of a bounded number of pixels each.

    Args:
        x: images (N, ...).
    """
    return x.split(max(CHUNK // max(x[0].numel(), 1), 1)) if len(x) else ()


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise ContractViolation(message)
