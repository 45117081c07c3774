"""The layers of the package, checked by its imports."""

import ast
from pathlib import Path

import pytest

import decda

ROOT = Path(decda.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
PUBLIC = {"contracts", "functional", "files", "errors", "events", "arrays"}
HEAVY = {"torch", "kornia", "numpy", "scipy", "sklearn", "safetensors"}
BELOW = {
    "process": set(),
    "base": {"base"},
    "arrays": {"base"},
    "parts": {"errors", "regular_files"},
    "config": {"errors", "atomic_files", "regular_files", "parts"},
    "training": {"base", "TrainConfig"},
    "report": {"base"},
    "runs": {"base", "arrays", "process", "parts", "config", "training", "report"},
    "execution": {"base", "process", "parts", "config", "runs"},
    "studies": {"base", "process", "parts", "config", "training", "runs", "execution", "report"},
    "diagnosis": {"base", "process", "parts", "config", "training", "runs"},
    "judging": {"base", "process", "parts", "config", "training", "runs", "studies"},
    "consensus": {"base", "process", "parts", "config", "training", "runs", "studies"},
}
"""What each layer of the core may import besides itself; `base` are the files in `core/` itself."""
TORCHLESS = (
    *("core/parts/", "core/config/", "core/process/", "core/errors.py", "core/events.py"),
    *("core/atomic_files.py", "core/regular_files.py"),
)
FAST = (
    *("__init__.py", "api.py", "cli.py", "commands/", "composing.py", "console/", "paper.py", "seeds.py"),
    *("core/execution/messages.py", "core/execution/protocol.py", "core/execution/processes.py"),
    *("core/execution/worker.py", "core/studies/seed_ranges.py", "core/studies/seeds_result.py"),
    *("core/execution/agreement.py", "core/execution/dask_engine.py", "core/execution/dispatch.py"),
    *("core/execution/engine.py", "core/execution/engines.py", "core/execution/executor_engine.py"),
    *("core/execution/local_engine.py", "core/execution/parcels.py", "core/execution/remote_run.py"),
    "core/runs/lock.py",
    *("core/runs/naming.py", "core/runs/overview.py", "core/studies/listing.py", "core/studies/seeds_plan.py"),
    *("core/diagnosis/", "core/files.py", "core/download.py", "core/unpacking.py"),
    *("core/runs/best.py", "core/judging/reasons.py"),
)
"""What else imports no heavy library at import time, except `console/study.py`, which is imported for a study."""


def imports(path: Path, *, lazy: bool = True) -> set[str]:
    """The full names of the modules that a file imports; with `lazy=False`, only those imported at import time."""
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


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def layer(words: list[str]) -> str:
    """The layer of the core to which a dotted path below `decda.core` belongs."""
    return words[0] if words[0] in BELOW else "base"


CORE = [f for f in FILES if relative(f).startswith("core/")]


@pytest.mark.parametrize("path", CORE, ids=relative)
def test_the_core_imports_nothing_above(path: Path) -> None:
    """The core imports only itself, and never plugins, commands, console or the Python API, not even lazily."""
    ours = {name for name in imports(path) if name.split(".")[0] == "decda"}
    assert {name for name in ours if not name.startswith("decda.core.")} <= {"decda.__version__"}


@pytest.mark.parametrize("path", CORE, ids=relative)
def test_a_layer_imports_only_layers_below(path: Path) -> None:
    """Each layer imports only itself and what the table allows, even lazily; parts may look up two base classes."""
    here = layer(list(path.relative_to(ROOT / "core").parts))
    for name in imports(path):
        if not name.startswith("decda.core."):
            continue
        words = name.split(".")[2:]
        there = layer(words)
        allowed = there == here or there in BELOW[here] or bool(BELOW[here] & set(words))
        base_classes = relative(path) == "core/parts/class_checks.py" and words[0] == "contracts"
        typed = here == "execution" or relative(path) == "core/events.py"  # what is reported, not what it is made of
        typing_only = name not in imports(path, lazy=False) and typed
        assert allowed or base_classes or typing_only, f"{relative(path)} imports {name}"


def test_the_table_has_every_layer() -> None:
    """Each sub-package of the core has a row in the table."""
    assert {path.parent.name for path in CORE if path.parent.name != "core"} == set(BELOW) - {"base"}


@pytest.mark.parametrize("path", [f for f in FILES if relative(f).startswith("plugins/")], ids=relative)
def test_plugins_use_only_the_public_interface(path: Path) -> None:
    """Built-in parts import from decda only what third parties may, and their neighbours."""
    neighbours = f"decda.{path.parent.relative_to(ROOT).as_posix().replace('/', '.')}."
    core = [n.split(".")[2] for n in imports(path) if n.startswith("decda.") and not n.startswith(neighbours)]
    assert set(core) <= PUBLIC


@pytest.mark.parametrize(
    ("library", "places"),
    [
        ("entrypoints", ("core/parts/discovery.py",)),
        ("kornia", ("plugins/augmentations/", "augment.py")),
        ("rich", ("console/",)),
        ("click", ("cli.py", "commands/", "console/")),
        ("filelock", ("core/runs/lock.py",)),
        ("distributed", ("core/execution/dask_engine.py",)),
        ("PIL", ("plugins/datasets/image_files.py", "core/runs/cluster_images.py", "core/report/pictures.py")),
        ("matplotlib", ("core/report/curves.py",)),
        ("jinja2", ("core/report/page.py",)),
    ],
)
def test_each_library_is_imported_in_its_place_alone(library: str, places: tuple[str, ...]) -> None:
    """Each of these libraries is imported only where the table says."""
    users = {relative(f) for f in FILES if any(name.split(".")[0] == library for name in imports(f))}
    assert users
    assert all(user.startswith(places) for user in users)


LIGHT = [f for f in FILES if relative(f).startswith((*TORCHLESS, *FAST)) and relative(f) != "console/study.py"]


@pytest.mark.parametrize("path", LIGHT, ids=relative)
def test_fast_modules_import_nothing_heavy(path: Path) -> None:
    """Modules needed for `import decda`, `--help` and `list-components` import no torch, directly or indirectly."""
    names = imports(path, lazy=False)
    assert not {name.split(".")[0] for name in names} & HEAVY
    light = {relative(f).removesuffix(".py").removesuffix("/__init__").replace("/", ".") for f in LIGHT}
    for name in names:
        if name.startswith("decda.core."):
            inner = name.removeprefix("decda.")
            assert inner in light or inner.rpartition(".")[0] in light, f"{relative(path)} imports {name}"


@pytest.mark.parametrize("path", [f for f in FILES if f.name != "__init__.py"], ids=relative)
def test_a_file_holds_one_idea(path: Path) -> None:
    """No file has 400 lines or more, because it would hold more than one idea."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


@pytest.mark.parametrize(
    "path", [f for f in FILES if relative(f).startswith("core/") and f.name != "__init__.py"], ids=relative
)
def test_tests_mirror_the_core(path: Path) -> None:
    """Every file of the core has a test file of the same name, or is listed as covered by others."""
    covered = {
        *("core/contracts.py", "core/errors.py", "core/events.py", "core/config/run_config.py"),
        *("core/config/train_config.py", "core/config/listing.py", "core/config/layers.py", "core/parts/entries.py"),
        *("core/parts/value_types.py", "core/execution/engine.py"),
        *("core/runs/device.py", "core/runs/failures.py", "core/runs/recorder.py"),
        *("core/runs/preparation.py", "core/config/image_facts.py"),
        *("core/studies/cells.py", "core/studies/fingerprint.py", "core/studies/runner.py"),
        *("core/report/facts.py", "core/studies/comparing.py", "core/studies/comparison_page.py"),
        "core/training/peers.py",
    }
    mirror = ROOT.parent / "tests" / path.relative_to(ROOT).with_name(f"test_{path.name}")
    assert mirror.is_file() or relative(path) in covered
