"""How time and memory grow with the number of images and with the number of clusters.

    python benchmarks/scale.py --out scale.json --plot scale.svg

The digits of scikit-learn (8x8) with noise are written to a file, which is mapped; each N and each K is measured by
`scale_point.py` in a process of its own. Slopes are those of straight lines through the points in a log-log plot: 1 for
a cost that grows in proportion. Operations are compared with the fastest matrix product, bytes with the fastest copy.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import measure
import numpy as np
import torch
from scale_point import CLOCKS, MIB, add_options
from sklearn.datasets import load_digits

Measured = dict[str, Any]
BLOCK = 100_000
"""Images that are written together."""
POINT = Path(__file__).with_name("scale_point.py")
PASSED_ON = ("recipe", "images", "steps", "refreshes", "restarts", "threads", "clock")
TERMS = {
    "plan": "plan",
    "pretrain_step": "step of pretraining",
    "pretrain_epoch": "epoch of pretraining",
    "embed": "embedding",
    "start": "start",
    "cluster_step": "step of clustering",
    "target": "target and labels",
    "refresh": "refresh",
    "peak_mib": "peak MiB",
}
"""What is measured, and how the table calls it; a refresh is an embedding, then target and labels."""


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, its figures mean nothing")
    parser.add_argument("--sizes", default="10000,100000,1000000,10000000", help="N; default: %(default)s")
    parser.add_argument("--clusters", default="10,30,100,300,1000", help="K; default: %(default)s")
    parser.add_argument("--by-clusters-size", type=int, default=100_000, help="N for all K; default: %(default)s")
    parser.add_argument("--folder", type=Path, help="where the images are written; default: a temporary folder")
    parser.add_argument("--out", type=Path, help="a file for what was measured: .json or .csv")
    parser.add_argument("--plot", type=Path, help="a file for the picture: .svg, .png or what else matplotlib writes")
    parser.add_argument("--draw", type=Path, help="draw a file that --out has written as .json; measure nothing")
    add_options(parser)
    options = parser.parse_args()
    if options.quick:
        options.sizes, options.clusters, options.by_clusters_size = "600,1200", "2,10", 600
        options.steps, options.refreshes = 2, 1
    return options


def write_images(path: Path, n: int) -> None:
    """Write digits with noise as an array of bytes, block by block.

    Args:
        path: of the `.npy` file.
        n: how many.
    """
    digits = (load_digits().images * 15).astype(np.uint8)  # (1797, 8, 8), up to 240
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (n, *digits.shape[1:])}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, n, BLOCK):
            rng = np.random.default_rng(start)
            size = min(BLOCK, n - start)
            noise = rng.integers(0, 16, (size, *digits.shape[1:]), dtype=np.uint8)
            file.write((digits[rng.integers(0, len(digits), size)] + noise).tobytes())


def point(file: Path, n: int, k: int, options: argparse.Namespace) -> Measured:
    """Measure one N and K in a process of its own.

    Args:
        file: of the images.
        n: number of images.
        k: number of clusters.
        options: of the command line.

    Returns:
        What `scale_point.py` says.
    """
    words = [f"--{name}={getattr(options, name)}" for name in PASSED_ON]
    command = [sys.executable, str(POINT), str(file), str(n), str(k), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{n:,} images in {k:,} clusters could not be measured:\n{done.stderr}")
    measured: Measured = json.loads(done.stdout)
    print(f"{n:,} images in {k:,} clusters: {measured['peak_mib']:,.0f} MiB", file=sys.stderr)
    return measured


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """The slope of the straight line that fits best in a log-log plot.

    Args:
        x: of each point, above 0.
        y: of each point.

    Returns:
        1 for a cost in proportion to x, 0 for one that does not grow; not a number where a cost is 0.
    """
    if min(y) <= 0:
        return float("nan")
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def limits(side: int, size: int, clock: Callable[[], float]) -> tuple[float, float]:
    """What the machine can do at most, with the current number of threads.

    Args:
        side: rows and columns of the matrices that are multiplied.
        size: bytes that are copied.
        clock: one of `CLOCKS`.

    Returns:
        Operations a second of the fastest product; bytes a second, read and written, of the fastest copy.
    """
    a, b = torch.randn(side, side), torch.randn(side, side)
    here, there = (torch.ones(size // 4) for _ in range(2))
    fastest = []
    calls: tuple[Callable[[], object], ...] = (lambda: a @ b, lambda: there.copy_(here))
    for call in calls:
        taken = []
        for _ in range(10):
            begun = clock()
            call()
            taken.append(clock() - begun)
        fastest.append(max(min(taken), 1e-9))
    return 2 * side**3 / fastest[0], 2 * size / fastest[1]


def print_terms(title: str, axis: str, points: Sequence[Measured]) -> None:
    """Print a table: a row for each point, and the slopes.

    Args:
        title: its heading.
        axis: `n_samples` or `n_clusters`.
        points: what was measured.
    """
    rows = [[f"{p[axis]:,}", *(figure(p[name]) for name in TERMS)] for p in points]
    x = [p[axis] for p in points]
    rows.append(["slope", *(f"{slope(x, [p[name] for p in points]):.2f}" for name in TERMS)])
    columns = ("images" if axis == "n_samples" else "clusters", *TERMS.values())
    measure.print_table(title, columns, rows)


def print_limits(points: Sequence[Measured], top: float, copied: float) -> None:
    """Print how far the parts are from what the machine can do.

    Args:
        points: what was measured.
        top: the fastest matrix product, in operations a second.
        copied: the fastest copy, in bytes a second.
    """
    rows = []
    for p in points:
        n, k, d = p["n_samples"], p["n_clusters"], p["dimensions"]
        step = p["batch"] * p["step_flop"] / p["pretrain_step"]
        embed = n * p["embed_flop"] / p["embed"]
        # Twice the distances, to the centers before and after: subtract, square, add.
        target = 2 * 3 * n * k * d / p["target"]
        # Soft assignments are written, the target too, and it is copied: at least six passes over N x K floats.
        least = 6 * 4 * n * k / copied
        shares = (f"{step / top:.0%}", f"{embed / top:.0%}", f"{target / top:.1%}", f"{least / p['target']:.0%}")
        beyond = (p["peak_mib"] - p["importing_mib"]) * MIB / n
        rows.append([f"{n:,}", f"{k:,}", *shares, f"{beyond:,.0f}", f"{8 * k + 4 * d:,}"])
    columns = (
        "images", "clusters", "step, of peak", "embedding, of peak", "target, of peak", "target, of bandwidth",
        "bytes an image", "N x K twice, and N x D",
    )  # fmt: skip
    title = f"Limits: {top / 1e9:.0f} GFLOP/s in a product, {copied / 1e9:.1f} GB/s in a copy"
    measure.print_table(title, columns, rows)


def figure(value: float) -> str:
    """Three significant digits.

    Args:
        value: at least 0.

    Returns:
        The text.

    Example:
        >>> figure(0.01234), figure(12345.0)
        ('0.0123', '12,345')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw time and memory by images and by clusters.

    Args:
        result: as `--out` writes it.
        path: of the picture.
    """
    style: dict[Any, Any] = {"font.size": 9, "svg.hashsalt": "decda"}
    with plt.rc_context(style):
        grid, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained", height_ratios=(2, 1))
        for column, (axis, name) in enumerate((("n_samples", "images"), ("n_clusters", "clusters"))):
            points = result[axis]
            x = [p[axis] for p in points]
            for term, label in TERMS.items():
                y = [p[term] for p in points]
                row = 1 if term == "peak_mib" else 0
                if term != "plan" and min(y) > 0:
                    axes[row, column].loglog(x, y, marker="o", markersize=3, label=f"{label}, slope {slope(x, y):.2f}")
            axes[0, column].set_ylabel("seconds")
            axes[1, column].set_ylabel("MiB")
            axes[1, column].set_xlabel(name)
            for row in (0, 1):
                axes[row, column].grid(alpha=0.3)
                axes[row, column].legend(
                    loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize=7, frameon=False
                )
        metadata = {"Date": None} if path.suffix == ".svg" else None
        grid.savefig(path, metadata=metadata)
        plt.close(grid)


def write(result: dict[str, Any], path: Path) -> None:
    """Write what was measured.

    Args:
        result: points by `n_samples` and by `n_clusters`, and the limits of the machine.
        path: ends in `.json`, or `.csv` for the points alone.
    """
    if path.suffix == ".json":
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        return
    points = [{"by": axis, **p} for axis in ("n_samples", "n_clusters") for p in result[axis]]
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, points[0])
        table.writeheader()
        table.writerows(points)


def main() -> None:
    """Measure, print the tables, and draw."""
    options = arguments()
    if options.draw:
        draw(json.loads(options.draw.read_text(encoding="utf-8")), options.plot)
        return
    if options.out and options.out.suffix not in (".json", ".csv"):
        sys.exit(f"--out must end in .json or .csv: {options.out}")
    sizes, clusters = ([int(n) for n in text.split(",")] for text in (options.sizes, options.clusters))
    if not options.quick and options.clock == "wall":
        measure.wait_until_quiet()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "images.npy"
        if not file.exists():
            write_images(file, max(*sizes, options.by_clusters_size))
        wanted = [(n, 10) for n in sizes], [(options.by_clusters_size, k) for k in clusters]
        points = {(n, k): point(file, n, k, options) for n, k in sorted({*wanted[0], *wanted[1]})}
    # Afterwards: the system counts the memory of this process as that of those it starts, where they have less.
    torch.set_num_threads(options.threads)
    top, copied = limits(64 if options.quick else 2048, 2**20 if options.quick else 2**29, CLOCKS[options.clock])
    by_size, by_clusters = ([points[each] for each in some] for some in wanted)
    result = {"n_samples": by_size, "n_clusters": by_clusters, "flop_s": top, "bytes_s": copied}
    restarts = f"{options.restarts} restart{'' if options.restarts == 1 else 's'} of k-means"
    seconds = "Seconds" if options.clock == "wall" else "Processor seconds"
    print_terms(f"{seconds} by the number of images: {options.recipe}, 8x8, K = 10, {restarts}", "n_samples", by_size)
    size = f"{options.by_clusters_size:,} images"
    print_terms(f"{seconds} by the number of clusters: {options.recipe}, {size}, {restarts}", "n_clusters", by_clusters)
    print_limits([*by_size, *by_clusters], top, copied)
    if options.out:
        write(result, options.out)
    if options.plot:
        draw(result, options.plot)


if __name__ == "__main__":
    main()
