"""The images that a run was made of, found again."""

from pathlib import Path
from typing import Any

from decda.core.config.composition import compose
from decda.core.config.provenance_hints import provenance_beside
from decda.core.contracts import ImageSet
from decda.core.errors import DataError, UnknownComponent
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.collection import collect
from decda.core.runs.images import hash_images, load_images
from decda.core.runs.naming import printable
from decda.core.runs.new_images import open_source
from decda.core.runs.run import Run


def recall_images(run: Run, images: Any, registry: Registry, files: Files) -> ImageSet:
    """The images of a run, in the order of its labels.

    Args:
        run: a finished run.
        images: where they are now, as a path; or themselves, in any layout that `decda.train` takes; None: they are
            loaded as the run loaded them.
        registry: where its data set is.
        files: where the data of that is.

    Returns:
        The images.

    Raises:
        DataError: they are gone, or others than those of the run.
    """
    if isinstance(images, ImageSet):
        found = images
    elif images is None:
        found = load_as_before(run, registry, files)
    elif isinstance(images, str | Path):
        found = collect(open_source(run, Path(images), registry, files), files.images, printable(images), files.notify)
    else:
        found = ImageSet(run.prepare(images), value_range=_value_range(run))
    n, shape = len(found.x), tuple(found.x.shape[1:])
    if (n, shape) != (len(run.labels), run.input_shape):
        raise DataError(
            f"These are {n} images of shape {shape}, and the run had {len(run.labels)} of shape {run.input_shape}: "
            "they are not the images that it was made of.",
            parameter="images",
        )
    wanted = provenance_beside(run.folder / "config.toml").get("data_sha256")
    if found is not images and wanted is not None and hash_images(found.x) != wanted:
        raise DataError("These are not the images that the run was made of: their pixels differ.", parameter="images")
    return found


def load_as_before(run: Run, registry: Registry, files: Files) -> ImageSet:
    """Load the images of a run as the run loaded them.

    Args:
        run: a finished run.
        registry: where its data set is.
        files: where the data of that is.

    Returns:
        The images of its data set, which may have changed meanwhile.

    Raises:
        DataError: they are gone.
    """
    provenance = provenance_beside(run.folder / "config.toml")
    try:
        config = compose(registry, config=run.config.as_mapping(), provenance=provenance)
    except UnknownComponent as error:
        raise DataError(
            f"The images of the run cannot be loaded again: {error} Or write them to a file (.npy), and name that.",
            parameter="images",
        ) from error
    return load_images(config, registry, files)


def _value_range(run: Run) -> tuple[float, float] | None:
    return None if provenance_beside(run.folder / "config.toml").get("value_range", ()) is None else (0.0, 1.0)
