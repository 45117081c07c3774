"""What Python users hand over - arrays, folders, classes, functions - as parts that a configuration can name."""

import inspect
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from decda.core.config.own_images import own_images
from decda.core.errors import ConfigError
from decda.core.parts.registry import Registry

Part = str | Mapping[str, Any] | Callable[..., Any]
"""A part of a run: a name, a table with `name` and parameters, a table of settings alone, or a class or function."""
Channels = Literal["first", "last"]


def as_table(registry: Registry, kind: str, part: Part | None) -> str | dict[str, Any] | None:
    """A part as configurations name it; a class or function is added to the registry under its own name.

    Args:
        registry: what it is added to.
        kind: of the part.
        part: as it was given; None: not at all.

    Returns:
        A name, a table, or None.

    Raises:
        ConfigError: it is none of these.

    Example:
        >>> registry = Registry()
        >>> as_table(registry, "head", {"gamma": 0.2})
        {'gamma': 0.2}
        >>> def mine(n_clusters, embedding_dim): ...
        >>> as_table(registry, "head", mine)
        'local:mine'
    """
    if part is None or isinstance(part, str):
        return part
    if isinstance(part, Mapping):
        table = dict(part)
        if "name" in table and not isinstance(table["name"], str):
            table["name"] = _add(registry, kind, table["name"])
        return table
    return _add(registry, kind, part)


def as_path(registry: Registry, data: Any) -> Path | None:
    """The path that is meant by data: a `Path`, or a text that names no registered data set but looks like one.

    Args:
        registry: with the data sets.
        data: as it was given.

    Returns:
        The path, `~` resolved; None where a name is meant, or no path at all.

    Example:
        >>> as_path(Registry(), "photos/cats"), as_path(Registry(), "usps"), as_path(Registry(), "")
        (PosixPath('photos/cats'), None, None)
    """
    if isinstance(data, str):
        named = any(data in (entry.name, entry.qualified) for entry in registry if entry.kind == "dataset")
        like = "/" in data or os.sep in data or data.startswith((".", "~"))
        if named or not data.strip() or not (like or os.path.exists(data)):
            return None
        data = Path(data)
    if not isinstance(data, Path):
        return None
    try:
        return data.expanduser()
    except RuntimeError:  # the home of an unknown user
        return data


def as_dataset(
    registry: Registry,
    data: Any,
    *,
    labels: Any = None,
    channels: Channels | None = None,
    image_shape: Any = None,
    scale: Any = None,
) -> str | dict[str, Any] | None:
    """The data set that a caller means: a registered one, a path, or an array that becomes a part of its own.

    Args:
        registry: what an array or a function is added to.
        data: name, table, function, path, `ImageSet`, or anything that is an array.
        labels: true classes, for an array.
        channels: where the channels of an array are.
        image_shape: of the images that rows were flattened from.
        scale: how the values of an array are scaled.

    Returns:
        A name, a table, or None where no data were given.

    Raises:
        ConfigError: labels or settings do not go with such data.
        DataError: nothing is at a path.
    """
    from decda.core.contracts import ImageSet

    given = {"channels": channels, "shape": _shape(image_shape), "scale": None if scale is None else str(scale)}
    settings = {name: value for name, value in given.items() if value is not None}
    words = " and ".join(["labels"] * (labels is not None) + [n if n != "shape" else "image_shape" for n in settings])
    path = as_path(registry, data)
    if path is not None:
        if labels is not None:
            raise ConfigError(
                "Labels go with an array. A folder has them as class folders, and a file of numbers in a second file: "
                '{"name": "arrays", "path": ..., "labels": ...}.',
                parameter="labels",
            )
        return {**own_images(path), **settings}
    if data is None or isinstance(data, str | Mapping) or inspect.isroutine(data):
        if labels is not None or settings:
            raise ConfigError(
                f"A data set brings its own labels and settings: leave out {words}, or set its parameters by a table, "
                '{"name": ..., ...}.',
                parameter="labels",
            )
        return as_table(registry, "dataset", data)
    if isinstance(data, ImageSet):
        if labels is not None or settings:
            raise ConfigError(f"An ImageSet has its own labels and layout: leave out {words}.", parameter="labels")
        return registry.add("dataset", "array", _returning(data)).qualified
    return {"name": registry.add("dataset", "array", _array(data, labels)).qualified, **settings}


def _returning(images: Any) -> Callable[[], Any]:
    def array() -> Any:
        """Images that were given as an ImageSet."""
        return images

    array.recipe = "auto"  # type: ignore[attr-defined]
    return array


def _array(data: Any, labels: Any) -> Callable[..., Any]:
    from decda.core.arrays import ArraySource, as_labels

    def array(
        input_shape: Any = None,
        *,
        shape: Annotated[tuple[int, ...], "of the images that rows were flattened from"] = (),
        channels: Annotated[Literal["auto", "first", "last"], "where the channels are"] = "auto",
        scale: Annotated[str, "how values are scaled: auto, none, minmax, standard or a number"] = "auto",
        center: Annotated[tuple[float, ...], "what is subtracted; empty: found by scale"] = (),
        spread: Annotated[tuple[float, ...], "what is divided by then; empty: found by scale"] = (),
    ) -> Any:
        """Images or rows that were given as an array."""
        source = ArraySource(
            data, input_shape=input_shape, shape=shape, channels=channels, scale=scale, center=center, spread=spread
        )
        if labels is not None:
            source.y = as_labels(labels, source.shape[0])
        return source

    array.recipe = "auto"  # type: ignore[attr-defined]
    return array


def _shape(image_shape: Any) -> tuple[int, ...] | None:
    if image_shape is None:
        return None
    try:
        return tuple(int(side) for side in image_shape)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"image_shape must be (height, width) or a shape with channels, not {image_shape!r}.",
            parameter="image_shape",
        ) from error


def _add(registry: Registry, kind: str, factory: Any) -> str:
    if not callable(factory):
        raise ConfigError(
            f"{kind} must be a name, a table with a name, or a class or function; not {type(factory).__name__}.",
            parameter=kind,
        )
    name = getattr(factory, "__name__", type(factory).__name__).strip("<>").lower()
    return registry.add(kind, name, factory).qualified
