"""What a run was made of, and where: parts and their versions, images, machine, and how it ended."""

import contextlib
import hashlib
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from decda import __version__
from decda.core.config.run_config import RunConfig
from decda.core.errors import TrainingDiverged, in_a_line
from decda.core.parts.registry import Registry
from decda.core.process.processor import processor_name
from decda.core.regular_files import open_regular
from decda.core.runs.assembly import components
from decda.core.runs.images import hash_images
from decda.core.runs.preparation import Prepared
from decda.core.runs.run_folder import LABELS

SCHEMA_VERSION = 1
LIBRARIES = ("torch", "kornia", "numpy", "scikit-learn", "scipy")


def describe_start(ready: Prepared, registry: Registry, n_processes: int = 1) -> dict[str, Any]:
    """What `provenance.json` says when a run starts.

    Args:
        ready: the run before its first epoch.
        registry: where its parts are.
        n_processes: how many share the run.

    Returns:
        A mapping that JSON can hold, its status `started`.
    """
    config, images, device = ready.config, ready.images, ready.device
    weights = config.autoencoder
    start = {}
    if weights is not None and weights.is_file():  # a resumed run no longer needs it
        start = {"autoencoder": {"path": str(weights), "sha256": hash_file(weights)}}
    start_files = _hash_start_files(config)
    return {
        "schema_version": SCHEMA_VERSION,
        "recipe": config.recipe,
        **describe_parts(config, registry),
        "input_shape": list(images.x.shape[1:]),
        "value_range": None if images.value_range is None else list(images.value_range),
        "n_samples": len(images.x),
        **({"n_skipped": len(images.skipped)} if images.skipped else {}),
        "n_clusters": config.n_clusters,
        "seed": config.seed,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "processor": f"{processor_name()}, {torch.backends.cpu.get_cpu_capability()}",
        **start,
        **({"start_files": start_files} if start_files else {}),
        "data_sha256": hash_images(images.x),
        **({} if images.y is None else {"classes_sha256": hashlib.sha256(images.y.numpy().tobytes()).hexdigest()}),
        "config_sha256": config.sha256(),
        "versions": {
            "decda": __version__,
            "python": platform.python_version(),
            **{library: version(library) for library in LIBRARIES},
        },
        "platform": platform.platform(),
        "step": ready.mode,
        "images": ready.images_mode,
        **({"processes": n_processes} if n_processes > 1 else {}),
        "started": now(),
        "status": "started",
    }


def _hash_start_files(config: RunConfig) -> dict[str, str]:
    """The sha256 of each file that a parameter of the start names, by its path; of a folder, that of its labels."""
    values = [value if isinstance(value, tuple) else (value,) for value in config.start.parameters.values()]
    digests = {}
    for path in (path for group in values for path in group if isinstance(path, Path)):
        file = path / LABELS if path.is_dir() else path
        with contextlib.suppress(OSError):  # it is gone: the start says so, or a resumed run no longer needs it
            digests[str(file)] = hash_file(file)
    return digests


def describe_parts(config: RunConfig, registry: Registry) -> dict[str, Any]:
    """Which package and version each part of a run comes from, and which files.

    Args:
        config: of the run.
        registry: where its parts are.

    Returns:
        `parts`, by kind; and `loaded`, the sha256 of each file of parts by its path, where there are some.
    """
    entries = {kind: component.entry for kind, component in components(config, registry).items()}
    loaded = {"loaded": {str(path): digest for path, digest in registry.files.items()}} if registry.files else {}
    return {
        "parts": {k: {"name": e.name, "package": e.package, "version": e.version} for k, e in entries.items()},
        **loaded,
    }


def describe_resumption(then: Mapping[str, Any], phase: str, step: int, differences: Sequence[str]) -> dict[str, Any]:
    """What `provenance.json` says when a run goes on: as before, without how it ended, and with a note.

    Args:
        then: what it said when the checkpoint was made.
        phase: in which it goes on.
        step: epochs or iterations of that phase that were made before.
        differences: what is different from when it was started.

    Returns:
        A mapping that JSON can hold.
    """
    note = {"time": now(), "phase": phase, "step": step, "differences": list(differences)}
    return {**then, "status": "started", "resumed": [*then.get("resumed", ()), note]}


def describe_end(seconds: Mapping[str, float], mode: str) -> dict[str, Any]:
    """What `provenance.json` says in addition when a run has finished.

    Args:
        seconds: how long each phase took.
        mode: how its steps were made at the end.

    Returns:
        A mapping that JSON can hold.
    """
    return {"status": "finished", "finished": now(), "seconds": dict(seconds), "step": mode}


def describe_failure(error: BaseException) -> dict[str, Any]:
    """What `provenance.json` says in addition when a run has not finished.

    Args:
        error: what ended it.

    Returns:
        Its status, `interrupted`, `diverged` or `failed`, with the reason.
    """
    status = "failed"
    if isinstance(error, KeyboardInterrupt | GeneratorExit):
        status = "interrupted"
    elif isinstance(error, TrainingDiverged):
        status = "diverged"
    return {"status": status, "reason": in_a_line(error), "finished": now()}


def hash_file(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Args:
        path: of the file.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
