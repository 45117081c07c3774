"""What a run was made of, and on what: parts and their versions, images, machine."""

import hashlib
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from decda import __version__
from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import components

SCHEMA_VERSION = 1
LIBRARIES = ("torch", "kornia", "numpy", "scikit-learn", "scipy")


def describe(
    config: RunConfig, registry: Registry, images: ImageSet, device: torch.device, weights: Path | None
) -> dict[str, Any]:
    """What `provenance.json` says as a run starts.

    Args:
        config: resolved.
        registry: where its parts are.
        images: what is clustered.
        device: where.
        weights: the file of the pretrained autoencoder that the run starts from, if it does.
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


def finish(seconds: Mapping[str, float], way: str) -> dict[str, Any]:
    """What `provenance.json` says besides when the run is done; `way` is the one its steps were made in at the end."""
    return {"status": "finished", "finished": now(), "seconds": seconds, "step": way}


def hash_images(x: Tensor) -> str:
    """SHA-256 of images, of their type and shape and then their bytes."""
    digest = hashlib.sha256(f"{x.dtype} {tuple(x.shape)}".encode())
    digest.update(x.numpy().tobytes())
    return digest.hexdigest()


def hash_file(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
