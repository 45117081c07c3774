"""Whether a run can go on here: with the parts and images it was started with, and on which machine."""

from collections.abc import Mapping
from typing import Any, NoReturn

from decda.core.config.run_config import RunConfig
from decda.core.errors import UnusableCheckpoint
from decda.core.parts.registry import Registry
from decda.core.runs.provenance import describe_parts

MACHINE = ("device", "threads", "processor", "platform")
"""What decides how sums are rounded, beside the libraries."""


def require_same_parts(then: Mapping[str, Any], config: RunConfig, registry: Registry) -> None:
    """Require the parts that the run was started with, in the same versions.

    Args:
        then: the provenance of the run; what it does not say is not compared.
        config: of the run.
        registry: where the parts are now.

    Raises:
        UnusableCheckpoint: a package or a file of parts is another one; the message says which.
    """
    now = describe_parts(config, registry)
    for kind, part in now["parts"].items():
        former = then.get("parts", {}).get(kind, part)
        if former != part:
            _refuse(f"another {kind} '{part['name']}'", _package(former), _package(part))
    former_files = then.get("loaded", now.get("loaded", {}))
    if sorted(former_files.values()) != sorted(now.get("loaded", {}).values()):
        _refuse("other files of parts", _files(former_files), _files(now.get("loaded", {})))


def require_same_images(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Require the images and classes that the run was started with, and the autoencoder that it started from.

    Args:
        then: the provenance of the run; what it does not say is not compared.
        now: the same, made anew.

    Raises:
        UnusableCheckpoint: they are others; the message tells both digests.
    """
    for name, what in (("data_sha256", "other images"), ("classes_sha256", "other classes")):
        if name in then and then[name] != now[name]:
            _refuse(what, f"sha256 {then[name]}", f"sha256 {now[name]}")
    former, current = (side.get("autoencoder", {}).get("sha256") for side in (then, now))
    if former and current and former != current:
        _refuse("another pretrained autoencoder", f"sha256 {former}", f"sha256 {current}")


def describe_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is different from when the run was started, so that sums may be rounded in another way.

    Args:
        then: the provenance of the run.
        now: the same, made anew.

    Returns:
        `"threads: 1 then, 2 now"` for each difference.

    Example:
        >>> describe_differences({"threads": 1, "versions": {}}, {"threads": 2, "versions": {}})
        ['threads: 1 then, 2 now']
    """
    pairs = {name: (then.get(name), now.get(name)) for name in MACHINE}
    versions = now.get("versions", {})
    pairs |= {name: (then.get("versions", {}).get(name), version) for name, version in versions.items()}
    return [f"{name}: {former} then, {current} now" for name, (former, current) in pairs.items() if former != current]


def _refuse(what: str, then: str, now: str) -> NoReturn:
    raise UnusableCheckpoint(
        f"The run cannot go on with {what}: {then} then, {now} now. Restore what it was started with, or start a new run."
    )


def _package(part: Mapping[str, Any]) -> str:
    return f"{part['package']}:{part['name']} {part['version']}".strip()


def _files(files: Mapping[str, str]) -> str:
    return ", ".join(f"{path} (sha256 {digest})" for path, digest in files.items()) or "none"
