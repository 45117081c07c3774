"""What can be told of a part without running any code: the first line of its docstring, and whether it exists.

The module is found as Python would find it, but without importing the packages around it; its text is read, and the
object is looked up in the syntax tree. Where code could do what the tree does not show (a module's `__getattr__`, star
imports, inherited attributes), the answer is "nothing known" and never a false alarm.
"""

import ast
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec
from typing import Any

from decda.core.parts.discovery import Entry


@dataclass(frozen=True)
class Source:
    """What the text of a part says.

    Attributes:
        summary: the first line of its docstring, "" where there is none or it cannot be read.
        error: why the part cannot work, None if nothing speaks against it.
    """

    summary: str = ""
    error: str | None = None


class _Missing(Exception):
    """Certain: importing the part would fail, for the reason given."""


class _Unknown(Exception):
    """The text does not show it."""


def look(entry: Entry) -> Source:
    """Read about a part, without importing it or the packages it lies in."""
    if entry.problem:
        return Source(error=entry.problem)
    try:
        if not entry.attribute:
            raise _Missing(f"{entry.module!r} names a module; an object in it is needed: '{entry.module}:object'")
        return Source(_summary(entry.module, tuple(entry.attribute.split(".")), frozenset()))
    except _Missing as missing:
        return Source(error=str(missing))
    except Exception:  # also what finders of other packages may raise, and trees too deep to walk
        return Source()


def _summary(module: str, path: tuple[str, ...], seen: frozenset[tuple[str, tuple[str, ...]]]) -> str:
    """The summary of the object that a path of attributes leads to from a module."""
    if (module, path) in seen:
        raise _Unknown("a circle of imports")
    spec = _find(module)
    tree = _tree(spec)
    if not path:
        return _first_line(ast.get_docstring(tree))
    found = _definition(tree.body, path[0])
    if found is None:
        if _may_define_more(tree) or _is_submodule(spec, path[0]):
            raise _Unknown("made by code")
        raise _Missing(f"module '{module}' has no '{path[0]}'")
    node, after = found
    try:
        return _describe(spec, node, after, path, seen | {(module, path)})
    except _Missing:
        if node in tree.body:
            raise
        raise _Unknown("one of several ways, as in `try: ... except ImportError:`") from None


def _describe(
    spec: ModuleSpec, node: ast.stmt, after: ast.stmt | None, path: tuple[str, ...], seen: frozenset[Any]
) -> str:
    """The summary of what a statement defines, or of what it leads on to."""
    name, *rest = path
    if isinstance(node, ast.ImportFrom):
        return _imported(spec, node, path, seen)
    if isinstance(node, ast.Import):
        alias = next(alias for alias in node.names if name == (alias.asname or alias.name.partition(".")[0]))
        return _summary(alias.name if alias.asname else name, tuple(rest), seen)
    if isinstance(node, ast.ClassDef) and rest:
        member = _definition(node.body, rest[0])
        if member is not None:
            return _describe(spec, *member, tuple(rest), seen)
        if node.bases or node.keywords or node.decorator_list:
            raise _Unknown("inherited, or made by a decorator")
        raise _Missing(f"class '{name}' in module '{spec.name}' has no '{rest[0]}'")
    if rest:
        raise _Unknown("attributes of a value")
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return _first_line(ast.get_docstring(node))
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        return _first_line(after.value.value)  # the string below an assignment, its docstring by custom
    value = getattr(node, "value", None)
    return _summary(spec.name, (value.id,), seen) if isinstance(value, ast.Name) else ""


def _imported(spec: ModuleSpec, node: ast.ImportFrom, path: tuple[str, ...], seen: frozenset[Any]) -> str:
    """Follow `from x import y`, where y is an object of x or a module in it."""
    origin = next(alias.name for alias in node.names if path[0] == (alias.asname or alias.name))
    package = spec.name if spec.submodule_search_locations is not None else spec.name.rpartition(".")[0]
    for _ in range(node.level - 1):
        package = package.rpartition(".")[0]
    module = ".".join(filter(None, [package if node.level else "", node.module]))
    try:
        return _summary(module, (origin, *path[1:]), seen)
    except _Unknown:
        if _is_submodule(_find(module), origin):
            return _summary(f"{module}.{origin}", path[1:], seen)
        raise


def _find(module: str) -> ModuleSpec:
    """Where a module lies, package by package; `importlib.util.find_spec` would import the packages on the way."""
    spec: ModuleSpec | None = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        outer, spec = spec, _find_in(name, spec)
        if spec is None:
            if name in sys.modules or (outer is not None and _may_define_more(_tree(outer))):
                raise _Unknown("made by code")
            raise _Missing(f"there is no module '{name}'")
        if depth < len(parts) and spec.loader is not None:
            try:
                _tree(spec)  # it is imported on the way to the part: a syntax error there is the part's, too
            except _Unknown:
                continue
    assert spec is not None
    return spec


