"""Describes registered parts as plain data for listings."""

from typing import Any

from decda.core.config.composition import load_recipe
from decda.core.config.image_facts import ImageFacts
from decda.core.errors import DecdaError
from decda.core.parts.entries import Entry
from decda.core.parts.parameters import Parameter, supplied_names
from decda.core.parts.registry import Registry
from decda.core.parts.value_types import type_name

EXAMPLE = ImageFacts(10_000, (1, 28, 28))
"""The images for which a recipe is shown that chooses by them."""


def describe(registry: Registry, entry: Entry, *, load: bool = False) -> dict[str, Any]:
    """Describe one part.

    Args:
        registry: the registry that holds the part.
        entry: the part.
        load: import the part to show its parameters (for a recipe, its settings; if it chooses by the images, those for
            10,000 gray images of 28x28); errors are reported in the result.
            Otherwise no code of its package runs.

    Returns:
        `kind`, `name`, `summary`, `package`, `version`, `status` (`ok`, `broken` or `ambiguous`) and `error` (None if
        there is none); if it was loaded, also `parameters` or, for a recipe, `settings`, and `settings_of` where they
        are those of an example.

    Example:
        >>> registry = Registry()
        >>> entry = registry.add("recipe", "mine", {"head": "idec"})
        >>> describe(registry, entry)["status"]
        'ok'
    """
    status, error = registry.status(entry)
    row: dict[str, Any] = {
        "kind": entry.kind,
        "name": entry.name,
        "summary": registry.summary(entry),
        "package": entry.package,
        "version": entry.version,
        "status": status,
        "error": error,
    }
    if load:
        try:
            if entry.kind == "recipe":
                row["settings"] = load_recipe(registry, entry, lambda: EXAMPLE)
                made = registry.load(entry).factory
                if callable(made) and supplied_names(made):
                    row["settings_of"] = "10,000 gray images of 28x28"
            else:
                row["parameters"] = describe_parameters(registry.load(entry).parameters)
        except DecdaError as failure:
            row["status"], row["error"] = "broken", str(failure)
    return row


def describe_parameters(parameters: tuple[Parameter, ...]) -> list[dict[str, Any]]:
    """Describe parameters.

    Args:
        parameters: the parameters of a part.

    Returns:
        `name`, `type`, `help`, `required` and `default` of each; the default is None if the parameter is required.

    Example:
        >>> describe_parameters((Parameter("gamma", float, 0.1, "weight"),))
        [{'name': 'gamma', 'type': 'float', 'help': 'weight', 'required': False, 'default': 0.1}]
    """
    rows = []
    for p in parameters:
        default = list(p.default) if isinstance(p.default, tuple) else p.default
        row: dict[str, Any] = {"name": p.name, "type": type_name(p.type), "help": p.help, "required": p.required}
        row["default"] = None if p.required or default is None else default if _is_json(default) else str(default)
        rows.append(row)
    return rows


def _is_json(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | list)
