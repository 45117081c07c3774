"""Which package gave a run its parts, for when one of them is missing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from decda.core.atomic_files import read_object
from decda.core.errors import DataError


def provenance_beside(path: Path) -> dict[str, Any]:
    """The provenance of the run whose `config.toml` that is; empty where it is a file of its own."""
    try:
        return read_object(path.with_name("provenance.json"))
    except DataError:
        return {}


def tell_origin(kind: str, name: str, provenance: Mapping[str, Any]) -> str:
    """Who provided a part that is missing now, and how to have it back; "" where that is not known.

    Args:
        kind: of the part.
        name: as the configuration writes it, `package:name`.
        provenance: of the run.
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
    shown = ", ".join(files) if isinstance(files, Mapping) and files else "no file that is known"
    return f" That run had it added by hand, from {shown}: name the file again by --load."
