"""Reads the one-line summary of a part from its source text, without importing it or its parent packages."""

import ast
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import resolve_name

from decda.core.parts.entries import Entry

MAX_DEPTH = 5
"""Most re-exports (`from .heads import Mine`) that are followed."""

DYNAMIC = ("import *", "__getattr__", "__path__", "globals", "locals", "vars(", "setattr", "exec(", "sys.modules")
"""Words of a module that may come to hold names which its text does not show."""


@dataclass(frozen=True)
class Source:
    """What the source text of a part reveals.

    Attributes:
        summary: the first line of its docstring, "" if none was found.
        error: why the part cannot be imported, None if no reason was found.
    """

    summary: str = ""
    error: str | None = None


class _Missing(Exception):
    """Importing the part would fail; the message says why."""


def read_source(entry: Entry) -> Source:
    """Read the source text of a part, without running any code of its package.

    Args:
        entry: the part.

    Returns:
        Its summary, and an error if its module is missing or has a syntax error.

    Example:
        >>> read_source(Entry("head", "idec", "decda", "", "decda.plugins.heads.idec", "IDEC")).error is None
        True
    """
    if entry.problem:
        return Source(error=entry.problem)
    if not entry.attribute:
        return Source(error=f"{entry.module!r} is a module; name an object in it: '{entry.module}:object'")
    try:
        return Source(_docstring(entry.module, entry.attribute))
    except _Missing as missing:
        return Source(error=str(missing))
    except Exception:  # import hooks may raise anything, and source text may be nested too deeply to parse
        return Source()


def _docstring(module: str, attribute: str, depth: int = 0) -> str:
    """First line of the docstring of an object, following re-exports; "" if the text contains none."""
    spec = _find_spec(module)
    text, tree = _parse(spec)
    body: Sequence[ast.stmt] = tree.body
    *classes, name = attribute.split(".")
    if "." not in attribute and name not in text and not any(word in text for word in DYNAMIC):
        raise _Missing(f"module '{module}' has no '{name}'")
    for outer in classes:
        found = [node for node in body if isinstance(node, ast.ClassDef) and node.name == outer]
        body = found[-1].body if found else []
    summary = ""
    for node, following in zip(body, [*body[1:], None], strict=True):  # the last definition counts
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            summary = ast.get_docstring(node) or ""
        elif isinstance(node, ast.Assign | ast.AnnAssign) and name in _targets(node):
            summary = _string(following)
        elif isinstance(node, ast.ImportFrom) and depth < MAX_DEPTH:
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    summary = _docstring(_origin(spec, node), alias.name, depth + 1)
    return next(iter(summary.strip().splitlines()), "").strip()


def _find_spec(module: str) -> ModuleSpec:
    """The spec of a module; `importlib.util.find_spec` would import its parent packages."""
    spec: ModuleSpec | None = None
    path: Sequence[str] | None = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        inside = depth == 1 or path is not None  # only packages contain modules
        outer = spec
        spec = (
            next((spec for finder in sys.meta_path if (spec := finder.find_spec(name, path))), None) if inside else None
        )
        if spec is None:
            if module in sys.modules:  # created at run time, as in a notebook
                raise LookupError(module)
            if outer is not None and outer.loader is not None and "__path__" in _parse(outer)[0]:
                raise LookupError(module)  # the package looks for its modules elsewhere
            raise _Missing(f"there is no module '{name}'")
        path = spec.submodule_search_locations
    assert spec is not None
    return spec


def _parse(spec: ModuleSpec) -> tuple[str, ast.Module]:
    text: str = spec.loader.get_source(spec.name)  # type: ignore[union-attr]  # also from zip files
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as those about invalid escapes in a plugin's docstring
            return text, ast.parse(text)
    except SyntaxError as error:
        raise _Missing(f"syntax error in line {error.lineno} of {spec.origin}: {error.msg}") from error


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _string(node: ast.stmt | None) -> str:
    """The string literal below an assignment, which serves as its docstring."""
    value = node.value if isinstance(node, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def _origin(spec: ModuleSpec, node: ast.ImportFrom) -> str:
    """The absolute name of the module that `from x import y` imports from."""
    return resolve_name("." * node.level + (node.module or ""), spec.parent if node.level else None)
