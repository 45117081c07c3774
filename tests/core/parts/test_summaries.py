import os
import sys
import zipfile
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from decda.core.parts.entries import Entry
from decda.core.parts.summaries import Source, read_source

Write = Callable[[str, str | bytes], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a file below a folder on `sys.path`; every file raises an error if it is run."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(file: str, text: str | bytes) -> None:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        raw = text.encode() if isinstance(text, str) else text
        (tmp_path / file).write_bytes(raw + b"\nraise RuntimeError('this module was run')\n")

    return write


def see(target: str, problem: str | None = None) -> Source:
    before = set(sys.modules)
    module, _, attribute = target.partition(":")
    source = read_source(Entry("head", "x", "p", "1.0", module, attribute, problem))
    assert {name for name in set(sys.modules) - before if name.startswith("plug")} == set()
    return source


@pytest.mark.parametrize(
    "text",
    [
        'class X:\n    """It."""',
        'class X(Unknown):\n    """It.\n\n    More.\n    """',
        'class X:\n    """\n    It.\n    """',
        'def X():\n    """It."""',
        'async def X():\n    """It."""',
        'X = {}\n"""It."""',
        'X: dict = {}\n"""It.\n\nMore."""',
        'class X:\n    """Not it."""\nclass X:\n    """It."""',
        'def X():\n    """It."""\ny = [X for X in range(3)]',
        'import warnings\ndef X():\n    """It."""\n    "\\d"',
        '\ufeffdef X():\n    """It."""',
    ],
)
def test_the_summary_is_the_first_line_of_the_docstring(write: Write, text: str) -> None:
    """Classes, functions and values with a string below them are summarised by their last top-level definition."""
    write("plug.py", text)
    assert see("plug:X") == Source("It.")


@pytest.mark.parametrize(
    "text",
    [
        "class X:\n    pass",
        "def X():\n    '''  '''",
        "X = 1",
        "X = make()",
        "X = a.b",
        "X += 1",
        "import X",
        "for X in y:\n    pass",
        "with y as X:\n    pass",
        "from y import *",
        "def __getattr__(name):\n    return 1",
        "globals()['X'] = 1",
        "import sys\nsys.modules[__name__].X = 1",
        "exec('X = 1')",
        "def f():\n    global X\n    X = 1",
        "(X := 1)",
        "try:\n    from nowhere import X\nexcept ImportError:\n    X = None",
        "if TYPE_CHECKING:\n    from nowhere import X",
        "X = Y\nY = X",
        'if something:\n    def X():\n        """It."""',
        'try:\n    import y\nexcept ImportError:\n    class X:\n        """It."""',
    ],
)
def test_no_false_alarm(write: Write, text: str) -> None:
    """A part that may exist but is not described has no summary and no error."""
    write("plug.py", text)
    write("X.py", "")
    assert see("plug:X") == Source()


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("plug_nowhere.heads:X", "there is no module 'plug_nowhere'"),
        ("plug.nowhere:X", "there is no module 'plug.nowhere'"),
        ("plug.good.deeper:X", "there is no module 'plug.good.deeper'"),
        ("plug.good:Y", "module 'plug.good' has no 'Y'"),
        ("plug.good:from_nowhere", "there is no module 'plug_nowhere'"),
        ("plug.good:gone", "module 'plug.other' has no 'gone'"),
        ("plug.good", "name an object in it"),
        ("plug.syntax:X", "syntax error in line 2 of"),
        ("plug.nul:X", "nul.py"),
    ],
)
def test_certain_errors_are_reported(write: Write, target: str, error: str) -> None:
    """Missing modules, missing objects and syntax errors are found without running any code."""
    write("plug/__init__.py", "")
    write(
        "plug/good.py",
        "class X:\n    y = 1\nannotated: int\ndef f():\n    inner = 1\nchanged[0] = 1\n"
        "from plug_nowhere import from_nowhere\nfrom .other import gone\n",
    )
    write("plug/other.py", "")
    write("plug/syntax.py", "X = 1\nX = = 2")
    write("plug/nul.py", b"X = 1\0")
    source = see(target)
    assert source.summary == ""
    assert error.replace("/", os.sep) in (source.error or "")


