"""Shared by the benchmarks: they wait for an idle machine, time alternatives side by side, and print one table."""

# ruff: noqa: E402

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from decda.core.process.allocator import keep_freed_memory
from decda.core.process.processor import processor_name
from decda.core.process.threads import limit_spinning

os.environ.setdefault("DECDA_NO_REPORT", "1")  # what training takes; report.py measures the other
limit_spinning()  # both as in `decda train`, before torch is imported
keep_freed_memory()

import torch

QUIET = 0.10
"""Most CPU load by other processes, as a share of all cores, at which the machine counts as quiet."""
STAT = Path("/proc/stat")


@dataclass(frozen=True)
class Timing:
    """The time of a call, in seconds.

    Attributes:
        median: median of all repeats.
        low: first quartile.
        high: third quartile.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Timing":
        """Summarise the times of several repeats.

        Args:
            seconds: the time of each repeat.

        Returns:
            Their median and quartiles.
        """
        low, _, high = statistics.quantiles(seconds, n=4) if len(seconds) > 1 else [seconds[0]] * 3
        return cls(statistics.median(seconds), low, high)

    def milliseconds(self) -> str:
        """Format the timing.

        Returns:
            `median (low-high)` in milliseconds.
        """
        return f"{self.median * 1e3:.2f} ({self.low * 1e3:.2f}-{self.high * 1e3:.2f})"


def arguments(description: str, **defaults: object) -> argparse.Namespace:
    """Parse the options of a benchmark: `--quick`, `--device`, and one for each default.

    Args:
        description: shown by `--help`.
        **defaults: further options and their default values, which also determine their types.

    Returns:
        The values of the options.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, its figures mean nothing")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value, help="default: %(default)s")
    return parser.parse_args()


def busy_share(seconds: float = 1.0) -> float | None:
    """Measure the CPU load by other processes, while this one sleeps.

    Args:
        seconds: how long to measure.

    Returns:
        The busy share of all cores, in [0, 1]; None if it cannot be read on this system.
    """
    if not STAT.exists():
        return None

    def read() -> tuple[int, int]:
        fields = [int(field) for field in STAT.read_text().splitlines()[0].split()[1:]]
        return sum(fields), fields[3] + fields[4]

    total, idle = read()
    time.sleep(seconds)
    total_after, idle_after = read()
    return 1 - (idle_after - idle) / max(total_after - total, 1)


def wait_until_quiet(patience: float = 300.0) -> None:
    """Wait until no other process uses much CPU time. If the machine stays busy, warn on stderr and continue.

    Args:
        patience: the longest time to wait, in seconds.
    """
    end = time.monotonic() + patience
    while (busy := busy_share()) is not None and busy > QUIET:
        if time.monotonic() > end:
            print(f"NOT QUIET: others keep {busy:.0%} of the cores busy; these figures mean little.", file=sys.stderr)
            return
        time.sleep(2)
    if busy is None:
        print("Whether this machine is quiet cannot be read here.", file=sys.stderr)


def once(call: Callable[[], object], device: str = "cpu") -> float:
    """Time one call, including all work that it starts on the device.

    Args:
        call: what to time.
        device: the device that it uses.

    Returns:
        The time in seconds.
    """
    synchronize(device)
    start = time.perf_counter()
    call()
    synchronize(device)
    return time.perf_counter() - start


def side_by_side(
    calls: Mapping[str, Callable[[], object]], *, seconds: float = 2.0, device: str = "cpu", least: int = 5
) -> dict[str, Timing]:
    """Time several calls in turns, A B C A B C, so that a drift in the speed of the machine affects all of them alike.

    Args:
        calls: what to time, by name.
        seconds: total time for each, in seconds.
        device: the device that they use.
        least: fewest repeats of each.

    Returns:
        The timing of each, by name.
    """
    for call in calls.values():  # warm up: allocations, compilation, caches
        call()
        call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    while time.perf_counter() < end or min(map(len, taken.values())) < least:
        for name, call in calls.items():
            taken[name].append(once(call, device))
    return {name: Timing.of(each) for name, each in taken.items()}


def peak(device: str = "cpu", dtype: torch.dtype = torch.float32, *, side: int = 2048, seconds: float = 2.0) -> float:
    """Measure the peak speed of matrix products, with the current number of threads.

    Args:
        device: the device to measure.
        dtype: the number format.
        side: rows and columns of the matrices.
        seconds: how long to measure.

    Returns:
        The speed in FLOP/s.
    """
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / side_by_side({"product": lambda: a @ b}, seconds=seconds, device=device)["product"].median


def synchronize(device: str) -> None:
    """Wait until the device has finished.

    Args:
        device: the device.
    """
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown, below the command, date, machine and versions it was measured with.

    Args:
        title: the heading.
        columns: the titles of the columns.
        rows: the cells of each row.
    """
    packages = ("torch", "kornia", "scikit-learn", "clustpy")
    versions = ", ".join(f"{name} {found}" for name in packages if (found := _version(name)))
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    print(f"\n### {title}\n")
    print(f"`python {' '.join([Path(sys.argv[0]).as_posix(), *sys.argv[1:]])}`, {datetime.now(UTC):%Y-%m-%d}; ", end="")
    print(f"{processor_name()}, {os.cpu_count()} cores{gpu}; {platform.python_version()}, {versions}\n")
    cells = [[str(cell) for cell in row] for row in [columns, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    for number, row in enumerate(cells):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    sys.stdout.flush()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
