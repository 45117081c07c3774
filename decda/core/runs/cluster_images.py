"""Where the images of a run are: in files that have a name each, or in its data set."""

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray

from decda.core.contracts import ImageSource
from decda.core.errors import DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.naming import printable
from decda.core.runs.new_images import Loaded, open_source
from decda.core.runs.recall import load_as_before
from decda.core.runs.run import Run

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""What pillow calls images of so many channels."""
STEP = 256
"""Images that are read together."""
Put = Callable[[Path], object]
"""Makes an image at a path, or raises `Missing`."""


class Missing(Exception):
    """An image is not where it was; the message says why."""


def image_folder(run: Run, images: Path | None = None) -> Path | None:
    """The folder of the files that a run was made of.

    Args:
        run: a finished run.
        images: where they are now; None: where they were.

    Returns:
        The folder; None if the images of the run are no files.

    Raises:
        DataError: there is no such folder any more, or the run's images are no files of a folder.
    """
    path = run.config.dataset.parameters.get("path")
    if images is None:
        if not isinstance(path, str | Path) or run.names is None or Path(path).is_file():
            return None
        if not Path(path).is_dir():
            raise DataError(
                f"The images of the run were in {printable(path)}, which is no folder any more. Say where they "
                "are now.",
                parameter="images",
            )
        return Path(path)
    if not os.path.lexists(images):
        raise DataError(f"There is nothing at {printable(images)}.", parameter="images")
    if not images.is_dir():
        return None
    if run.names is None:
        raise DataError(
            f"The run {run.folder} knows its images by no names, so that they cannot be found in {printable(images)}. "
            "Name the file that holds them.",
            parameter="images",
        )
    return images


def inner_path(name: str) -> PurePosixPath:
    """The name of an image as a path that stays in the folder it is joined to.

    Args:
        name: from `labels.csv`.

    Returns:
        The path.

    Raises:
        DataError: it leads elsewhere.

    Example:
        >>> inner_path("cats/1.png").name
        '1.png'
    """
    path = PurePosixPath(name)
    strange = not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name
    if strange or (os.name == "nt" and any(sign in name for sign in "\\:")):
        raise DataError(
            f"The run names an image {printable(name)[:200]!r}, which leads out of its folder: its labels.csv was "
            "changed. Nothing was exported."
        )
    return path


def find_files(run: Run, folder: Path, link: bool) -> Iterator[tuple[str, Put]]:
    """The files that a run was made of.

    Args:
        run: a finished run.
        folder: from `image_folder`.
        link: whether they are linked, and not copied.

    Yields:
        The name of each, a relative path, and what copies or links it.

    Raises:
        DataError: a name leads out of the folder.
    """
    names = [str(inner_path(name)) for name in run.names or ()]  # all of them, before the first is made
    folder = folder.absolute()

    def put(name: str, target: Path) -> None:
        source = folder / name
        if not os.path.lexists(source):
            # labels.csv holds escapes for bytes that are no text.
            source = folder / re.sub(r"\\udc([89a-f][0-9a-f])", lambda byte: chr(0xDC00 + int(byte[1], 16)), name)
        try:
            if not stat.S_ISREG(source.stat().st_mode):
                raise Missing("it is not a regular file")
        except OSError as error:
            raise Missing(error.strerror or str(error)) from error
        if link:
            target.symlink_to(source)
            return
        try:
            opened = open(source, "rb")  # noqa: SIM115  (closed below)
        except OSError as error:
            raise Missing(error.strerror or str(error)) from error
        with opened, open(target, "xb") as copy:
            shutil.copyfileobj(opened, copy)
        shutil.copystat(source, target)

    for name in names:
        yield name, partial(put, name)


def find_pixels(run: Run, registry: Registry, files: Files, images: Path | None) -> ImageSource:
    """The images of a run that are no files.

    Args:
        run: a finished run.
        registry: where its data set is.
        files: where the data of that is.
        images: a file with an array that holds them; None: they are loaded as the run loaded them.

    Returns:
        The images.

    Raises:
        DataError: they are other images, or none that can be written as PNG.
    """
    if images is not None:
        source: ImageSource = open_source(run, images, registry, files)
    else:
        source = Loaded(load_as_before(run, registry, files))
    n, *shape = source.shape
    if (n, tuple(shape)) != (len(run.labels), run.input_shape):
        raise DataError(
            f"These are {n} images of shape {tuple(shape)}, and the run had {len(run.labels)} of shape "
            f"{run.input_shape}: they are not the images that it was made of.",
            parameter="images",
        )
    if source.value_range is None or run.input_shape[:2] == (1, 1):
        raise DataError("The run was made of the rows of a table, which are no images that could be shown.")
    if run.input_shape[0] not in MODES:
        raise DataError(
            f"Images with {run.input_shape[0]} channels cannot be written as PNG, which holds 1 (gray), 3 (colour) or "
            "4 (with alpha)."
        )
    return source


def pictures(run: Run, source: ImageSource) -> Iterator[tuple[str, Put]]:
    """The images of a run as PNG files.

    Args:
        run: a finished run.
        source: from `find_pixels`.

    Yields:
        The name of each, its index, and what writes it.

    Raises:
        DataError: an image cannot be read.
    """
    from PIL import Image

    n, digits = len(run.labels), len(str(len(run.labels) - 1))

    def put(pixels: NDArray[np.uint8], target: Path) -> None:
        with open(target, "xb") as file:
            Image.fromarray(pixels).save(file, format="png")

    for start in range(0, n, STEP):
        x, failed = source.read(start, min(start + STEP, n))
        if x.dtype != torch.uint8:
            x = (x * 255).round().clamp(0, 255).to(torch.uint8)
        for index, pixels in enumerate(x.movedim(1, 3).contiguous().numpy(), start):
            if index in failed:
                raise DataError(f"Image {index} cannot be read: {failed[index]}.")
            picture = pixels[..., 0] if pixels.shape[2] == 1 else pixels
            yield f"{index:0{digits}}.png", partial(put, picture)
