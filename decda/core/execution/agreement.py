"""What must be the same on a worker as at home, where several runs were planned, so that it makes no other difference.

Importing this loads no torch.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from decda.core.config.run_config import PART_KINDS, RunConfig
from decda.core.errors import EngineError
from decda.core.files import Files
from decda.core.parts.registry import LOCAL, Registry

if TYPE_CHECKING:
    from decda.core.contracts import ImageSet


def expectations(
    config: RunConfig, registry: Registry, listen: Sequence[str] = (), *, device: str, data_sha256: str = ""
) -> dict[str, Any]:
    """What a worker is to compare with what it has.

    Args:
        config: of the run.
        registry: where its parts are.
        listen: names of its listeners.
        device: the type of the device it is planned for.
        data_sha256: of its images; "" if nobody has looked at them.

    Returns:
        A mapping that JSON can hold. Parts of loaded files are not in it; the files have digests of their own.

    Example:
        >>> from decda.core.config.composition import compose
        >>> registry = Registry.discover()
        >>> expectations(compose(registry), registry, device="cpu")["parts"][0][:3]
        ['dataset', 'digits', 'decda']
    """
    found = [registry.find(kind, config.part(kind).name) for kind in PART_KINDS]
    found += [registry.find("listener", name) for name in listen]
    parts = [part for each in found for part in each.links or (each,) if part.package != LOCAL]
    return {
        "torch": _release(version("torch")),
        "device": device,
        "data_sha256": data_sha256,
        "parts": [[part.kind, part.name, part.package, part.version] for part in parts],
    }


def check_parts(expected: Mapping[str, Any], registry: Registry) -> None:
    """Require each part of a run, from the same package in the same version as at home.

    Args:
        expected: from `expectations`.
        registry: where the parts are here.

    Raises:
        EngineError: one is missing, or comes from another version.
    """
    versions = {(part.kind, part.name, part.package): part.version for part in registry}
    for kind, name, package, wanted in expected["parts"]:
        found = versions.get((kind, name, package))
        if found != wanted:
            has = "lacks it" if found is None else f"has {package} {found}"
            raise EngineError(
                f"The {kind} '{name}' comes from {package} {wanted} at home, and this worker {has}. "
                f"Install it in the Python of the worker: python -m pip install {package}=={wanted}"
            )


def check_torch(expected: Mapping[str, Any]) -> None:
    """Tell on stderr if PyTorch is another one than at home; provenance and results record the one that computed.

    Args:
        expected: from `expectations`.
    """
    here = _release(version("torch"))
    if here != expected["torch"]:
        print(
            f"PyTorch is {here} on this worker, and {expected['torch']} at home: results may differ in rounding.",
            file=sys.stderr,
        )


def load_expected_images(
    expected: Mapping[str, Any], config: RunConfig, registry: Registry, files: Files
) -> "ImageSet | None":
    """Load the images of a run, and require those that it was planned for, and its device.

    Args:
        expected: from `expectations`.
        config: of the run.
        registry: where the data set is.
        files: where its files are.

    Returns:
        The images; None where it is not known which they should be.

    Raises:
        EngineError: images or device are others.
        DecdaError: the images cannot be loaded.
    """
    from decda.core.runs.device import resolve_device
    from decda.core.runs.images import hash_images, load_images

    device = resolve_device(config.device).type
    if device != expected["device"]:
        raise EngineError(
            f"The run is planned for the device '{expected['device']}', and PyTorch computes on '{device}' here. Start "
            "workers with a resource GPU exactly where PyTorch finds one."
        )
    if not expected["data_sha256"]:
        return None
    images = load_images(config, registry, files)
    digest = hash_images(images.x)
    if digest != expected["data_sha256"]:
        raise EngineError(
            f"The images of the data set '{config.dataset.short}' differ on this worker: sha256 {digest}, and "
            f"{expected['data_sha256']} at home. Give the worker the same files."
        )
    return images


def _release(text: str) -> str:
    """A version without the local part, which says how it was built."""
    return text.partition("+")[0]
