"""What can be told of a registered part, as plain data for listings."""

from typing import Any

from decda.core.config.composition import load_recipe
from decda.core.errors import DecdaError
from decda.core.parts.entries import Entry
from decda.core.parts.parameters import Parameter, type_name
from decda.core.parts.registry import Registry


def describe(registry: Registry, entry: Entry, *, load: bool = False) -> dict[str, Any]:
    """One row of a listing.

    Args:
        registry: where the entry stands.
        entry: the part.
        load: import it, guarded, to show its parameters (of a recipe, its settings) and what fails then; otherwise
            no code of its package runs.

    Returns:
        `kind`, `name`, `summary`, `package`, `version`, `status` (`ok`, `broken` or `ambiguous`) and `error` (None
        where all is well); if loaded, `parameters` or, for a recipe, `settings`.
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
                row["settings"] = load_recipe(registry, entry)
            else:
                row["parameters"] = describe_parameters(registry.load(entry).parameters)
        except DecdaError as failure:
            row["status"], row["error"] = "broken", str(failure)
    return row


def describe_parameters(parameters: tuple[Parameter, ...]) -> list[dict[str, Any]]:
    """`name`, `type`, `default` and `help` of each parameter; `required` where there is no default."""
    rows = []
    for p in parameters:
        default = list(p.default) if isinstance(p.default, tuple) else p.default
        row: dict[str, Any] = {"name": p.name, "type": type_name(p.type), "help": p.help, "required": p.required}
        row["default"] = None if p.required or default is None else default if _is_json(default) else str(default)
        rows.append(row)
    return rows


def _is_json(value: Any) -> bool:
    return isinstance(value, bool | int | float | str | list)
