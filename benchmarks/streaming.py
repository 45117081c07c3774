"""What does it cost to train on images that stay in a file, and how much memory does it take?

    python benchmarks/streaming.py --gigabytes 4

Colour images of 32x32 are written to one `.npy`. Each arm, in a process of its own, maps the file and makes steps of
pretraining of ConvDEC-DA and embeds images: `resident`, where the system keeps in memory what was looked at, and
`streamed`, where batches are read ahead in threads. Arms take turns. Peak memory is what the system says of a process,
with PyTorch, and with the pages of mapped files. `--whole` trains once by the command line, for its peak.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
import numpy as np
import torch
from predict import decda, make_array

from decda.core.arrays import ArraySource, read_array_file
from decda.core.config.composition import compose
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import build_model
from decda.core.training.trainer import Trainer

SIDE = 32
MODES = ("resident", "streamed")


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, its figures mean nothing")
    parser.add_argument("--gigabytes", type=float, default=4.0, help="of pixels; default: %(default)s")
    parser.add_argument("--encoder", default="conv", help="default: %(default)s")
    parser.add_argument("--steps", type=int, default=100, help="of each arm and round; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="where the images are made; default: a temporary folder")
    parser.add_argument("--whole", action="store_true", help="train once on all images, streamed")
    parser.add_argument("--arm", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def peak() -> float:
    """The peak of the memory of this process.

    Returns:
        In MiB.
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def arm(mode: str, args: argparse.Namespace) -> dict[str, float]:
    """Make steps and embed images.

    Args:
        mode: of the images.
        args: the options.

    Returns:
        Images trained and embedded in a second, and the peak of the memory in MiB.
    """
    torch.set_num_threads(1)
    x = ArraySource(read_array_file(args.folder / "images.npy")[0]).whole()
    assert x is not None
    registry = Registry.discover()
    config = compose(registry, recipe=f"{args.encoder}dec-da", n_clusters=10).resolved(len(x), None)
    model = build_model(config, registry, tuple(x.shape[1:]))
    trainer = Trainer(x, model, config.train, seed=0, images_mode=mode)
    steps = trainer.steps()
    for _ in range(min(10, args.steps)):
        next(steps)
    start = time.perf_counter()
    for _ in range(args.steps):
        next(steps)
    trained = args.steps * trainer.batches.size / (time.perf_counter() - start)
    parts = trainer.images.parts(1024)
    next(parts)
    start, n = time.perf_counter(), 0
    with torch.no_grad():
        while n < args.steps * 512 and (part := next(parts, None)) is not None:
            model.encode(part)
            n += len(part)
    return {"trained": trained, "embedded": n / (time.perf_counter() - start), "peak": peak()}


def whole(args: argparse.Namespace, n: int) -> None:
    """Train once on all images by the command line, and print what it took.

    Args:
        args: the options.
        n: number of images.
    """
    start = time.perf_counter()
    memory = decda(
        "train", "--images", "images.npy", "--n-clusters", "10", "--encoder", args.encoder, "--threads", "2",
        "--recipe", "auto", "--start", "kmeans", "--out", f"run-{time.time_ns()}",
        "--set", "train.images=streamed", "--set", "train.pretrain_epochs=1", "--set", "train.max_iter=280",
        "--set", "train.keep=end", "--set", "train.precision=auto", "--set", "train.start_refreshes=0",
        folder=args.folder,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    rows = [(args.encoder, f"{n:,}", f"{args.gigabytes:g}", f"{seconds:.0f}", f"{memory:,.0f}")]
    measure.print_table("A whole run, streamed", ("network", "images", "GB of pixels", "s", "peak MiB"), rows)


def main() -> None:
    """Measure, and print the table."""
    args = arguments()
    if args.arm:
        print(json.dumps(arm(args.arm, args)))
        return
    if args.quick:
        args.gigabytes, args.steps, args.rounds = 0.01, 2, 1
    else:
        measure.wait_until_quiet()
    n = int(args.gigabytes * 1e9 / (SIDE * SIDE * 3))
    with tempfile.TemporaryDirectory() as temporary:
        args.folder = (args.folder or Path(temporary)).absolute()
        args.folder.mkdir(parents=True, exist_ok=True)
        if not (args.folder / "images.npy").exists():
            make_array(args.folder / "images.npy", n, SIDE, np.uint8)
        if args.whole:
            whole(args, n)
            return
        found: dict[str, list[dict[str, float]]] = {mode: [] for mode in MODES}
        for _ in range(args.rounds):
            for mode in MODES:
                command = [
                    *(sys.executable, __file__, "--arm", mode, "--folder", str(args.folder)),
                    *("--encoder", args.encoder, "--steps", str(args.steps)),
                ]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(f"{mode} failed:\n{done.stderr}")
                found[mode].append(json.loads(done.stdout))
    rows = []
    for mode, each in found.items():
        trained, embedded = (statistics.median(one[name] for one in each) for name in ("trained", "embedded"))
        base = [statistics.median(one[name] for one in found[MODES[0]]) for name in ("trained", "embedded")]
        rows.append(
            (
                mode, f"{trained:,.0f}", f"{trained / base[0]:.2f}", f"{embedded:,.0f}", f"{embedded / base[1]:.2f}",
                f"{max(one['peak'] for one in each):,.0f}",
            )
        )  # fmt: skip
    columns = ("images", "trained, images/s", "ratio", "embedded, images/s", "ratio", "peak MiB")
    measure.print_table(f"Images in a file of {args.gigabytes:g} GB, {args.encoder}, one thread", columns, rows)


if __name__ == "__main__":
    main()