def test_a_problem_of_the_metadata_comes_first(write: Write) -> None:
    """A problem in the metadata is reported without reading the source."""
    write("plug.py", 'def X():\n    """It."""')
    assert see("plug:X", problem="two of them") == Source(error="two of them")


@pytest.mark.parametrize(
    "target",
    ["plug:A", "plug:B", "plug:C", "plug:D"],
)
def test_reexports_are_followed(write: Write, target: str) -> None:
    """Absolute and relative imports are followed to the definition, over several levels."""
    write(
        "plug/__init__.py",
        "from .heads import X as A\nfrom plug.heads import X as B\nfrom .middle import C\nfrom . import heads\n"
        "from .sub.deep import D\n",
    )
    write("plug/heads.py", 'class X:\n    """It."""\n    def make():\n        """It."""')
    write("plug/middle.py", "from plug.heads import X as C")
    write("plug/sub/__init__.py", "")
    write("plug/sub/deep.py", "from ..heads import X as D")
    assert see(target) == Source("It.")


def test_circular_imports_end(write: Write) -> None:
    """Two modules that import a name from each other have neither summary nor error."""
    write("plug_a.py", "from plug_b import X")
    write("plug_b.py", "from plug_a import X")
    assert see("plug_a:X") == Source()


def test_members_are_found_in_classes(write: Write) -> None:
    """A dotted path is followed into classes; a member that may be inherited is not an error."""
    write("plug.py", 'class A(B):\n    class C:\n        @classmethod\n        def make(cls):\n            """It."""')
    assert see("plug:A.C.make") == Source("It.")
    assert see("plug:A.from_b") == Source()
    assert see("plug:A.C.make.attribute") == Source()


def test_a_submodule_may_be_an_attribute(write: Write) -> None:
    """`package:module.object` is not an error, because it works if the package imports the module."""
    write("plug/__init__.py", "")
    write("plug/heads.py", "X = 1")
    assert see("plug:heads.X") == Source()


def test_a_package_may_change_its_path(write: Write) -> None:
    """If a package sets its own `__path__`, a module that is not found is not an error."""
    write("plug/__init__.py", "__path__ = make(__path__)")
    assert see("plug.elsewhere:X") == Source()


def test_source_in_a_zip_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin in a zip file has a summary, too."""
    with zipfile.ZipFile(tmp_path / "plugins.zip", "w") as packed:
        packed.writestr("plug_zipped/__init__.py", "")
        packed.writestr("plug_zipped/heads.py", 'def X():\n    """It."""')
    monkeypatch.syspath_prepend(str(tmp_path / "plugins.zip"))
    assert see("plug_zipped.heads:X") == Source("It.")


@pytest.mark.parametrize("target", ["sys:nothing", "math:nothing", "plug_compiled:X"])
def test_compiled_modules_are_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """Without source code, there is neither summary nor error."""
    (tmp_path / "plug_compiled.pyc").write_bytes(b"")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert see(target) == Source()


def test_an_edited_file_is_read_again(write: Write) -> None:
    """A summary is never that of an earlier version of the file."""
    write("plug.py", 'def X():\n    """Before."""')
    assert see("plug:X") == Source("Before.")
    write("plug.py", 'def X():\n    """Afterwards."""')
    assert see("plug:X") == Source("Afterwards.")


def test_a_finder_that_fails_is_not_blamed_on_the_part(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in another package's import hook is not an error of the part."""

    class Hook:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            raise RuntimeError("hook")

    write("plug.py", "")
    monkeypatch.setattr(sys, "meta_path", [Hook, *sys.meta_path])
    assert see("plug:X") == Source()


def test_modules_created_at_run_time_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that exists in `sys.modules` alone, as in a notebook, is not an error."""
    monkeypatch.setitem(sys.modules, "made_here", sys)
    assert see("made_here:X") == Source()


def test_deep_nesting_is_skipped(write: Write) -> None:
    """Source code nested too deeply for the parser does not stop the listing."""
    write("plug.py", "X = " + "(" * 150 + "1" + "+1)" * 150 + "\nY = " + "-" * 50_000 + "1")
    assert see("plug:X").summary == ""
