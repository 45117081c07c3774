"""Loading parts from a file."""

import pickle
import sys
from pathlib import Path

import pytest

from decda.core.errors import BrokenComponent, ConfigError
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
