"""Words -> RunConfig: a recipe, a configuration file, named parts and single settings, laid one over the other."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w

from decda.core.config.origins import provenance_beside, tell_origin
from decda.core.config.run_config import PART_KINDS, TRAIN_PARAMETERS, PartConfig, RunConfig, TrainConfig, read_toml
from decda.core.errors import BrokenComponent, ConfigError, InvalidParameter, UnknownComponent, did_you_mean, in_a_line
from decda.core.parts.discovery import Entry
from decda.core.parts.parameters import Parameter, check, complete, find, parse, read_parameters
from decda.core.parts.registry import Registry

DEFAULT_RECIPE = "quick"
OPTIONS = "the options"


def _options(
    *,
    n_clusters: Annotated[int | None, "number of clusters; none: as many as the data set has classes"] = None,
    seed: Annotated[int, "seed of every random draw"] = 0,
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], "where to train"] = "auto",
    autoencoder: Annotated[Path | None, "pretrained weights to start from: a run's folder or a file of weights"] = None,
) -> None:
    """What stands beside the parts; read as a part's parameters are."""


OPTION_PARAMETERS = read_parameters(_options)
KEYS = ("recipe", *(p.name for p in OPTION_PARAMETERS), *PART_KINDS, "train")


@dataclass(frozen=True)
class Layer:
    """Settings from one place.

    Attributes:
        origin: where they come from, as errors say it: `"recipe 'quick'"`, `"my.toml"`.
        values: in the shape of the configuration file.
        package: the package whose parts a bare name means first, for recipes.
        provenance: of the run that the settings are of, for errors.
    """

    origin: str
    values: Mapping[str, Any]
    package: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


def compose(
    registry: Registry,
    *,
    recipe: str | None = None,
    config: Path | Mapping[str, Any] | None = None,
    parts: Mapping[str, str | None] | None = None,
    settings: Iterable[str] = (),
    provenance: Mapping[str, Any] | None = None,
    **options: Any,
) -> RunConfig:
    """Put a run together; later layers win: recipe < config < parts and options < settings.

    Args:
        registry: where names are looked up.
        recipe: the recipe to start from; with neither recipe nor config, `quick`.
        config: a configuration file or a mapping of its shape; it may name the recipe it stands on.
        parts: kind -> name, as `--encoder conv`; naming another part drops the parameters of the former one.
        settings: `"part.parameter=value"`, as `--set`.
        provenance: of the run that a mapping is the configuration of, so that an error can tell where a missing part
            came from; of a file it is read.
        options: `n_clusters`, `seed`, `device`, `autoencoder`; None leaves what stands below.

    Returns:
        The configuration with every default filled in.

    Raises:
        DecdaError: a name, a parameter or a value is not known or does not fit; the message says where it came from.
    """
    layers = []
    if isinstance(config, Path):
        layers.append(Layer(str(config), read_toml(config), provenance=provenance_beside(config)))
    elif config is not None:
        layers.append(Layer("config", config, provenance=provenance or {}))
    base = _base_recipe(registry, recipe, layers)
    if base is not None:
        layers.insert(0, Layer(f"recipe '{base.name}'", load_recipe(registry, base), base.package))
    chosen = {**(parts or {}), **options}
    layers.append(Layer(OPTIONS, {name: value for name, value in chosen.items() if value is not None}))

    merged: dict[str, Any] = {}
    for layer in layers:
        _lay(merged, _qualified(registry, layer))
    missing = [kind for kind in PART_KINDS if kind not in merged]
    if missing:
        raise ConfigError(
            f"The configuration names no {' and no '.join(missing)}. Name one, or the recipe to stand on: "
            f'recipe = "{DEFAULT_RECIPE}".'
        )
    for setting in settings:
        _set(registry, merged, setting)
    return _complete(registry, merged, base)


def load_recipe(registry: Registry, entry: Entry) -> Mapping[str, Any]:
    """The mapping that a recipe is, or that its function returns.

    Raises:
        BrokenComponent: it is neither, or holds what a configuration file cannot.
    """
    made = registry.load(entry).factory
    if callable(made):
        try:
            made = made()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's code may raise any
            raise BrokenComponent(f"{_owner(entry)} failed: {in_a_line(error)}.") from error
    if not isinstance(made, Mapping):
        raise BrokenComponent(f"{_owner(entry)} must be a mapping or a function that returns one, not {made!r}.")
    if "recipe" in made:
        raise BrokenComponent(f"{_owner(entry)} names a recipe; a recipe stands on its own.")
    try:
        tomli_w.dumps(made)
    except Exception as error:
        raise BrokenComponent(f"{_owner(entry)} holds what a configuration file cannot: {error}") from error
    return made


def _base_recipe(registry: Registry, recipe: str | None, layers: list[Layer]) -> Entry | None:
    named = layers[0].values.get("recipe") if layers else None
    if named is not None and not isinstance(named, str):
        raise InvalidParameter(f"recipe must be a name, not {named!r} (from {layers[0].origin}).")
    if recipe is None:
        recipe = named if layers else DEFAULT_RECIPE
    if recipe is None:
        return None
    entry = registry.find("recipe", recipe)
    if named is not None and registry.find("recipe", named) != entry:
        raise ConfigError(
            f"--recipe {recipe} does not go with {layers[0].origin}, which stands on the recipe '{named}'. "
            "Leave one of them out."
        )
    return entry


