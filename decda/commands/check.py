"""`decda check`: checks a part, or all parts of a package, against their contracts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from decda.commands.options import FOLDER, choose_parts, open_registry
from decda.core.parts.entries import KINDS
from decda.core.process.stdout import stdout_to_stderr


@click.command()
@click.argument("part", metavar="PACKAGE_OR_KIND:NAME")
@click.option("--set", "settings", multiple=True, metavar="PARAMETER=VALUE", help="Set a parameter of the named part.")
@click.option("--data-root", type=FOLDER, metavar="DIR", help="Folder of the data files.")
@click.option("--offline", is_flag=True, help="Never use the network.")
@choose_parts
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def check(
    part: str,
    settings: tuple[str, ...],
    data_root: Path | None,
    offline: bool,
    load: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Check parts against the contract.

    Prints a table of all rules; the exit code is 5 if one of them fails.

    Name an installed package (`my-package`) to check all its parts, or one part by kind and name (`head:mine`,
    `head:my-package:mine`). A rule is skipped if it cannot be checked, such as when a data file or the labels are
    missing.
    """
    from decda.console.checks import print_checks
    from decda.core.errors import BrokenComponent
    from decda.core.files import Files

    with stdout_to_stderr():
        registry = open_registry(load)
        entries, problems = _named(part, registry)
        if settings and len(entries) != 1:
            raise click.UsageError("--set applies to a single part. Name it by kind and name, as in head:mine.")
        files = Files(data_root, offline=offline or None)
        parts = [_checked(entry, registry, files, settings) for entry in entries]
    passed = not problems and all(rule["status"] != "failed" for each in parts for rule in each["rules"])
    if as_json:
        click.echo(json.dumps({"schema_version": 1, "passed": passed, "parts": parts, "problems": problems}))
    else:
        print_checks(parts, problems)
    return 0 if passed else BrokenComponent.exit_code


def _named(part: str, registry: Any) -> tuple[Sequence[Any], list[str]]:
    """The parts that are meant, and the defects in the metadata of their package."""
    from decda.core.errors import UnknownComponent
    from decda.core.parts.entries import normalise
    from decda.testing.suite import entries_of

    kind, colon, name = part.partition(":")
    if colon and name:
        if kind not in KINDS:
            raise click.UsageError(f"{kind!r} is not a kind of part. Kinds: {', '.join(KINDS)}.")
        return [registry.find(kind, name)], []
    if part in KINDS or colon:
        raise click.UsageError(f"Name the part as well, as in {kind or 'head'}:mine, or name a package.")
    problems = [problem.reason for problem in registry.problems if problem.package == normalise(part)]
    try:
        return entries_of(part, registry), problems
    except UnknownComponent:
        if problems:
            return [], problems
        raise


def _checked(entry: Any, registry: Any, files: Any, settings: Sequence[str]) -> dict[str, Any]:
    """The results of all rules for a part; if it cannot be loaded, that is the only rule."""
    from decda.core.errors import BrokenComponent, ContractViolation
    from decda.core.parts.parameters import find_parameter, parse_value
    from decda.testing.suite import subject_of, try_all

    shown = {"kind": entry.kind, "name": entry.name, "package": entry.package, "version": entry.version}
    try:
        owner, parameters = f"{entry.kind} '{entry.name}'", registry.load(entry).parameters
        values = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals:
                raise click.UsageError(f"--set {setting} does not have the form PARAMETER=VALUE.")
            name = name.removeprefix(f"{entry.kind}.")
            values[name] = parse_value(
                owner, find_parameter(owner, parameters, name, f"--set {setting}"), text, f"--set {setting}"
            )
        unset = [parameter.name for parameter in parameters if parameter.required and parameter.name not in values]
        if unset and entry.kind != "listener":  # whose rule `signature` says that they must have defaults
            seen = f"it needs a value for '{unset[0]}': name the part, and give --set {unset[0]}=..."
            return {**shown, "rules": [{"rule": "signature", "demand": "", "status": "skipped", "seen": seen}]}
        outcomes = list(try_all(subject_of(entry, registry, files, values)))
    except (BrokenComponent, ContractViolation) as error:
        return {
            **shown,
            "rules": [{"rule": "loads", "demand": "it can be loaded", "status": "failed", "seen": str(error)}],
        }
    return {
        **shown,
        "rules": [{"rule": o.rule.name, "demand": o.rule.demand, "status": o.status, "seen": o.seen} for o in outcomes],
    }
