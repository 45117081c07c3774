"""What a run was made of, and where: parts and their versions, images, machine, and how it ended."""

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from decda import __version__
from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet
from decda.core.errors import TrainingDiverged, in_a_line
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import components
from decda.core.runs.images import hash_images

SCHEMA_VERSION = 1
LIBRARIES = ("torch", "kornia", "numpy", "scikit-learn", "scipy")


def describe_start(
    config: RunConfig, registry: Registry, images: ImageSet, device: torch.device, weights: Path | None
) -> dict[str, Any]:
    """What `provenance.json` says when a run starts.

    Args:
        config: resolved.
        registry: where the parts are.
        images: what is clustered.
        device: where it is trained.
        weights: the file of the pretrained autoencoder that the run starts from, if there is one.

    Returns:
        A mapping that JSON can hold, its status `started`.
    """
    parts = {kind: component.entry for kind, component in components(config, registry).items()}
    loaded = {"loaded": {str(path): digest for path, digest in registry.files.items()}} if registry.files else {}
    start = {} if weights is None else {"autoencoder": {"path": str(weights), "sha256": hash_file(weights)}}
    return {
        "schema_version": SCHEMA_VERSION,
        "recipe": config.recipe,
        "parts": {k: {"name": e.name, "package": e.package, "version": e.version} for k, e in parts.items()},
        **loaded,
        "input_shape": list(images.x.shape[1:]),
        "n_samples": len(images.x),
        "n_clusters": config.n_clusters,
        "seed": config.seed,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        **start,
        "data_sha256": hash_images(images.x),
        "config_sha256": config.sha256(),
        "versions": {
            "decda": __version__,
            "python": platform.python_version(),
            **{library: version(library) for library in LIBRARIES},
        },
        "platform": platform.platform(),
        "started": now(),
        "status": "started",
    }


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
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
