"""`decda list-components`: lists every registered part."""

import json
from pathlib import Path
from typing import Any

import click

from decda.commands.options import choose_parts, open_registry
from decda.core.parts.entries import KINDS
from decda.core.process.stdout import stdout_to_stderr


@click.command("list-components")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print as one JSON object.")
@click.option("--verbose", is_flag=True, help="Import each part, and show its parameters or errors.")
@choose_parts
def list_components(kind: str | None, as_json: bool, verbose: bool, load: tuple[Path, ...]) -> None:
    """List every registered part.

    Without --verbose no code of a part runs; the list is read from metadata and source text.
    """
    from decda.core.config.listing import describe

    with stdout_to_stderr():
        registry = open_registry(load)
        rows = [describe(registry, entry, load=verbose) for entry in registry if kind in (None, entry.kind)]
    problems = list_problems(registry)
    switched_off = sorted({entry.owner for entry in registry.switched_off})
    if as_json:
        found = {"components": rows, "problems": problems, "switched_off": switched_off}
        click.echo(json.dumps({"schema_version": 1, **found}))
        return
    from decda.console import print_components

    print_components(rows, problems, switched_off)


def list_problems(registry: Any) -> list[dict[str, str]]:
    """List the defects in the metadata of installed packages that cannot be attributed to a part.

    Args:
        registry: the registry of the installed parts.

    Returns:
        `package`, `version`, `file` and `reason` of each defect.
    """
    return [{"package": p.package, "version": p.version, "file": p.file, "reason": p.reason} for p in registry.problems]
