"""What do checkpoints cost? Whole runs with and without them, in turns, each in its own process on one thread.

    python benchmarks/checkpoints.py --data-root DIR --turns 3 --set train.pretrain_epochs=60

The runs differ in nothing but `--checkpoint-every`; their files must be equal byte for byte. The time is that of
training, as the run records it. The cost of one checkpoint is the difference to a run that makes many, divided by their
number, because the difference that a checkpoint a minute makes is smaller than the noise.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import measure

QUICK = ("dataset.size=8", "train.pretrain_epochs=1", "train.max_iter=4")
OFTEN = 0.5
"""Seconds between two checkpoints in the run that makes many."""
EQUAL = ("labels.csv", "log.csv", "metrics.json", "model.safetensors")


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="digits, small images: shows that it runs")
    parser.add_argument("--dataset", default="usps", help="default: %(default)s")
    parser.add_argument("--recipes", default="convidec-da,fcidec-da", help="default: %(default)s")
    parser.add_argument("--turns", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--data-root", help="default: as decda finds it")
    parser.add_argument("--set", action="append", default=[], metavar="PART.PARAMETER=VALUE", help="may be repeated")
    return parser.parse_args()


def train(recipe: str, args: argparse.Namespace, every: float, out: Path) -> float:
    """Make one run.

    Args:
        recipe: its name.
        args: the options.
        every: seconds between two checkpoints.
        out: its folder.

    Returns:
        The seconds that training took.
    """
    words = [f"--recipe={recipe}", f"--dataset={'digits' if args.quick else args.dataset}", f"--out={out}"]
    words += [f"--set={setting}" for setting in [*(QUICK if args.quick else ()), *args.set]]
    words += [f"--data-root={args.data_root}"] if args.data_root else []
    done = subprocess.run(
        [sys.executable, "-m", "decda", "train", *words, "--threads=1", f"--checkpoint-every={every}"],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{recipe} failed:\n{done.stderr}")
    seconds: float = json.loads((out / "provenance.json").read_text())["seconds"]["total"]
    return seconds


def compare(recipe: str, args: argparse.Namespace) -> list[str]:
    """Run a recipe in turns without checkpoints, with one a minute, and with many.

    Args:
        recipe: its name.
        args: the options.

    Returns:
        Its row of the table.
    """
    seconds: dict[float, list[float]] = {0.0: [], 60.0: [], OFTEN: []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(1 if args.quick else args.turns):
            outs = {every: Path(folder) / f"{turn}-{every:g}" for every in seconds}
            for every, out in outs.items():
                seconds[every].append(train(recipe, args, every, out))
            for name in EQUAL:
                if len({(out / name).read_bytes() for out in outs.values()}) > 1:
                    sys.exit(f"{recipe}: {name} differs with and without checkpoints")
    none, minute, often = (measure.Timing.of(times) for times in seconds.values())
    each = (often.median - none.median) / max(none.median / OFTEN, 1)
    return [
        recipe,
        f"{none.median:.1f} ({none.low:.1f}-{none.high:.1f})",
        f"{minute.median:.1f} ({minute.low:.1f}-{minute.high:.1f})",
        f"{minute.median / none.median - 1:+.2%}",
        f"{often.median:.1f}",
        f"{1000 * each:.0f}",
        f"{each / 60:.3%}",
    ]


def main() -> None:
    """Print the table."""
    args = arguments()
    columns = (
        "recipe", "s without", "s with one a minute", "difference", f"s with one every {OFTEN:g} s",
        "ms a checkpoint", "share of a minute",
    )  # fmt: skip
    if not args.quick:
        measure.wait_until_quiet()
    rows = [compare(recipe, args) for recipe in args.recipes.split(",")]
    measure.print_table("Checkpoints, one thread", columns, rows)


if __name__ == "__main__":
    main()
