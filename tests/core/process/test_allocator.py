"""Memory that is freed and wanted again."""

import os
import subprocess
import sys

import pytest

from decda.core.process import allocator

FAULTS = """
import resource, torch
from decda.core.process.allocator import keep_freed_memory
{call}
def work():
    maps = [torch.ones(10_000_000) for _ in range(4)]  # 40 MB each: always mapped anew by itself
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(allocator.platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_maps_are_not_given_back() -> None:
    """Work that allocates the same maps again and again faults no page any more, which it does by itself."""
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", FAULTS.format(call=call)], capture_output=True, check=True).stdout)
        for call in ("assert keep_freed_memory()", "")
    )
    assert kept < 100
    assert given_back > 10 * 4 * 1000


def test_other_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without glibc nothing is changed."""
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep_freed_memory()
    assert "THP_MEM_ALLOC_ENABLE" not in os.environ
