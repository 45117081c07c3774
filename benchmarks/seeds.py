"""Times several seeds against a single one: `decda train --seeds` in turns with `decda train --seed`.

The time is that of the whole process, including its start and imports. On a CPU the single seed has one thread, as does
each of several; on a GPU the seeds share the device. The table also compares two simultaneous runs with two threads
each, which users may start carelessly, with one such run.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure

QUICK = ("dataset.size=8", "train.pretrain_epochs=1", "train.max_iter=4")


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values; those of `decda train` are passed on to it.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small images, 1 epoch, 4 iterations: shows that it runs")
    parser.add_argument("--recipe", default="quick", help="default: %(default)s")
    parser.add_argument("--dataset", default="digits", help="default: %(default)s")
    parser.add_argument("--device", default="cpu", help="default: %(default)s")
    parser.add_argument("--turns", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--set", action="append", default=[], metavar="PART.PARAMETER=VALUE", help="may be repeated")
    return parser.parse_args()


def start(args: argparse.Namespace, out: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start `decda train` in a process whose environment does not set the number of threads.

    Args:
        args: the options of the benchmark.
        out: the folder of the run.
        *words: further options of `decda train`.

    Returns:
        The process.
    """
    settings = [f"--set={setting}" for setting in [*(QUICK if args.quick else ()), *args.set]]
    parts = [f"--recipe={args.recipe}", f"--dataset={args.dataset}", f"--device={args.device}", f"--out={out}"]
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    command = [sys.executable, "-m", "decda", "train", *parts, *settings, *words, "--json"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)


def seconds(args: argparse.Namespace, *runs: tuple[str, ...]) -> float:
    """Time one or several simultaneous runs.

    Args:
        args: the options of the benchmark.
        *runs: further options of `decda train` for each run.

    Returns:
        The time in seconds from the start of all runs to the end of the last.
    """
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        started = [start(args, Path(folder) / str(number), *words) for number, words in enumerate(runs)]
        if any([process.wait() for process in started]):
            sys.exit(f"decda train {' '.join(runs[0])} failed.")
        return time.perf_counter() - begin


def main() -> None:
    """Measure in turns, and print the table."""
    args = arguments()
    one, two = ("--seed=0", "--threads=1"), ("--seed=0", "--threads=2")
    variants: dict[str, list[tuple[str, ...]]] = {"seed 0 alone": [one]}
    if args.quick:
        variants |= {"--seeds 0-1": [("--seeds=0-1",)]}
    else:
        variants |= {"--seeds 0-3": [("--seeds=0-3",)], "--seeds 0-4": [("--seeds=0-4",)]}
        if args.device == "cpu":
            variants |= {"seed 0 alone, 2 threads": [two], "two of these at once": [two, two]}
        measure.wait_until_quiet()
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(1 if args.quick else args.turns):
        for name, runs in variants.items():
            taken[name].append(seconds(args, *runs))
    medians = {name: measure.Timing.of(each).median for name, each in taken.items()}
    alone = medians["seed 0 alone"]
    rows = [
        (name, f"{medians[name]:.1f} ({min(each):.1f}-{max(each):.1f})", f"{medians[name] / alone:.2f}")
        for name, each in taken.items()
    ]
    columns = ("decda train", "wall s", "of seed 0 alone")
    measure.print_table(f"Seeds: {args.recipe}, {args.dataset}, {args.device}", columns, rows)


if __name__ == "__main__":
    main()
