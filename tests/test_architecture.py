"""The walls of the house, read from the imports."""

import ast
from pathlib import Path

import pytest

import decda

ROOT = Path(decda.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PUBLIC = {"contracts", "functional", "files", "errors"}
HEAVY = {"torch", "kornia", "numpy", "scipy", "sklearn", "safetensors"}
BELOW = {
    "process": set(),
    "base": {"base"},
    "parts": {"errors"},
    "config": {"errors", "atomic_files", "parts"},
    "training": {"base", "TrainConfig"},
    "runs": {"base", "parts", "config", "training"},
    "execution": {"base", "process", "parts", "config", "runs"},
    "studies": {"base", "parts", "config", "runs", "execution"},
}
"""What each floor of the core may import besides itself; `base` are the files that lie in `core/` itself."""
TORCHLESS = ("core/parts/", "core/config/", "core/process/", "core/errors.py", "core/events.py", "core/atomic_files.py")
ANSWERS_AT_ONCE = (
    *("__init__.py", "api.py", "cli.py", "commands/", "console/", "paper.py"),
    *("core/execution/messages.py", "core/execution/protocol.py", "core/execution/processes.py"),
    *("core/execution/worker.py", "core/studies/seed_ranges.py", "core/studies/seeds_result.py"),
)
"""What else loads no heavy library when it is imported; `console/study.py` apart, which is loaded for a study."""


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


def floor(words: list[str]) -> str:
    """The floor of the core that a path of names (below `decda.core`) leads to."""
    return words[0] if words[0] in BELOW else "base"


CORE = [f for f in FILES if room(f).startswith("core/")]


@pytest.mark.parametrize("path", CORE, ids=room)
def test_core_knows_no_rooms_above(path: Path) -> None:
    """The core imports itself alone, never plugins, commands, console or the Python door, not even lazily."""
    ours = {name for name in imports(path) if name.split(".")[0] == "decda"}
    assert {name for name in ours if not name.startswith("decda.core.")} <= {"decda.__version__"}


@pytest.mark.parametrize("path", CORE, ids=room)
def test_a_floor_imports_only_floors_below(path: Path) -> None:
    """Each floor imports itself and what the table allows, not even lazily more; parts may look up two base classes."""
    here = floor(list(path.relative_to(ROOT / "core").parts))
    for name in imports(path):
        if not name.startswith("decda.core."):
            continue
        words = name.split(".")[2:]
        there = floor(words)
        allowed = there == here or there in BELOW[here] or bool(BELOW[here] & set(words))
        base_classes = room(path) == "core/parts/class_checks.py" and words[0] == "contracts"
        typing_only = name not in imports(path, lazy=False) and here == "execution"
        assert allowed or base_classes or typing_only, f"{room(path)} imports {name}"


def test_the_table_knows_every_floor() -> None:
    """A new sub-package of the core gets a row in the table."""
    assert {path.parent.name for path in CORE if path.parent.name != "core"} == set(BELOW) - {"base"}


@pytest.mark.parametrize("path", [f for f in FILES if room(f).startswith("plugins/")], ids=room)
def test_plugins_use_only_the_public_promise(path: Path) -> None:
    """Our own parts import of decda what a third party may, and their neighbours."""
    neighbours = f"decda.{path.parent.relative_to(ROOT).as_posix().replace('/', '.')}."
    core = [n.split(".")[2] for n in imports(path) if n.startswith("decda.") and not n.startswith(neighbours)]
    assert set(core) <= PUBLIC


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("entrypoints", ("core/parts/discovery.py",)),
        ("kornia", ("plugins/augmentations/", "augment.py")),
        ("rich", ("console/",)),
        ("click", ("cli.py", "commands/", "console/")),
        ("filelock", ("core/studies/lock.py",)),
    ],
)
def test_each_library_stays_in_its_room(library: str, rooms: tuple[str, ...]) -> None:
    """entrypoints, kornia, rich, click and filelock are each imported in one room alone."""
    users = {room(f) for f in FILES if any(name.split(".")[0] == library for name in imports(f))}
    assert users
    assert all(user.startswith(rooms) for user in users)


LIGHT = [f for f in FILES if room(f).startswith((*TORCHLESS, *ANSWERS_AT_ONCE)) and room(f) != "console/study.py"]


@pytest.mark.parametrize("path", LIGHT, ids=room)
def test_what_answers_at_once_imports_nothing_heavy(path: Path) -> None:
    """What `import decda`, `--help` and `list-components` need imports no torch, directly or through a neighbour."""
    names = imports(path, lazy=False)
    assert not {name.split(".")[0] for name in names} & HEAVY
    light = {room(f).removesuffix(".py").removesuffix("/__init__").replace("/", ".") for f in LIGHT}
    for name in names:
        if name.startswith("decda.core."):
            inner = name.removeprefix("decda.")
            assert inner in light or inner.rpartition(".")[0] in light, f"{room(path)} imports {name}"


@pytest.mark.parametrize("path", [f for f in FILES if f.name != "__init__.py"], ids=room)
def test_a_file_holds_one_idea(path: Path) -> None:
    """A file that wants 400 lines holds two."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


@pytest.mark.parametrize(
    "path", [f for f in FILES if room(f).startswith("core/") and f.name != "__init__.py"], ids=room
)
def test_tests_mirror_the_house(path: Path) -> None:
    """Every file of the core has its tests beside it, by the same name, or is one that others' tests cover."""
    covered = {
        *("core/contracts.py", "core/errors.py", "core/events.py", "core/config/run_config.py"),
        *("core/config/train_config.py", "core/config/listing.py", "core/config/layers.py", "core/parts/entries.py"),
        *("core/runs/device.py", "core/runs/failures.py", "core/runs/recorder.py"),
        *("core/studies/cells.py", "core/studies/fingerprint.py", "core/studies/lock.py", "core/studies/runner.py"),
    }
    mirror = ROOT.parent / "tests" / path.relative_to(ROOT).with_name(f"test_{path.name}")
    assert mirror.is_file() or room(path) in covered
