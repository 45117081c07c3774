"""What does a report cost beside its run, and how large is it?

    python benchmarks/report.py --data-root DIR

Each row is a run with few epochs, and the report at its end: the seconds that the report takes, in wall time and in
processor time, and the bytes of its page. `end_to_end.py` and `docs/beyond.md` say how long whole runs take; a report
costs the same after one epoch as after hundreds. Colour images are drawn here: noise over one of ten colours.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import measure
import numpy as np
import torch

import decda

SHORT = {"pretrain_epochs": 1, "max_iter": 60, "update_interval": 30}


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-root", type=Path, help="folder of the data files")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="digits alone: shows that it runs")
    return parser.parse_args()


def colours(n: int, side: int) -> np.ndarray:
    """Draw colour images.

    Args:
        n: how many.
        side: pixels.

    Returns:
        uint8 (n, side, side, 3).
    """
    rng = np.random.default_rng(0)
    level = rng.integers(0, 10, (n, 1, 1, 3), dtype=np.uint8) * np.uint8(20)
    return level + rng.integers(0, 60, (n, side, side, 3), dtype=np.uint8)


def main() -> None:
    """Measure each set, and print the table."""
    args = arguments()
    torch.set_num_threads(args.threads)
    sets: dict[str, Any] = {"digits": "digits"}
    if not args.quick:
        sets |= {"usps": "usps", "mnist": "mnist", "100,000 in colour, 32x32": colours(100_000, 32)}
    rows = []
    for name, data in sets.items():
        if not args.quick:
            measure.wait_until_quiet()
        with tempfile.TemporaryDirectory() as folder:
            run = decda.train(
                data, n_clusters=10, recipe="quick", encoder="conv", start="kmeans", train=SHORT, out=f"{folder}/run",
                data_root=args.data_root, report=False, progress=False,
            )  # fmt: skip
            images = data if isinstance(data, np.ndarray) else None
            begin, processor = time.perf_counter(), time.process_time()
            path = run.report(images, data_root=args.data_root).save(f"{folder}/report.html")
            seconds, processor = time.perf_counter() - begin, time.process_time() - processor
            shape = "x".join(map(str, run.input_shape))
            size = path.stat().st_size / 1e6
            cells = [f"{len(run.labels):,}", shape, f"{seconds:.1f}", f"{processor:.1f}", f"{size:.1f}"]
            rows.append([name, *cells])
    measure.print_table(
        f"Report, {args.threads} thread{'' if args.threads == 1 else 's'}",
        ["set", "images", "shape", "seconds", "processor s", "MB"], rows,
    )  # fmt: skip


if __name__ == "__main__":
    main()
