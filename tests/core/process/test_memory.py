"""How much memory this process may use."""

import os
from pathlib import Path

import pytest

from decda.core.process import memory
from decda.core.process.memory import read_memory


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of this machine is read."""
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "LIMITS", (tmp_path / "max", tmp_path / "limit"))


def test_what_linux_tells(tmp_path: Path) -> None:
    """All memory, and what is available of it, are read from the system."""
    (tmp_path / "meminfo").write_text("MemTotal:  2000 kB\nMemFree:  7 kB\nMemAvailable:  500 kB\nOdd\n")
    assert read_memory() == (2000 * 1024, 500 * 1024)


@pytest.mark.parametrize("name", ["max", "limit"])
def test_the_limit_of_a_container(tmp_path: Path, name: str) -> None:
    """A container has no more than its limit, and all there is if it has none."""
    (tmp_path / "meminfo").write_text("MemTotal: 2000 kB\nMemAvailable: 500 kB\n")
    (tmp_path / name).write_text("1024000\n")
    assert read_memory() == (1024000, 512000)
    (tmp_path / name).write_text("1000\n")
    assert read_memory() == (1000, 1000)
    (tmp_path / name).write_text("max\n")
    assert read_memory() == (2000 * 1024, 500 * 1024)


def test_systems_that_tell_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the number of pages serves, and where there is none, nothing is known."""
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 10, "SC_PHYS_PAGES": 7}.__getitem__, raising=False)
    assert read_memory() == (70, None)
    (tmp_path / "max").write_text("50")
    assert read_memory() == (50, None)
    monkeypatch.delattr(os, "sysconf")
    (tmp_path / "meminfo").write_text("MemTotal: much\n")
    assert read_memory() == (None, None)
