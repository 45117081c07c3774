"""A fitted estimator without open files: the files of its run in memory, in a folder, and back."""

import os
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from decda.core.atomic_files import explain_output, read_json, write_json
from decda.core.errors import ConfigError, DataError
from decda.core.parts.registry import LOCAL, Registry
from decda.core.runs.run import Run

ESTIMATOR = "estimator.json"
SCHEMA_VERSION = 1
UNSAVED = Path("unsaved")
"""The folder of a run that is held in memory."""
ONE_AT_A_TIME = threading.RLock()
"""Held while a model is built or trained: that seeds PyTorch's global generator, which threads share."""

LOCAL_PART = "local part"
Part = tuple[str, str, Any]
"""Kind, name and factory of a part that was handed over as a class or function."""


def make_run(train: Callable[..., Run], arguments: Mapping[str, Any]) -> tuple[Run, dict[str, bytes]]:
    """Train in a temporary folder, which is gone afterwards.

    Args:
        train: `decda.train`.
        arguments: for it, without `out`.

    Returns:
        The run, and its files by name.
    """
    with ONE_AT_A_TIME, tempfile.TemporaryDirectory(prefix="decda-", ignore_cleanup_errors=True) as parent:
        run = train(**arguments, out=Path(parent) / "run", checkpoint_every=0)
        return replace(run, folder=UNSAVED), read_files(run.folder)


def read_files(folder: Path) -> dict[str, bytes]:
    """All files of a folder.

    Args:
        folder: of a run.

    Returns:
        Their content by path below the folder, with forward slashes.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def write_files(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files of a run.

    Args:
        files: from `read_files`.
        folder: which is made.

    Raises:
        OutputError: the system refuses.
    """
    for name, content in files.items():
        path = folder / name
        with explain_output(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def restore_run(files: Mapping[str, bytes], parts: Iterable[Part] = ()) -> Run:
    """The run whose files these are.

    Args:
        files: from `read_files`.
        parts: those that no package provides.

    Returns:
        The run, on the device that it was configured for if that is here, else on the CPU.

    Raises:
        DecdaError: a part of it is not installed, or a file is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="decda-", ignore_cleanup_errors=True) as parent:
        folder = Path(parent) / "run"
        write_files(files, folder)
        return replace(load_finished(folder, registry_with(parts)), folder=UNSAVED)


def load_finished(folder: Path, registry: Registry, **how: Any) -> Run:
    """Read back a run that has finished.

    Args:
        folder: of the run.
        registry: where its parts are.
        how: passed on to `decda.load`.

    Returns:
        The run.

    Raises:
        DecdaError: it has not finished, or `decda.load` fails.
    """
    from decda.api import load

    with ONE_AT_A_TIME:
        run = load(folder, registry=registry, **how)
    if not isinstance(run, Run):
        raise DataError(f"The run {folder} has not finished: it has no trained model yet.")
    return run


def registry_with(parts: Iterable[Part]) -> Registry:
    """The installed parts and some others.

    Args:
        parts: the others.
    """
    registry = Registry.discover()
    for part in parts:
        registry.add(*part)
    return registry


def local_parts(run: Run) -> list[Part]:
    """The parts of a run that were handed over as classes or functions.

    Args:
        run: from `decda.train`.

    Returns:
        Those of its model and its augmentation.
    """
    return [(kind, part.entry.name, part.factory) for kind, part in run.parts.items() if part.entry.package == LOCAL]


def save_folder(path: Path, files: Mapping[str, bytes], description: Mapping[str, Any]) -> None:
    """Make the folder of an estimator: that of its run, and `estimator.json`; all of it or nothing.

    Args:
        path: of the folder, which must not exist.
        files: of the run.
        description: for `estimator.json`.

    Raises:
        ConfigError: the folder exists.
        OutputError: the system refuses.
    """
    if os.path.lexists(path):
        raise ConfigError(f"{path} exists already. Choose another folder, or remove it first.", parameter="path")
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}.partial")
    try:
        with explain_output(path):
            partial.mkdir(parents=True)
        write_files(files, partial)
        write_json(partial / ESTIMATOR, {"schema_version": SCHEMA_VERSION, **description})
        with explain_output(path):
            os.rename(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_description(folder: Path) -> dict[str, Any]:
    """What `estimator.json` says.

    Args:
        folder: that `save_folder` has made.

    Returns:
        The description that was saved.

    Raises:
        DataError: there is none, or it is damaged.
    """
    path = folder / ESTIMATOR
    if folder.is_dir() and not path.exists():
        raise DataError(
            f"{folder} was not made by DeepClustering.save: it has no {ESTIMATOR}. To read the folder of a run, call "
            "decda.load."
        )
    description = read_json(path)
    if description.get("schema_version") != SCHEMA_VERSION:
        raise DataError(f"{path} is damaged, or was written by another version of decda.")
    return description


def as_json(name: str, value: Any) -> Any:
    """A parameter as JSON holds it.

    Args:
        name: of the parameter, for errors.
        value: of the parameter.

    Returns:
        Numbers, texts, lists and mappings; a class or function becomes `{"local part": its name}`.

    Raises:
        ConfigError: the value is none of these.

    Example:
        >>> as_json("image_shape", (8, 8)), as_json("head", int)
        ([8, 8], {'local part': 'int'})
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(name, each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(name, each) for each in value]
    if callable(value):
        return {LOCAL_PART: getattr(value, "__name__", type(value).__name__).strip("<>").lower()}
    raise ConfigError(f"{name} cannot be saved without pickle: it is of type {type(value).__name__}.", parameter=name)


def from_json(name: str, value: Any, registry: Registry) -> Any:
    """A parameter as it was before `as_json`, lists as tuples.

    Args:
        name: of the parameter; before `__`, it is the kind of a part.
        value: from JSON.
        registry: where classes and functions are.

    Returns:
        The value.

    Raises:
        UnknownComponent: a class or function is not registered.

    Example:
        >>> from_json("image_shape", [8, 8], Registry())
        (8, 8)
    """
    if isinstance(value, list):
        return tuple(from_json(name, each, registry) for each in value)
    if isinstance(value, dict):
        if set(value) == {LOCAL_PART}:
            return registry.load(registry.find(name, f"{LOCAL}:{value[LOCAL_PART]}")).factory
        return {key: from_json(name, each, registry) for key, each in value.items()}
    return value
