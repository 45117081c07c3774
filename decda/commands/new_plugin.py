"""`decda new-plugin`: writes a package with one working part, as a starting point."""

import importlib.util
import keyword
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from decda.commands.options import PATH
from decda.core.atomic_files import explain_output, write_text_atomically
from decda.core.errors import ConfigError
from decda.core.parts.entries import GROUPS, KINDS, normalise
from decda.core.parts.registry import Registry
from decda.core.runs.naming import check_place, printable

TEMPLATES = {"pyproject.toml": "pyproject", "README.md": "readme", "tests/test_contracts.py": "tests"}
"""The files that are written beside the module, and their templates."""
RESERVED_NAMES = (
    "torch",
    "nn",
    "Annotated",
    "Tensor",
    "Autoencoder",
    "ClusteringHead",
    "Decode",
    "Generator",
    "ImageSet",
    "BisectingKMeans",
    "threadpool_limits",
    "Path",
    "Event",
    "Refreshed",
    "RunEnded",
)
"""Names that the templates import, which a part must not shadow."""
MAX_NAME_LENGTH = 100
"""Of the name of a package; names of files, which are a little longer, may have 255 characters."""


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True, help="Kind of the part.")
@click.option(
    "--out",
    type=PATH,
    metavar="DIR",
    help="Folder of the package.  [default: NAME]",
)
def new_plugin(name: str, kind: str, out: Path | None) -> None:
    """Write a package that adds a part.

    The package can be installed, fulfils the contract and trains without changes.

    NAME is the name of the package and, without a leading `decda-`, of its part.
    """
    words = name_things(name, kind)
    out = out or Path(name)
    check_place(out)
    if out.exists() and any(out.iterdir()):
        raise ConfigError(
            f"{printable(out)} exists already and is not an empty folder. Name another folder; nothing was changed.",
            parameter="out",
        )
    module = {f"{words['module']}/__init__.py": "init", f"{words['module']}/{kind}.py": kind}
    texts = {path: _fill(template, words) for path, template in {**TEMPLATES, **module}.items()}
    _write(out, texts)
    argument = shlex.quote(f"./{out}" if str(out).startswith("-") else str(out))
    click.echo(
        f"Wrote a package with the {kind} '{words['name']}': {', '.join(texts)}. Next steps:\n"
        f"  python -m pip install -e {argument}\n"
        f"  decda check {words['package']}\n"
        f"  decda train {words['option']} {words['name']}",
        err=True,
    )
    click.echo(str(out))


def name_things(name: str, kind: str) -> dict[str, str]:
    """Derive all names in a new package from the name of the package.

    Args:
        name: the name of the package.
        kind: the kind of its part.

    Returns:
        The values of the placeholders in the templates.

    Raises:
        ConfigError: the name is invalid for a package or its part, or is already in use.

    Example:
        >>> names = name_things("decda-my-head", "head")
        >>> names["module"], names["name"], names["attribute"]
        ('decda_my_head', 'my-head', 'MyHead')
    """
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?", name):
        raise ConfigError(
            f"{name!r} cannot be the name of a package. It must consist of letters, digits, '-' and '_' and start with "
            f"a letter. Try my-{kind}."
        )
    if len(name) > MAX_NAME_LENGTH:
        raise ConfigError(
            f"A name of {len(name)} characters is too long for a package; {MAX_NAME_LENGTH} are allowed. Try my-{kind}."
        )
    package = normalise(name)
    module = package.replace("-", "_")
    part = package.removeprefix("decda-") or package
    if keyword.iskeyword(module) or module in sys.stdlib_module_names:
        raise ConfigError(f"{name!r} cannot be the name of a package: '{module}' has another meaning in Python.")
    if importlib.util.find_spec(module) is not None:
        raise ConfigError(f"A module '{module}' exists already; the new package would hide it. Choose another name.")
    owners = [entry.package for entry in Registry.discover() if (entry.kind, entry.name) == (kind, part)]
    if owners:
        raise ConfigError(
            f"{owners[0]} provides a {kind} '{part}' already, so the name would be ambiguous. Choose another name."
        )
    camel = "".join(word.capitalize() for word in part.split("-"))
    word = part.replace("-", "_")
    attribute = {"dataset": word, "start": word, "recipe": word.upper()}.get(kind, camel)
    if not attribute.isidentifier() or keyword.iskeyword(attribute) or attribute in RESERVED_NAMES:
        raise ConfigError(f"{name!r} cannot be the name of a {kind}: it cannot be called {attribute!r} in Python.")
    if package in KINDS:
        raise ConfigError(
            f"{name!r} is the name of a kind of part. Choose another name for the package, such as my-{kind}."
        )
    return {
        "package": package,
        "module": module,
        "name": part,
        "kind": kind,
        "option": "--listen" if kind == "listener" else f"--{kind}",
        "group": GROUPS[kind],
        "file": kind,
        "attribute": attribute,
    }


def _write(out: Path, texts: Mapping[str, str]) -> None:
    """Write the files of a package, or leave what was there."""
    missing = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        for path, text in texts.items():
            with explain_output(out / path):
                (out / path).parent.mkdir(parents=True, exist_ok=True)
            write_text_atomically(out / path, text)
    except BaseException:
        for made in missing[-1:] or list(out.iterdir()):
            if made.is_dir():
                shutil.rmtree(made, ignore_errors=True)
            else:
                made.unlink(missing_ok=True)
        raise


def _fill(template: str, words: Mapping[str, str]) -> str:
    return Template((files("decda") / "scaffold" / f"{template}.txt").read_text(encoding="utf-8")).substitute(words)
