"""The walls of the house, read from the imports."""

import ast
from pathlib import Path

import pytest

import decda

ROOT = Path(decda.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PUBLIC = {"contracts", "functional", "files", "errors"}
HEAVY = {"torch", "kornia", "numpy", "scipy", "sklearn", "safetensors"}
TORCHLESS = {
    *("discovery", "sources", "switches", "classes", "parameters", "registry", "loading", "whole", "origins"),
    *("config", "composition", "errors", "events", "listing"),
}


def imports(path: Path, *, lazy: bool = True) -> set[str]:
    """Every module that a file imports, by its full name; without the lazy ones, only what runs at import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    typing_only = {
        id(n)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and getattr(test.test, "id", "") == "TYPE_CHECKING"
        for n in ast.walk(test)
    }
    found = set()
    for node in ast.walk(tree):
        if not lazy and (id(node) in inside or id(node) in typing_only):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [f for f in FILES if room(f).startswith("core/")], ids=room)
def test_core_knows_no_rooms_above(path: Path) -> None:
    """The core never imports plugins, the command line, the console or the published figures, not even lazily."""
    above = ("plugins", "cli", "commands", "console", "paper", "testing", "augment")
    above = tuple(f"decda.{name}" for name in above)
    assert not [name for name in imports(path) if name.startswith(above)]


@pytest.mark.parametrize("path", [f for f in FILES if room(f).startswith("plugins/")], ids=room)
def test_plugins_use_only_the_public_promise(path: Path) -> None:
    """Our own parts import of decda what a stranger may (contracts, functional, files, errors) and their neighbours."""
    neighbours = f"decda.{path.parent.relative_to(ROOT).as_posix().replace('/', '.')}."
    core = [n.split(".")[2] for n in imports(path) if n.startswith("decda.") and not n.startswith(neighbours)]
    assert set(core) <= PUBLIC


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("entrypoints", ("core/discovery.py",)),
        ("kornia", ("plugins/augmentations/", "augment.py")),
        ("rich", ("console/",)),
        ("click", ("cli.py", "commands/", "console/")),
    ],
)
def test_each_library_stays_in_its_room(library: str, rooms: tuple[str, ...]) -> None:
    """entrypoints, kornia, rich and click are each imported in one room alone."""
    users = {room(f) for f in FILES if any(name.split(".")[0] == library for name in imports(f))}
    assert users
    assert all(user.startswith(rooms) for user in users)


@pytest.mark.parametrize("path", [f for f in FILES if f.stem in TORCHLESS and f.parent.name == "core"], ids=room)
def test_what_lists_imports_nothing_heavy(path: Path) -> None:
    """What `--help` and `list-components` need imports no torch, neither directly nor through a neighbour."""
    names = imports(path, lazy=False)
    neighbours = {name.split(".")[2] for name in names if name.startswith("decda.core.")}
    assert not {name.split(".")[0] for name in names} & HEAVY
    assert neighbours <= TORCHLESS
