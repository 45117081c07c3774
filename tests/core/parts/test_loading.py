"""Loading parts from a file."""

import os
import pickle
import py_compile
import sys
from pathlib import Path

import pytest

from decda.core.errors import BrokenComponent, ConfigError, OutOfMemory
from decda.core.parts.loading import load_file
from decda.core.parts.registry import Registry

GOOD = '''
from dataclasses import dataclass
from beside import SIDE

@dataclass
class Flip:
    """Mirror images."""
    side: int = SIDE

    def sample(self, n, generator): ...
    def apply(self, x, params): ...

def make(*, p: float = 0.5):
    """Mirror images."""
    return Flip()

def register(registry):
    registry.add("augment", "mine", make)
'''


def write(tmp_path: Path, text: str) -> Path:
    (tmp_path / "beside.py").write_text("SIDE = 3\n")
    (tmp_path / "my_flip.py").write_text(text)
    return tmp_path / "my_flip.py"


def test_a_file_adds_its_parts(tmp_path: Path) -> None:
    """`register` gets the registry; modules in the same folder can be imported; objects can be pickled."""
    path = write(tmp_path, GOOD)
    registry, before = Registry(), list(sys.path)
    load_file(registry, path)
    component = registry.load(registry.find("augment", "mine"))
    assert component.entry.qualified == "local:mine"
    assert [parameter.name for parameter in component.parameters] == ["p"]
    made = component.factory()
    assert pickle.loads(pickle.dumps(made)) == made
    assert registry.files == {path: registry.files[path]}
    assert len(registry.files[path]) == 64
    assert sys.path == before
    assert registry.from_files == {component.entry}
    load_file(registry, path)  # as in a notebook, possibly after an edit
    assert registry.load(registry.find("augment", "mine")).factory is not component.factory


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("x = 1\n", BrokenComponent, "has no function register. Define it: def register"),
        ("def register(registry): pass\n", BrokenComponent, "adds no part"),
        ("1 / 0\n", BrokenComponent, "ZeroDivisionError: division by zero"),
        ("def register(registry): registry.add('heads', 'mine', int)\n", ConfigError, "Did you mean 'head'"),
        ("def register(registry: return\n", BrokenComponent, "SyntaxError"),
        ("raise SystemExit(0)\n", BrokenComponent, "SystemExit"),
        ("import nowhere_to_be_found\n", BrokenComponent, "nowhere_to_be_found"),
    ],
)
def test_files_that_fail(tmp_path: Path, text: str, kind: type[Exception], words: str) -> None:
    """An error in the file is reported with the name of the file, and `sys.path` is restored."""
    before = list(sys.path)
    with pytest.raises(kind) as caught:
        load_file(Registry(), write(tmp_path, text))
    assert words in str(caught.value)
    assert kind is ConfigError or "my_flip.py" in str(caught.value)
    assert sys.path == before


def test_a_folder_on_the_path_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the folder of the file was on `sys.path` already, it keeps its place."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = list(sys.path)
    load_file(Registry(), write(tmp_path, GOOD))
    assert sys.path == before


def test_what_a_file_puts_on_the_path_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may extend `sys.path` for what it imports later."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    load_file(Registry(), write(tmp_path, "import sys\nsys.path.insert(0, 'mine')\n" + GOOD))
    assert sys.path[0] == "mine"
    assert str(tmp_path) not in sys.path


def test_no_such_file(tmp_path: Path) -> None:
    """A file that is missing or not a Python file is reported by name."""
    for name, content in (("gone.py", None), ("notes.txt", "x")):
        if content:
            (tmp_path / name).write_text(content)
        with pytest.raises(ConfigError, match=f"{name} (cannot be read|is not a Python file)"):
            load_file(Registry(), tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_only_a_regular_file_is_loaded(tmp_path: Path) -> None:
    """A named pipe, a folder and a sparse terabyte are refused at once, with the reason."""
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    with (tmp_path / "sparse.py").open("wb") as file:
        file.truncate(2**40)
    for name, reason in (("pipe", "not a regular file"), ("folder", "it is a folder"), ("sparse", "more than the")):
        with pytest.raises(ConfigError, match=f"The file of parts .*{name}.py cannot be read: .*{reason}"):
            load_file(Registry(), tmp_path / f"{name}.py")


def test_the_source_itself_is_run(tmp_path: Path) -> None:
    """What runs is what the file holds now: neither compiled code beside it, nor a file that is compiled itself."""
    path = write(tmp_path, "raise SystemExit('an earlier version')\n")
    py_compile.compile(str(path), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    path.write_text(GOOD)
    load_file(Registry(), path)
    compiled = py_compile.compile(str(path), str(tmp_path / "compiled.pyc"))
    with pytest.raises(ConfigError, match=r"compiled\.pyc is not a Python file"):
        load_file(Registry(), Path(str(compiled)))


def test_a_file_that_needs_too_much_memory(tmp_path: Path) -> None:
    """A file that asks for 4 TB as it is loaded is told from one that is broken."""
    with pytest.raises(OutOfMemory, match=r"Out of memory while the file of parts .*my_flip\.py ran \(MemoryError"):
        load_file(Registry(), write(tmp_path, "bytearray(2**42)\n"))
