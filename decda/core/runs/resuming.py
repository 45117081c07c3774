"""Whether a run can go on here: with the settings, parts and images it was started with, and on which machine."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from decda.core.config.composition import compose
from decda.core.config.provenance_hints import provenance_beside
from decda.core.config.run_config import PART_KINDS, RunConfig, read_toml
from decda.core.errors import ConfigError, DataError, UnusableCheckpoint
from decda.core.parts.registry import Registry
from decda.core.runs.naming import printable
from decda.core.runs.preparation import with_absolute_paths
from decda.core.runs.provenance import describe_parts
from decda.core.runs.reading import read_configuration
from decda.core.runs.run_folder import CONFIG, COUNT
from decda.core.runs.weights import find_pretrained

MACHINE = ("device", "threads", "processor", "platform", "processes")
"""What decides how sums are rounded, beside the libraries."""
SAME = {
    "config_sha256": "another configuration",
    "data_sha256": "other images",
    "classes_sha256": "other classes",
}
"""Digests in the provenance of a run that must not change, and how errors call them."""


def resumed_config(
    path: Path,
    registry: Registry,
    *,
    recipe: str | None = None,
    config: Path | Mapping[str, Any] | None = None,
    parts: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    settings_origin: str = "setting",
    **options: Any,
) -> RunConfig:
    """The configuration that a run was started with; what is named again must agree with it.

    Args:
        path: the folder of the run.
        registry: where its parts are.
        recipe: as for `compose`, and so are those below.
        config: a configuration file or mapping.
        parts: named parts.
        settings: single settings.
        settings_origin: what errors call a setting.
        options: `n_clusters`, `seed`, `device`, `autoencoder`.

    Returns:
        The configuration.

    Raises:
        DataError: there is no run at that path, or its configuration is damaged.
        ConfigError: something contradicts it; the message names each.
    """
    if _is_empty(path):
        raise DataError(
            f"{printable(path)} cannot be resumed: it is empty; nothing had been computed yet. Start a new run."
        )
    mapping, provenance = read_configuration(path), provenance_beside(path / CONFIG)
    if (path / COUNT).exists():  # its configuration may name the number that was found already
        mapping = {**mapping, "n_clusters": "auto"}
    ours = replace(compose(registry, config=mapping, provenance=provenance), recipe=provenance.get("recipe"))
    if not provenance and (path / CONFIG).read_text(encoding="utf-8") != ours.as_toml():  # a run writes every default
        raise DataError(
            f"{printable(path)} is not the folder of a run: its {CONFIG} was written by somebody else, and there is no "
            "provenance.json. Start a run by naming that file as its configuration."
        )
    if options.get("autoencoder") is not None:
        options["autoencoder"] = find_pretrained(Path(options["autoencoder"])).absolute()
    wanted = compose(
        registry, config=mapping, provenance=provenance,
        parts=parts, settings=settings, settings_origin=settings_origin, **options,
    )  # fmt: skip
    contradictions = _contradictions(ours, wanted)
    if config is not None:
        layer = dict(read_toml(config) if isinstance(config, Path) else config)
        recipe = recipe or layer.pop("recipe", None)
        contradictions |= _contradictions(ours, compose(registry, config=mapping, provenance=provenance, parts=layer))
    if recipe is not None and ours.recipe is not None and registry.find("recipe", recipe).name != ours.recipe:
        contradictions["recipe"] = f"recipe is {ours.recipe} in the run, {recipe} here"
    _require_none(contradictions, f"The run {printable(path)}")
    return ours


def require_same_settings(path: Path, config: RunConfig, registry: Registry) -> None:
    """Require the settings that several seeds were started with.

    Args:
        path: the folder of them all.
        config: with which they are to go on; its seed does not matter.
        registry: where its parts are.

    Raises:
        DataError: the configuration in the folder is damaged.
        ConfigError: something contradicts it; the message names each.
    """
    ours = compose(registry, config=read_configuration(path), provenance=provenance_beside(path / CONFIG))
    contradictions = _contradictions(ours, replace(config, seed=ours.seed))
    _require_none(contradictions, f"The seeds in {printable(path)}")


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
    whole = "processor" in then  # older versions of decda recorded less
    for name, what in SAME.items():
        if (whole or name in then) and then.get(name) != now.get(name):
            _refuse(what, *(f"sha256 {side[name]}" if name in side else "none" for side in (then, now)))
    former, current = (side.get("autoencoder", {}).get("sha256") for side in (then, now))
    if former and current and former != current:
        _refuse("another pretrained autoencoder", f"sha256 {former}", f"sha256 {current}")


def require_same_start(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Require the files that the start names as they were when the run was started, of a run that has yet to use them.

    Args:
        then: the provenance of the run; what it does not say is not compared.
        now: the same, made anew.

    Raises:
        UnusableCheckpoint: they are others; the message tells both digests.
    """
    former, current = then.get("start_files", {}), now.get("start_files", {})
    if former and former != current:
        _refuse("other files of its start", _files(former), _files(current))


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
    pairs["processes"] = (then.get("processes", 1), now.get("processes", 1))
    pairs |= {name: (then.get("versions", {}).get(name), version) for name, version in versions.items()}
    return [f"{name}: {former} then, {current} now" for name, (former, current) in pairs.items() if former != current]


def _require_none(contradictions: Mapping[str, str], what: str) -> None:
    if contradictions:
        raise ConfigError(
            f"{what} cannot go on with other settings: {'; '.join(contradictions.values())}. Leave them out, or start "
            "anew in another folder."
        )


def _contradictions(ours: RunConfig, wanted: RunConfig) -> dict[str, str]:
    """What two configurations differ in, a sentence by setting; of another part, only its name."""
    left, right = (_flat(with_absolute_paths(config)) for config in (ours, wanted))
    others = {kind for kind in PART_KINDS if ours.part(kind).name != wanted.part(kind).name}
    return {
        name: f"{name} is {left.get(name, 'not set')} in the run, {right.get(name, 'not set')} here"
        for name in sorted(left.keys() | right.keys())
        if left.get(name) != right.get(name) and name.partition(".")[0] not in others - {name}
    }


def _flat(config: RunConfig) -> dict[str, Any]:
    """A configuration as `part.parameter`: value; the name of a part under its kind."""
    flat: dict[str, Any] = {}
    for name, value in config.as_mapping().items():
        if isinstance(value, Mapping):
            flat |= {name if inner == "name" else f"{name}.{inner}": content for inner, content in value.items()}
        else:
            flat[name] = value
    return flat


def _is_empty(path: Path) -> bool:
    try:
        return not any(path.iterdir())
    except OSError:
        return False


def _refuse(what: str, then: str, now: str) -> NoReturn:
    raise UnusableCheckpoint(
        f"The run cannot go on with {what}: {then} then, {now} now. Restore what it was started with, or start a new "
        "run."
    )


def _package(part: Mapping[str, Any]) -> str:
    return f"{part['package']}:{part['name']} {part['version']}".strip()


def _files(files: Mapping[str, str]) -> str:
    return ", ".join(f"{path} (sha256 {digest})" for path, digest in files.items()) or "none"
