"""Words -> RunConfig: a recipe, a configuration file, named parts and single settings, laid one over the other."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import tomli_w

from decda.core.config.image_facts import ImageFacts, Look
from decda.core.config.layers import ARGUMENTS, OPTION_PARAMETERS, Layer, merge_layers
from decda.core.config.provenance_hints import provenance_beside
from decda.core.config.run_config import DEFAULT_START, PART_KINDS, PartConfig, RunConfig, read_toml
from decda.core.config.train_config import TRAIN_PARAMETERS, TrainConfig
from decda.core.errors import BrokenComponent, ConfigError, InvalidParameter, did_you_mean, in_a_line
from decda.core.parts.entries import Entry
from decda.core.parts.parameters import Parameter, complete_values, find_parameter, parse_value, supplied_names
from decda.core.parts.registry import Registry
from decda.core.parts.value_types import MAX_SHOWN, shown

DEFAULT_RECIPE = "quick"


def compose(
    registry: Registry,
    *,
    recipe: str | None = None,
    config: Path | Mapping[str, Any] | None = None,
    parts: Mapping[str, Any] | None = None,
    settings: Iterable[str] = (),
    settings_origin: str = "setting",
    provenance: Mapping[str, Any] | None = None,
    unresolved: Collection[str] = (),
    look: Look | None = None,
    **options: Any,
) -> RunConfig:
    """Put a run together; later layers win: recipe < config < parts and options < settings.

    Args:
        registry: where names are looked up.
        recipe: the recipe to start from; with neither recipe nor config, the one that the data set asks for by an
            attribute `recipe`, else `quick`.
        config: a configuration file, or a mapping of its shape; it may name the recipe it stands on.
        parts: kind -> name, or a table with `name` and parameters; a table without a name sets parameters of the part
            below. Naming another part drops the parameters of the former one. `train` -> a table of its settings.
        settings: `"part.parameter=value"`, read by the declared type of the parameter.
        settings_origin: what errors call a setting.
        provenance: of the run that a mapping is the configuration of, so that an error can say where a missing part
            came from; for a file it is read from beside it.
        unresolved: kinds of parts that are taken as they are written, not looked up and not checked.
        look: opens a data set, for recipes that choose by its images.
        options: `n_clusters`, `seed`, `device`, `autoencoder`; None leaves what stands below.

    Returns:
        The configuration with every default filled in.

    Raises:
        DecdaError: a name, a parameter or a value is unknown or does not fit; the message says where it came from.

    Example:
        >>> config = compose(Registry.discover(), recipe="convidec-da", seed=1, settings=["head.gamma=0.2"])
        >>> config.encoder.name, dict(config.head.parameters)
        ('decda:conv', {'gamma': 0.2})
    """
    layers: list[Layer] = []
    settings = list(settings)
    if isinstance(config, Path):
        layers.append(Layer(_in_a_line(str(config)), read_toml(config), provenance=provenance_beside(config)))
    elif config is not None:
        layers.append(Layer("config", config, provenance=provenance or {}))
    chosen = {**(parts or {}), **options}
    base = _base_recipe(registry, recipe, layers, chosen.get("dataset"))
    layers.append(Layer(ARGUMENTS, {name: value for name, value in chosen.items() if value is not None}))
    if base is not None:
        own, words = list(layers), [setting for setting in settings if setting.strip().startswith("dataset.")]

        def look_at_images() -> ImageFacts:
            if look is None:
                raise ConfigError(f"The recipe '{base.name}' chooses by the images, which are not looked at here.")
            return look(_dataset(registry, own, words, settings_origin, base.name))

        layers.insert(0, Layer(f"recipe '{base.name}'", load_recipe(registry, base, look_at_images), base.package))

    layers.insert(0, Layer("the default", {"start": DEFAULT_START}))
    merged = merge_layers(registry, layers, unresolved)
    missing = [kind for kind in PART_KINDS if kind not in merged]
    if missing:
        raise ConfigError(
            f"The configuration names no {' and no '.join(missing)}. Name one, or the recipe to stand on: "
            f'recipe = "{DEFAULT_RECIPE}".'
        )
    for setting in settings:
        _set(registry, merged, setting, f"{settings_origin} {_in_a_line(setting)}")
    return _complete(registry, merged, base, unresolved)


def load_recipe(registry: Registry, entry: Entry, look: Callable[[], ImageFacts]) -> Mapping[str, Any]:
    """The mapping that a recipe is, or that its function returns.

    Args:
        registry: where the recipe is.
        entry: the recipe.
        look: tells what the images are, if the function asks for it.

    Returns:
        Settings in the shape of the configuration file.

    Raises:
        BrokenComponent: it is neither, or holds what a configuration file cannot.
    """
    made = registry.load(entry).factory
    if callable(made):
        known = {field.name for field in fields(ImageFacts)}
        wanted = supplied_names(made)
        strange = [name for name in wanted if name not in known]
        if strange:
            raise BrokenComponent(
                f"{_owner(entry)} asks for '{strange[0]}'; a recipe may ask for {', '.join(sorted(known))}."
            )
        facts = look() if wanted else None
        try:
            made = made(**{name: getattr(facts, name) for name in wanted})
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin's code may raise anything
            raise BrokenComponent(f"{_owner(entry)} failed: {in_a_line(error)}.") from error
    if not isinstance(made, Mapping):
        raise BrokenComponent(f"{_owner(entry)} must be a mapping or a function that returns one, not {shown(made)}.")
    if "recipe" in made:
        raise BrokenComponent(f"{_owner(entry)} names another recipe; a recipe must be complete by itself.")
    try:
        tomli_w.dumps(made)
    except Exception as error:
        raise BrokenComponent(f"{_owner(entry)} holds what a configuration file cannot: {error}") from error
    return made


def _base_recipe(registry: Registry, recipe: str | None, layers: list[Layer], dataset: Any) -> Entry | None:
    named = layers[0].values.get("recipe") if layers else None
    if named is not None and not isinstance(named, str):
        raise InvalidParameter(f"recipe must be a name, not {shown(named)} (from {layers[0].origin}).")
    if recipe is None:
        recipe = named if layers else _recipe_of(registry, dataset)
    if recipe is None:
        return None
    if not isinstance(recipe, str):
        raise InvalidParameter(f"recipe must be a name, not {shown(recipe)}.")
    entry = registry.find("recipe", recipe)
    if named is not None and registry.find("recipe", named) != entry:
        raise ConfigError(
            f"The recipe {recipe} contradicts {layers[0].origin}, based on the recipe '{named}'. Leave one out."
        )
    return entry


def _recipe_of(registry: Registry, dataset: Any) -> str:
    """The recipe where none is named: the one that the data set asks for by its attribute `recipe`, or `quick`."""
    name = dataset.get("name") if isinstance(dataset, Mapping) else dataset
    if not isinstance(name, str):
        return DEFAULT_RECIPE
    factory = registry.load(registry.find("dataset", name)).factory
    return str(getattr(factory, "recipe", DEFAULT_RECIPE))


def _dataset(
    registry: Registry, layers: list[Layer], settings: list[str], settings_origin: str, recipe: str
) -> PartConfig:
    """The data set that is named beside a recipe, with its parameters."""
    named = [replace(layer, values={k: v for k, v in layer.values.items() if k == "dataset"}) for layer in layers]
    merged = merge_layers(registry, named)
    if "dataset" not in merged:
        raise ConfigError(
            f"The recipe '{recipe}' chooses by the images. Name them: images (a folder or a file), or a dataset."
        )
    for setting in settings:
        _set(registry, merged, setting, f"{settings_origin} {_in_a_line(setting)}")
    table = dict(merged["dataset"])
    name = table.pop("name")
    owner, parameters = _parameters(registry, "dataset", name)
    return PartConfig(name, complete_values(owner, parameters, table, merged["dataset"].origins))


def _set(registry: Registry, merged: dict[str, Any], setting: str, origin: str) -> None:
    path, equals, text = setting.partition("=")
    kind, dot, name = path.strip().partition(".")
    prefixes = (*PART_KINDS, "train")
    if not (equals and dot and name) or kind not in prefixes:
        hint = did_you_mean(kind, prefixes) if kind not in prefixes else ""
        option = path.strip() if path.strip() in [p.name for p in OPTION_PARAMETERS] else None
        if option:
            hint = f" {option} belongs to no part and is given by name."
        raise InvalidParameter(
            f"{origin} is not of the form part.parameter=value, where part is one of: {', '.join(prefixes)}.{hint}",
            parameter=option,
        )
    if kind == "train":
        parameter = find_parameter("train", TRAIN_PARAMETERS, name, origin)
        merged["train"] = {**merged.get("train", {}), name: parse_value("train", parameter, text, origin)}
        return
    owner, parameters = _parameters(registry, kind, merged[kind]["name"])
    merged[kind][name] = parse_value(owner, find_parameter(owner, parameters, name, origin), text, origin)


def _complete(
    registry: Registry, merged: Mapping[str, Any], base: Entry | None, unresolved: Collection[str]
) -> RunConfig:
    parts: dict[str, Any] = {}
    for kind in PART_KINDS:
        table = dict(merged[kind])
        name = table.pop("name")
        if kind not in unresolved:
            owner, parameters = _parameters(registry, kind, name)
            table = complete_values(owner, parameters, table, merged[kind].origins)
        else:
            table = {n: tuple(value) if isinstance(value, list) else value for n, value in table.items()}
        parts[kind] = PartConfig(name, table)
    try:
        train = TrainConfig(**complete_values("train", TRAIN_PARAMETERS, merged.get("train", {})))
    except ValueError as error:
        raise InvalidParameter(f"train: {error}.") from error
    options: dict[str, Any] = {p.name: merged[p.name] for p in OPTION_PARAMETERS if p.name in merged}
    return RunConfig(**parts, train=train, **options, recipe=base.name if base else None)


def _parameters(registry: Registry, kind: str, name: str) -> tuple[str, tuple[Parameter, ...]]:
    component = registry.load(registry.find(kind, name))
    return f"{kind} '{component.entry.name}'", component.parameters


def _owner(entry: Entry) -> str:
    return f"The {entry.kind} '{entry.name}' of {entry.owner}"


def _in_a_line(text: str) -> str:
    """What was typed, as errors quote it."""
    return text if text.isprintable() and len(text) <= MAX_SHOWN else shown(text)[1:-1]
