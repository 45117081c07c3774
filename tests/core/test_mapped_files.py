"""What was looked at of a mapped file is given back, and nothing is lost by it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decda.core.arrays import ArraySource, read_array_file
from decda.core.mapped_files import MappedFile, give_back

PEAK = """
import resource, sys
from pathlib import Path
import numpy as np
from decda.core.arrays import ArraySource, read_array_file

def peak():
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size // 2**20 if sys.platform == "darwin" else size // 2**10

def read(name):
    for file, words in (("bytes", {}), ("floats", {}), ("floats", {"scale": "minmax"}), ("table", {})):
        source = ArraySource(read_array_file(Path(f"{file}-{name}.npy"))[0], **words)
        for start in range(0, source.shape[0], 100):
            source.read(start, start + 100)

read("small")
before = peak()
read("large")
print(peak() - before)
"""


def test_a_file_larger_than_the_memory_taken(tmp_path: Path) -> None:
    """Checking and reading 240 MB of images, and of a table, part by part, takes a fraction of that at any time."""
    kinds = (("bytes", "u1", (4, 100, 100)), ("floats", "f4", (100, 100)), ("table", "f4", (10_000,)))
    for file, dtype, size in kinds:
        for name, n in (("small", 100), ("large", 6000)):
            path = tmp_path / f"{file}-{name}.npy"
            np.lib.format.open_memmap(path, "w+", dtype, (n, *size))  # type: ignore[no-untyped-call]
    done = subprocess.run([sys.executable, "-c", PEAK], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 60


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_changes_are_not_lost(mode: Any, tmp_path: Path) -> None:
    """What a caller changed in a mapping of his own is still there, on copy on write as on a shared one."""
    np.save(tmp_path / "x.npy", np.zeros((4, 4), np.uint8))
    mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
    if mode != "r":
        mapped[1, 1] = 7
    give_back(mapped[1:])
    assert mapped[1, 1] == (0 if mode == "r" else 7)


def test_values_are_read_again(tmp_path: Path) -> None:
    """After its memory was given back, a mapped file holds what it held."""
    array = np.random.default_rng(0).random((50, 8, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    mapped, _ = read_array_file(tmp_path / "x.npy")
    assert isinstance(mapped.base, MappedFile)
    source = ArraySource(mapped)
    view = source.whole()
    assert view is not None
    first = source.read(0, 50)[0]
    give_back(mapped[::2])
    np.testing.assert_array_equal(mapped, array)
    np.testing.assert_array_equal(view.numpy()[:, 0], array)
    np.testing.assert_array_equal(first[:, 0], array)


def test_other_arrays() -> None:
    """Arrays in memory, and views of them, are left alone."""
    array = np.arange(12).reshape(3, 4)
    for values in (array, array[1:], np.frombuffer(b"abc", np.uint8), array.view(np.memmap)):
        before = values.copy()
        give_back(values)
        np.testing.assert_array_equal(values, before)
