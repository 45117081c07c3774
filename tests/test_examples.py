"""Every example in a docstring works."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import decda

ROOT = Path(decda.__file__).parent
NAMES = [
    ".".join(("decda", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for path in sorted(ROOT.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", NAMES)
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctests of a module pass."""
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(import_module(name))
    assert results.attempted > 0
    assert results.failed == 0
