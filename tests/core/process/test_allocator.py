"""Memory that is freed and allocated again."""

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
    maps = [torch.ones(10_000_000) for _ in range(4)]  # 40 MB each: by default, a new mapping every time
for _ in range(3):
    work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(allocator.platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_freed_memory_is_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeated large allocations cause no page faults, unlike with the default settings of the allocator."""
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)  # left by a command that ran in this process before
    kept, given_back = (
        int(subprocess.run([sys.executable, "-c", FAULTS.format(call=call)], capture_output=True, check=True).stdout)
        for call in ("assert keep_freed_memory()", "")
    )
    assert kept < 100
    assert given_back > 10 * 4 * 1000


def test_other_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed with another C library than glibc."""
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE", raising=False)
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    assert not allocator.keep_freed_memory()
    assert "THP_MEM_ALLOC_ENABLE" not in os.environ
