"""What decides the result of a trial, as text: equal texts mean equal results, whatever later versions add."""

import inspect
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

from decda import __version__
from decda.core.config.run_config import DEFAULT_START, PART_KINDS, PartConfig
from decda.core.config.train_config import TrainConfig
from decda.core.parts.registry import LOCAL, Registry
from decda.core.studies.cells import Cell

PRETRAINING = ("batch_size", "drop_last", "step", "precision")
"""Settings of training that decide a pretrained autoencoder, beside those named `pretrain_...`."""
LENGTH = 12
"""Hexadecimal digits of a digest in the name of a folder."""


def fingerprint_trial(cell: Cell, seed: int, device: str, registry: Registry) -> str:
    """The digest of a whole run: parts, settings, images, seed and device.

    Settings at their defaults are left out, so that a setting that comes later, at a default that changes nothing,
    keeps the results of earlier studies. Versions of parts, of decda and of loaded files are in it.

    Args:
        cell: the composition and its images.
        seed: of the trial.
        device: the type of the device, which rounds in its own way.
        registry: where the parts are.

    Returns:
        12 hexadecimal digits.
    """
    left_out = [] if cell.config.train.augments("pretrain") or cell.config.train.augments("cluster") else ["augment"]
    if cell.config.start == PartConfig(DEFAULT_START, {"n_init": 20}):
        left_out.append("start")
    return _digest(
        {
            **_situation(cell, seed, device),
            "classes": cell.classes_sha256,
            "n_clusters": cell.config.n_clusters,
            "parts": _parts(cell, registry, [k for k in PART_KINDS if k not in left_out]),
            "train": changed_settings(cell.config.train, cell.n_samples, device),
        }
    )


def fingerprint_pretraining(cell: Cell, seed: int, device: str, registry: Registry) -> str:
    """The digest of what decides a pretrained autoencoder; cells that pretrain alike share it.

    Args:
        cell: the composition and its images.
        seed: of the trial.
        device: the type of the device.
        registry: where the parts are.

    Returns:
        12 hexadecimal digits.
    """
    train = cell.config.train
    augmented = train.augments("pretrain")
    changed = changed_settings(train, cell.n_samples, device)
    return _digest(
        {
            **_situation(cell, seed, device),
            "parts": _parts(cell, registry, ("dataset", "encoder", *(("augment",) if augmented else ()))),
            "augmented": augmented,
            "train": {n: v for n, v in changed.items() if n.startswith("pretrain_") or n in PRETRAINING},
        }
    )


def changed_settings(train: TrainConfig, n_samples: int, device: str) -> dict[str, Any]:
    """The settings of training that differ from what their defaults come to on a set and a device.

    Args:
        train: resolved.
        n_samples: number of images.
        device: the type of the device.

    Returns:
        Settings by name.

    Example:
        >>> changed_settings(TrainConfig(tol=0.5, step="plain").resolved(1797), 1797, "cpu")
        {'tol': 0.5}
    """
    default = replace(TrainConfig(augment_in=train.augment_in).resolved(n_samples), augment_in="both")
    automatic = "graph" if device == "cuda" else "plain"
    values = asdict(train)
    values["step"] = "auto" if values["step"] == automatic else values["step"]
    return {name: value for name, value in values.items() if value != getattr(default, name)}


def _situation(cell: Cell, seed: int, device: str) -> dict[str, Any]:
    return {"decda": __version__, "data": cell.data_sha256, "seed": seed, "device": device}


def _parts(cell: Cell, registry: Registry, kinds: Collection[str]) -> dict[str, Any]:
    """Each part with its version and the parameters that differ from their defaults."""
    described: dict[str, Any] = {}
    for kind in kinds:
        part = cell.config.part(kind)
        component = registry.load(registry.find(kind, part.name))
        defaults = {parameter.name: parameter.default for parameter in component.parameters}
        described[kind] = {
            "name": part.name,
            "version": component.entry.version,
            "parameters": {n: v for n, v in part.parameters.items() if n not in defaults or v != defaults[n]},
        }
        local = [each for each in component.links or (component,) if each.entry.package == LOCAL]
        if local:
            described[kind]["files"] = sorted(registry.files.values())
            described[kind]["source"] = "".join(_source(each.factory) for each in local)
    return described


def _source(factory: Any) -> str:
    """The text of a part that was added by hand, as far as Python knows it."""
    try:
        return inspect.getsource(factory)
    except (OSError, TypeError):
        return ""


def _digest(values: Mapping[str, Any]) -> str:
    return sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:LENGTH]