def _find_in(name: str, outer: ModuleSpec | None) -> ModuleSpec | None:
    """Ask the finders for a module, given the package it lies in."""
    path: Sequence[str] | None = None
    if outer is not None:
        if outer.submodule_search_locations is None:
            return None
        path = list(outer.submodule_search_locations)
    for finder in sys.meta_path:
        try:
            found = finder.find_spec(name, path)
        except KeyError:  # a folder without __init__.py: Python looks its package up among the imported ones
            folders = [os.path.join(folder, name.rpartition(".")[2]) for folder in path or ()]
            found = ModuleSpec(name, None, is_package=True)
            found.submodule_search_locations = [folder for folder in folders if os.path.isdir(folder)]
            if not found.submodule_search_locations:
                continue
        if found is not None:
            return found
    return None


def _is_submodule(package: ModuleSpec, name: str) -> bool:
    return _find_in(f"{package.name}.{name}", package) is not None


def _tree(spec: ModuleSpec) -> ast.Module:
    """The syntax tree of a module."""
    if spec.loader is None and spec.origin is None:
        return ast.Module([], [])  # a folder without __init__.py
    if spec.origin and spec.origin.endswith(".py") and os.path.isfile(spec.origin):
        state = os.stat(spec.origin)
        tree = _parse_file(spec.origin, state.st_mtime_ns, state.st_size)
    else:
        get_source = getattr(spec.loader, "get_source", None)
        text = get_source(spec.name) if get_source else None  # out of a zip file
        if text is None:
            raise _Unknown("an extension module, or compiled code alone")
        tree = _parse(text, spec.origin or spec.name)
    if isinstance(tree, str):
        raise _Missing(tree)
    return tree


@lru_cache(maxsize=128)
def _parse_file(file: str, time: int, size: int) -> ast.Module | str:
    """Like `_parse`; several parts often share a file, and an edited file is another one."""
    with open(file, "rb") as stream:
        return _parse(stream.read(), file)


def _parse(text: str | bytes, file: str) -> ast.Module | str:
    """The tree of a text, or why it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in a stranger's docstring is none of our business
        try:
            tree = ast.parse(text, file)
            compile(tree, file, "exec", dont_inherit=True)  # finds what the grammar allows: a `return` outside
        except SyntaxError as error:
            return f"syntax error in line {error.lineno} of {file}: {error.msg}"
        except ValueError as error:  # a null character, before Python 3.11.4
            return f"{file} is no Python text: {error}"
    return tree


def _definition(body: Sequence[ast.stmt], name: str) -> tuple[ast.stmt, ast.stmt | None] | None:
    """The last statement that gives the name a value, and the statement after it."""
    for index in reversed(range(len(body))):
        node = body[index]
        if name in _names(node):
            return node, body[index + 1] if index + 1 < len(body) else None
        for inner in _bodies(node):
            found = _definition(inner, name)
            if found is not None:
                return found
    return None


def _names(node: ast.stmt) -> Iterator[str]:
    """The names that a statement itself gives a value."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.name
    elif isinstance(node, ast.Import):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif not (isinstance(node, ast.AnnAssign) and node.value is None):
        for field in ("targets", "target", "items"):  # also `for x in ...` and `with ... as x`
            for part in _as_list(getattr(node, field, None)):
                stored = (inner for inner in ast.walk(part) if isinstance(inner, ast.Name))
                yield from (inner.id for inner in stored if isinstance(inner.ctx, ast.Store))


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    """The blocks of `if`, `try`, `with`, `for`, `while` and `match`, which share the names around them."""
    if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        for field in ("body", "handlers", "cases", "orelse", "finalbody"):
            block = getattr(node, field, [])
            if field in ("handlers", "cases"):
                yield from (inner.body for inner in block)
            else:
                yield block


def _may_define_more(tree: ast.Module) -> bool:
    """Whether a module may come to hold names, or find modules, that its statements do not show."""
    if _definition(tree.body, "__getattr__"):
        return True
    for node in ast.walk(tree):
        if isinstance(node, ast.NamedExpr | ast.Global) or (isinstance(node, ast.alias) and node.name == "*"):
            return True
        word = getattr(node, "id", None) or getattr(node, "attr", None)
        if word in ("__path__", "globals", "vars", "locals", "setattr", "exec", "eval", "modules"):
            return True
    return False


def _as_list(part: Any) -> list[ast.AST]:
    return part if isinstance(part, list) else [part] if isinstance(part, ast.AST) else []


def _first_line(text: str | None) -> str:
    lines = (text or "").strip().splitlines()
    return lines[0].strip() if lines else ""
