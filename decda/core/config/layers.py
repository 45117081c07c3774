"""Settings from several places, laid one over the other."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from decda.core.config.provenance_hints import describe_origin
from decda.core.config.run_config import PART_KINDS
from decda.core.config.train_config import TRAIN_PARAMETERS
from decda.core.errors import BrokenComponent, ConfigError, InvalidParameter, UnknownComponent, did_you_mean
from decda.core.parts.chains import CHAINED
from decda.core.parts.entries import Entry
from decda.core.parts.parameters import complete_values, convert_value, find_parameter, read_parameters
from decda.core.parts.registry import Registry
from decda.core.parts.value_types import shown

ARGUMENTS = "the arguments"
"""The origin of what was said by name, as errors state it."""


def _options(
    *,
    n_clusters: Annotated[
        int | Literal["auto"] | None,
        "number of clusters; auto: counted on the pretrained embedding; none: as many as the data set has classes",
    ] = None,
    seed: Annotated[int, "seed of every random draw"] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], "where to train"] = "auto",
    autoencoder: Annotated[Path | None, "pretrained weights to start from: a run's folder or a file of weights"] = None,
) -> None:
    """What stands beside the parts; read as the parameters of a part are."""


OPTION_PARAMETERS = read_parameters(_options)
KEYS = ("recipe", *(p.name for p in OPTION_PARAMETERS), *PART_KINDS, "train")


@dataclass(frozen=True)
class Layer:
    """Settings from one place.

    Attributes:
        origin: where they come from, as errors state it: `"recipe 'quick'"`, `"my.toml"`.
        values: in the shape of the configuration file.
        package: for recipes, the package whose parts a bare name means first.
        provenance: of the run that the settings belong to, for errors.
    """

    origin: str
    values: Mapping[str, Any]
    package: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


class PartTable(dict[str, Any]):
    """The settings of one part, with the place each came from, for errors."""

    def __init__(self, values: Mapping[str, Any], origins: Mapping[str, str]):
        super().__init__(values)
        self.origins = origins


def merge_layers(registry: Registry, layers: Collection[Layer], unresolved: Collection[str] = ()) -> dict[str, Any]:
    """Lay settings one over the other; naming another part drops the parameters of the former one.

    Args:
        registry: where names are looked up.
        layers: from the lowest to the highest.
        unresolved: kinds of parts that are taken as they are written, and not looked up.

    Returns:
        A `PartTable` for each kind, a mapping `train`, and the options.

    Raises:
        DecdaError: a key, a name or a value is unknown or does not fit; the message says where it came from.
    """
    merged: dict[str, Any] = {}
    ordered = list(layers)
    for position, layer in enumerate(ordered):
        replaced = {
            kind for above in ordered[position + 1 :] for kind in PART_KINDS if _names_a_part(above.values, kind)
        }
        for name, value in _qualified(registry, layer, unresolved, replaced).items():
            below = merged.get(name)
            if name in PART_KINDS and below is not None and value.get("name", below["name"]) == below["name"]:
                merged[name] = PartTable({**below, **value}, {**below.origins, **value.origins})
            elif name in PART_KINDS and "name" not in value:
                origin = next(iter(value.origins.values()), "an empty table")
                raise ConfigError(f"{name} has parameters but no name (from {origin}). Name the part they are for.")
            elif name == "train" and below is not None:
                merged[name] = {**below, **value}
            else:
                merged[name] = value
    return merged


def _names_a_part(values: Mapping[str, Any], kind: str) -> bool:
    part = values.get(kind)
    return isinstance(part, str) or (isinstance(part, Mapping) and "name" in part)


def _qualified(
    registry: Registry, layer: Layer, unresolved: Collection[str], replaced: Collection[str]
) -> dict[str, Any]:
    """The layer with each part as a table, its name as `package:name`; a missing part that is replaced does no harm."""
    result: dict[str, Any] = {}
    for name, value in layer.values.items():
        if name not in KEYS:
            hint = did_you_mean(name, KEYS) if isinstance(name, str) else ""
            raise InvalidParameter(
                f"Unknown key {shown(name)} (from {layer.origin}).{hint} Known keys: {', '.join(KEYS)}."
            )
        if name in PART_KINDS:
            table = {"name": value} if isinstance(value, str) else value
            if not isinstance(table, Mapping) or not isinstance(table.get("name", ""), str):
                raise InvalidParameter(
                    f"{name} must be a name or a table with one, not {shown(value)} (from {layer.origin})."
                )
            table = _flat(table) if name == CHAINED else dict(table)
            if "name" in table and name not in unresolved:
                try:
                    table["name"] = _find(registry, name, table["name"], layer).qualified
                except UnknownComponent:
                    if name not in replaced:
                        raise
                    continue
            result[name] = PartTable(table, dict.fromkeys(table, layer.origin))
        elif name == "train":
            if not isinstance(value, Mapping):
                raise InvalidParameter(f"train must be a table, not {shown(value)} (from {layer.origin}).")
            complete_values("train", TRAIN_PARAMETERS, value, layer.origin)
            result[name] = dict(value)
        elif name != "recipe":
            option = find_parameter("The configuration", OPTION_PARAMETERS, name)
            result[name] = convert_value("The configuration", option, value, layer.origin)
    return result


def _flat(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of which the parameters of a link, `affine.degrees = 15` in TOML, may be a table of their own."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= {f"{name}.{inner}": v for inner, v in value.items()} if isinstance(value, Mapping) else {name: value}
    return flat


def _find(registry: Registry, kind: str, name: str, layer: Layer) -> Entry:
    try:
        return registry.find(kind, name, prefer=layer.package)
    except UnknownComponent as error:
        if layer.package is not None:  # not the user's mistake
            raise BrokenComponent(f"The {layer.origin} of {layer.package} cannot be used. {error}") from error
        if layer.origin == ARGUMENTS:
            raise
        installed = any(entry.qualified == name for entry in registry.switched_off)
        hint = "" if installed else describe_origin(kind, name, layer.provenance)
        raise UnknownComponent(f"{error} (from {layer.origin}){hint}", parameter="load" if hint else None) from error
