"""Times whole recipes from start to end, as users run them: `decda train` in its own process.

    python benchmarks/end_to_end.py --recipes quick,fcdec-da --dataset digits --seed 0 --set train.max_iter=1000

Wall time is that of the whole process, including the start of Python and its imports. The time of each phase is taken
from the `--json` result: placing the centers includes the k-means baseline, and clustering includes the scores at every
refresh. The time per step is the time of the phase divided by its number of steps, so an iteration includes its share
of the refreshes. All times include the progress display; without a terminal that is a line every few seconds.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import measure

QUICK = ("dataset.size=8", "train.pretrain_epochs=1", "train.max_iter=4")
COLUMNS = (
    "recipe", "data set", "device", "wall s", "pretrain s", "centers s", "cluster s", "iterations",
    "ms a pretraining step", "ms an iteration", "ACC", "NMI",
)  # fmt: skip


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values; those of `decda train` are passed on to it.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small images, 1 epoch, 4 iterations: shows that it runs")
    parser.add_argument("--recipes", default="quick,fcdec-da", help="default: %(default)s")
    parser.add_argument("--dataset", default="digits", help="default: %(default)s")
    parser.add_argument("--seed", default="0", help="default: %(default)s")
    parser.add_argument("--device", default="auto", help="default: %(default)s")
    parser.add_argument("--threads", help="default: PyTorch's")
    parser.add_argument("--data-root", help="default: as decda finds it")
    parser.add_argument("--set", action="append", default=[], metavar="PART.PARAMETER=VALUE", help="may be repeated")
    return parser.parse_args()


def train(recipe: str, args: argparse.Namespace, out: Path) -> list[str]:
    """Run one recipe.

    Args:
        recipe: its name.
        args: the options.
        out: the folder of the run.

    Returns:
        Its row of the table.
    """
    options = {name: getattr(args, name.replace("-", "_")) for name in ("dataset", "seed", "device", "threads")}
    options["data-root"] = args.data_root
    words = [f"--{name}={value}" for name, value in options.items() if value is not None]
    words += [f"--set={setting}" for setting in [*(QUICK if args.quick else ()), *args.set]]
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "decda", "train", f"--recipe={recipe}", *words, f"--out={out}", "--json"],
        stdout=subprocess.PIPE,
        stderr=None if sys.stderr.isatty() else subprocess.PIPE,
        text=True,
    )
    wall = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{recipe} failed:\n{done.stderr or ''}")
    result = json.loads(done.stdout.splitlines()[-1])
    metrics, provenance = (json.loads((out / f"{name}.json").read_text()) for name in ("metrics", "provenance"))
    steps = metrics["pretrain_epochs"] * steps_in_epoch(out, result["n_samples"])
    seconds, iterations = result["seconds"], metrics["iterations"]
    return [
        recipe,
        result["dataset"],
        provenance["device"],
        f"{wall:.1f}",
        *(f"{seconds[phase]:.2f}" for phase in ("pretrain", "init_centers", "cluster")),
        str(iterations),
        milliseconds(seconds["pretrain"], steps),
        milliseconds(seconds["cluster"], iterations),
        *("" if result[name] is None else f"{result[name]:.3f}" for name in ("acc", "nmi")),
    ]


def steps_in_epoch(run: Path, n_samples: int) -> int:
    """Count the steps in a pretraining epoch of a run.

    Args:
        run: the folder of the run.
        n_samples: number of images.

    Returns:
        The number of batches in an epoch.
    """
    config: dict[str, Any] = tomllib.loads((run / "config.toml").read_text())["train"]
    batches = n_samples / min(config["batch_size"], n_samples)
    return math.floor(batches) if config["drop_last"] else math.ceil(batches)


def milliseconds(seconds: float, steps: int) -> str:
    """Format the mean time of a step.

    Args:
        seconds: time of all steps.
        steps: their number.

    Returns:
        Milliseconds per step, "" if there were none.
    """
    return f"{seconds / steps * 1e3:.2f}" if steps else ""


def main() -> None:
    """Run the recipes one after the other, and print the table."""
    args = arguments()
    if not args.quick:
        measure.wait_until_quiet()
    with tempfile.TemporaryDirectory() as folder:
        rows = [train(name, args, Path(folder) / f"{i}-{name}") for i, name in enumerate(args.recipes.split(","))]
    threads = args.threads or os.environ.get("OMP_NUM_THREADS") or "all"
    measure.print_table(f"End to end, seed {args.seed}, threads: {threads}", COLUMNS, rows)


if __name__ == "__main__":
    main()