def _qualified(registry: Registry, layer: Layer) -> dict[str, Any]:
    """The layer with each part as a table, its name as `package:name`."""
    result: dict[str, Any] = {}
    for name, value in layer.values.items():
        if name not in KEYS:
            raise InvalidParameter(
                f"Unknown key {str(name)!r} (from {layer.origin}).{did_you_mean(str(name), KEYS)} "
                f"Known: {', '.join(KEYS)}."
            )
        if name in PART_KINDS:
            table = {"name": value} if isinstance(value, str) else value
            if not isinstance(table, Mapping) or not isinstance(table.get("name", ""), str):
                raise InvalidParameter(
                    f"{name} must be a name or a table with one, not {value!r} (from {layer.origin})."
                )
            table = dict(table)
            if "name" in table:
                table["name"] = _find(registry, name, table["name"], layer).qualified
            result[name] = _Table(table, dict.fromkeys(table, layer.origin))
        elif name == "train":
            if not isinstance(value, Mapping):
                raise InvalidParameter(f"train must be a table, not {value!r} (from {layer.origin}).")
            complete("train", TRAIN_PARAMETERS, value, layer.origin)
            result[name] = dict(value)
        elif name != "recipe":
            option = find("The configuration", OPTION_PARAMETERS, name)
            result[name] = check("The configuration", option, value, layer.origin)
    return result


def _find(registry: Registry, kind: str, name: str, layer: Layer) -> Entry:
    try:
        return registry.find(kind, name, prefer=layer.package)
    except UnknownComponent as error:
        if layer.package is not None:  # no mistake of the user's
            raise BrokenComponent(f"The {layer.origin} of {layer.package} cannot be used. {error}") from error
        if layer.origin == OPTIONS:
            raise
        here = any(entry.qualified == name for entry in registry.switched_off)
        origin = "" if here else tell_origin(kind, name, layer.provenance)
        raise UnknownComponent(f"{error} (from {layer.origin}){origin}") from error


class _Table(dict[str, Any]):
    """A part's table that remembers where each value came from, for errors."""

    def __init__(self, values: Mapping[str, Any], origins: Mapping[str, str]):
        super().__init__(values)
        self.origins = origins


def _lay(merged: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for name, value in layer.items():
        below = merged.get(name)
        if name in PART_KINDS and below is not None and value.get("name", below["name"]) == below["name"]:
            merged[name] = _Table({**below, **value}, {**below.origins, **value.origins})
        elif name in PART_KINDS and "name" not in value:
            origin = next(iter(value.origins.values()), "an empty table")
            raise ConfigError(f"{name} has parameters but no name (from {origin}). Name the part they are for.")
        elif name == "train" and below is not None:
            merged[name] = {**below, **value}
        else:
            merged[name] = value


def _set(registry: Registry, merged: dict[str, Any], setting: str) -> None:
    path, equals, text = setting.partition("=")
    kind, dot, name = path.strip().partition(".")
    prefixes = (*PART_KINDS, "train")
    if not (equals and dot and name) or kind not in prefixes:
        hint = did_you_mean(kind, prefixes) if kind not in prefixes else ""
        if path.strip() in [p.name for p in OPTION_PARAMETERS]:
            hint = f" It is an option of its own: --{path.strip().replace('_', '-')}."
        raise InvalidParameter(
            f"--set {setting} is not of the form part.parameter=value, where part is one of: "
            f"{', '.join(prefixes)}.{hint}"
        )
    origin = f"--set {setting}"
    if kind == "train":
        merged["train"] = {
            **merged.get("train", {}),
            name: parse("train", find("train", TRAIN_PARAMETERS, name, origin), text, origin),
        }
        return
    owner, parameters = _parameters(registry, kind, merged[kind]["name"])
    merged[kind][name] = parse(owner, find(owner, parameters, name, origin), text, origin)


def _complete(registry: Registry, merged: Mapping[str, Any], base: Entry | None) -> RunConfig:
    parts: dict[str, Any] = {}
    for kind in PART_KINDS:
        table = dict(merged[kind])
        name = table.pop("name")
        owner, parameters = _parameters(registry, kind, name)
        parts[kind] = PartConfig(name, complete(owner, parameters, table, merged[kind].origins))
    try:
        train = TrainConfig(**complete("train", TRAIN_PARAMETERS, merged.get("train", {})))
    except ValueError as error:
        raise InvalidParameter(f"train: {error}.") from error
    options: dict[str, Any] = {p.name: merged[p.name] for p in OPTION_PARAMETERS if p.name in merged}
    return RunConfig(**parts, train=train, **options, recipe=base.name if base else None)


def _parameters(registry: Registry, kind: str, name: str) -> tuple[str, tuple[Parameter, ...]]:
    component = registry.load(registry.find(kind, name))
    return f"{kind} '{component.entry.name}'", component.parameters


def _owner(entry: Entry) -> str:
    return f"The {entry.kind} '{entry.name}' of {entry.owner}"
