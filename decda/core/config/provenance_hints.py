"""Which package gave a run its parts, for when one of them is missing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decda.core.atomic_files import read_json
from decda.core.errors import DataError


def provenance_beside(path: Path) -> dict[str, Any]:
    """The provenance of the run that a `config.toml` belongs to.

    Args:
        path: of the configuration file.

    Returns:
        The mapping in the `provenance.json` beside it; empty where there is none.
    """
    try:
        return read_json(path.with_name("provenance.json"))
    except DataError:
        return {}


def describe_origin(kind: str, name: str, provenance: Mapping[str, Any]) -> str:
    """Who provided a part that is missing now, and how to get it back.

    Args:
        kind: of the part.
        name: as the configuration writes it, `package:name`.
        provenance: of the run.

    Returns:
        A sentence with a leading blank, or "" where nothing is known.
    """
    try:
        part = provenance["parts"][kind]
        name_then, package, version = (str(part[key]) for key in ("name", "package", "version"))
    except (KeyError, TypeError):
        return ""
    if name not in (name_then, f"{package}:{name_then}"):
        return ""
    if version:
        return f" That run had it from {package} {version}: python -m pip install {package}=={version}"
    files = provenance.get("loaded")
    if isinstance(files, Mapping) and files:
        return f" That run had it from the file {', '.join(files)}: load that file again."
    return " That run had it from Python code, not from a file or a package: add it to the registry again."
