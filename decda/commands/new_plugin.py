"""`decda new-plugin`: a package with one working part, to start from."""

import importlib.util
import keyword
import os
import re
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from decda.core.errors import ConfigError
from decda.core.parts.entries import GROUPS, KINDS, normalise
from decda.core.parts.registry import Registry

FILES = {"pyproject.toml": "pyproject", "README.md": "readme", "tests/test_contracts.py": "tests"}
"""What is written beside the module, and from which template."""
TAKEN = ("torch", "nn", "Annotated", "Tensor", "Autoencoder", "ClusteringHead", "Decode", "Generator", "ImageSet")
"""What the templates import, as far as a part could be called so."""


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="Of the part.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the package.  [default: NAME]")
def new_plugin(name: str, kind: str, out: Path | None) -> None:
    """Write a package that adds a part.

    The package installs, fulfils the contract and trains as it is.

    NAME is that of the package and, without a leading `decda-`, of its part.
    """
    words = name_things(name, kind)
    out = out or Path(name)
    if os.path.lexists(out) and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(
            f"{out} exists already and is not an empty folder. Name another by --out; nothing was changed."
        )
    module = {f"{words['module']}/__init__.py": "init", f"{words['module']}/{kind}.py": kind}
    texts = {path: _fill(template, words) for path, template in {**FILES, **module}.items()}
    for path, text in texts.items():
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_text(text, encoding="utf-8", newline="\n")
    click.echo(
        f"A package with the {kind} '{words['name']}': {', '.join(texts)}. Next:\n"
        f"  python -m pip install -e {out}\n"
        f"  decda check {words['package']}\n"
        f"  decda train {words['option']} {words['name']}",
        err=True,
    )
    click.echo(str(out))


def name_things(name: str, kind: str) -> dict[str, str]:
    """The words that a package of that name is written with.

    Raises:
        ConfigError: the name cannot be that of a package, or is taken.
    """
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?", name):
        raise ConfigError(
            f"{name!r} cannot be the name of a package, which holds letters, digits, '-' and '_', the first a letter. "
            f"Try my-{kind}."
        )
    package = normalise(name)
    module = package.replace("-", "_")
    part = package.removeprefix("decda-") or package
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        raise ConfigError(f"{name!r} cannot be the name of a package: '{module}' means something else to Python.")
    if importlib.util.find_spec(module) is not None:
        raise ConfigError(f"There is a module '{module}' already, which the new package would hide. Name it otherwise.")
    owners = [entry.package for entry in Registry.discover() if (entry.kind, entry.name) == (kind, part)]
    if owners:
        raise ConfigError(
            f"{owners[0]} has the {kind} '{part}' already, and one name for two is refused. Name it otherwise."
        )
    camel = "".join(word.capitalize() for word in part.split("-"))
    attribute = {"dataset": part.replace("-", "_"), "recipe": part.replace("-", "_").upper()}.get(kind, camel)
    if not attribute.isidentifier() or keyword.iskeyword(attribute) or attribute in TAKEN:
        raise ConfigError(f"{name!r} cannot be the name of a {kind}: {attribute!r} cannot stand for it in Python.")
    if package in KINDS:
        raise ConfigError(f"{name!r} is the word for a kind of part. Name the package otherwise, as my-{kind}.")
    return {
        "package": package,
        "module": module,
        "name": part,
        "kind": kind,
        "option": f"--{kind}",
        "group": GROUPS[kind],
        "file": kind,
        "attribute": attribute,
    }


def _fill(template: str, words: Mapping[str, str]) -> str:
    return Template((files("decda") / "scaffold" / f"{template}.txt").read_text(encoding="utf-8")).substitute(words)
