"""`decda show`: describes one part, or the training settings."""

import json
from pathlib import Path

import click

from decda.commands.options import choose_parts, open_registry
from decda.core.errors import BrokenComponent
from decda.core.parts.entries import KINDS
from decda.core.process.stdout import stdout_to_stderr


@click.command()
@click.argument("kind", type=click.Choice([*KINDS, "train"]))
@click.argument("name", required=False)
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print as one JSON object.")
def show(kind: str, name: str | None, load: tuple[Path, ...], as_json: bool) -> None:
    """Show one part and its parameters.

    `decda show train` shows the settings of training.
    """
    from decda.core.config.listing import describe, describe_parameters

    if kind == "train":
        from decda.console import print_parameters
        from decda.core.config.train_config import TRAIN_PARAMETERS

        rows = describe_parameters(TRAIN_PARAMETERS)
        if as_json:
            click.echo(json.dumps({"schema_version": 1, "kind": "train", "parameters": rows}))
        else:
            print_parameters("train", rows)
        return
    if name is None:
        raise click.UsageError(f"Name the {kind} to show. `decda list-components {kind}` lists all of them.")
    with stdout_to_stderr():
        registry = open_registry(load)
        entry = registry.find(kind, name)
        registry.load(entry)
        row = describe(registry, entry, load=True)
    if row["status"] == "broken":
        raise BrokenComponent(row["error"])
    if as_json:
        click.echo(json.dumps({"schema_version": 1, **row}))
        return
    from decda.console import print_component

    print_component(row)
