"""The parameters of `DeepClustering` -> the arguments of `decda.train`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.utils import check_random_state

from decda.core.config.own_images import own_images
from decda.core.errors import ConfigError, did_you_mean
from decda.core.parts.registry import Registry
from decda.inputs import as_path

PARTS = ("encoder", "head", "augment", "start")
"""The parameters that name a part."""
TABLES = (*PARTS, "train", "dataset")
"""What a nested name such as `head__gamma` may start with."""
DEFAULT_HEAD = "idec"


def training_arguments(data: Any, parameters: Mapping[str, Any], nested: Mapping[str, Any]) -> dict[str, Any]:
    """What `decda.train` is called with.

    What is `"auto"` is left out, so that the recipe decides. With a recipe, so is the default head.

    Args:
        data: an array; or a path, or the name of a registered data set.
        parameters: of the estimator, those of its signature.
        nested: the others, such as `head__gamma`.

    Returns:
        Arguments by name; `seed` is drawn where `random_state` is not an int.

    Raises:
        ConfigError: a nested name does not exist, or a value cannot be what it stands for.
        DataError: there is nothing at the path.

    Example:
        >>> parameters = {"n_clusters": 3, "head": "dec", "max_iter": 50, "random_state": 1}
        >>> arguments = training_arguments("digits", parameters, {"encoder__embedding_dim": 5})
        >>> {name: value for name, value in arguments.items() if value is not None}  # doctest: +NORMALIZE_WHITESPACE
        {'data': 'digits', 'n_clusters': 3, 'encoder': {'embedding_dim': 5}, 'head': 'dec', 'train': {'max_iter': 50},
         'seed': 1}
    """
    tables = nested_tables(nested, parameters)
    get = parameters.get
    head = get("head", DEFAULT_HEAD)
    if get("recipe") is not None and _is(head, DEFAULT_HEAD):
        head = None
    train = get("train")
    if train is not None and not isinstance(train, Mapping):
        raise ConfigError(
            f"train must be a mapping of settings such as {{'batch_size': 64}}, or None; not {train!r}.",
            parameter="train",
        )
    shortcuts = {name: get(name) for name in ("pretrain_epochs", "max_iter") if get(name) is not None}
    return {
        **_data_arguments(data, _unless_auto(get("channels")), get("image_shape"), tables["dataset"]),
        "n_clusters": _plain(get("n_clusters")),
        "recipe": get("recipe"),
        "encoder": _with(_unless_auto(get("encoder")), tables["encoder"]),
        "head": _with(head, tables["head"]),
        "augment": _with(_unless_auto(get("augment")), tables["augment"]),
        "start": _with(_unless_auto(get("start")), tables["start"]),
        "train": {name: _plain(value) for name, value in {**(train or {}), **shortcuts, **tables["train"]}.items()},
        "seed": seed_of(get("random_state")),
        "device": _unless_auto(get("device")),
        "threads": threads_of(get("n_jobs")),
    }


def nested_tables(nested: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Nested names sorted by what they start with.

    Args:
        nested: values by name, such as `{"head__gamma": 0.2}`.
        parameters: the other parameters, for errors.

    Returns:
        A table of settings for each of `TABLES`: `{"head": {"gamma": 0.2}, ...}`.

    Raises:
        ConfigError: a name does not start with one of them and two underscores.

    Example:
        >>> nested_tables({"head__gamma": 0.2}, {})["head"]
        {'gamma': 0.2}
    """
    tables: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
    for name, value in nested.items():
        if not is_nested(name):
            listing = f"It takes: {', '.join(parameters)}; and {', '.join(f'{table}__...' for table in TABLES)}."
            raise ConfigError(
                f"DeepClustering has no parameter {name!r}.{did_you_mean(name, list(parameters))} {listing}"
            )
        table, _, setting = name.partition("__")
        tables[table][setting] = _plain(value)
    return tables


def is_nested(name: str) -> bool:
    """Whether a name is that of a setting of a part, as far as its form tells.

    Args:
        name: such as `head__gamma`.

    Example:
        >>> is_nested("head__gamma"), is_nested("hed__gamma"), is_nested("head")
        (True, False, False)
    """
    table, _, setting = name.partition("__")
    return table in TABLES and bool(setting)


def seed_of(random_state: Any) -> int:
    """The seed of a run.

    Args:
        random_state: an int is the seed itself; from a RandomState, or NumPy's global one where it is None, one is
            drawn.

    Returns:
        The seed.

    Raises:
        ConfigError: it is none of these.

    Example:
        >>> seed_of(3), seed_of(np.random.RandomState(0))
        (3, 209652396)
    """
    if isinstance(random_state, int | np.integer) and not isinstance(random_state, bool):
        return int(random_state)
    try:
        return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    except ValueError as error:
        raise ConfigError(
            f"random_state must be None, a whole number or a RandomState, not {random_state!r}.",
            parameter="random_state",
        ) from error


def threads_of(n_jobs: Any) -> int | None:
    """The number of threads that is meant by `n_jobs`.

    Args:
        n_jobs: None: as many as PyTorch is set to; -1: as many as there are cores, -2: one less, ...

    Returns:
        The number, or None.

    Raises:
        ConfigError: it is 0 or not a whole number.

    Example:
        >>> threads_of(None), threads_of(2)
        (None, 2)
    """
    if n_jobs is None:
        return None
    if not isinstance(n_jobs, int | np.integer) or isinstance(n_jobs, bool) or n_jobs == 0:
        raise ConfigError(
            f"n_jobs must be None, a number of threads from 1 up, or -1 for all cores; not {n_jobs!r}.",
            parameter="n_jobs",
        )
    return int(n_jobs) if n_jobs > 0 else max(joblib.cpu_count() + 1 + int(n_jobs), 1)


def _data_arguments(data: Any, channels: Any, image_shape: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """The data, with what is known of it: as arguments beside an array, as settings of the data set at a path."""
    if isinstance(data, str | Path):
        given = {"channels": channels, "shape": image_shape}
        settings = {**{name: value for name, value in given.items() if value is not None}, **settings}
        path = as_path(Registry.discover(), data)
        if path is not None:
            return {"data": {**own_images(path), **settings}}
        return {"data": {"name": data, **settings} if settings else data}
    strange = [name for name in settings if name != "scale"]
    if strange:
        raise ConfigError(
            f"dataset__{strange[0]} is for images that are read from a path; an array takes dataset__scale alone.",
            parameter="dataset",
        )
    return {"data": data, "channels": channels, "image_shape": image_shape, "scale": settings.get("scale")}


def _with(part: Any, settings: Mapping[str, Any]) -> Any:
    """A part with settings of it; without a part, settings of the one that the recipe has."""
    if not settings:
        return part
    if part is None:
        return dict(settings)
    return {**part, **settings} if isinstance(part, Mapping) else {"name": part, **settings}


def _unless_auto(value: Any) -> Any:
    return None if _is(value, "auto") else value


def _is(value: Any, text: str) -> bool:
    return isinstance(value, str) and value == text


def _plain(value: Any) -> Any:
    """A number of NumPy, as grids have them, as one of Python."""
    return value.item() if isinstance(value, np.generic) else value
