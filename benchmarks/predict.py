"""How much memory does `decda predict` need for a set that is larger than it, and how fast is it?

    python benchmarks/predict.py --images 200000 --side 64

Colour images are generated as one `.npy` of bytes, as one of floats, and as a folder of PNG files (a few hundred
different ones under many names, because writing takes long). Each set goes through `decda predict` in a process of its
own, which writes labels and embeddings. Peak memory is what the system says of that process, with PyTorch and the pages
of mapped files.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import measure
import numpy as np
from PIL import Image

BLOCK = 1000
"""Images that are generated together."""
MEASURED = """
import resource, runpy, sys
sys.argv[0] = "decda"
try:
    runpy.run_module("decda", run_name="__main__", alter_sys=False)
finally:
    with open("peak", "w") as file:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=file)
"""
"""Runs the command line and leaves the peak of its memory in a file, in KiB."""


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2,000 images of 16x16: shows that it runs")
    parser.add_argument("--images", type=int, default=200_000, help="default: %(default)s")
    parser.add_argument("--side", type=int, default=64, help="default: %(default)s")
    parser.add_argument("--encoder", default="conv", help="default: %(default)s")
    parser.add_argument("--kinds", default="bytes,floats,folder", help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="where the images are made; default: a temporary folder")
    return parser.parse_args()


def blocks(n: int, side: int) -> Iterator[np.ndarray]:
    """Generate images: noise over one of ten gray levels, in colour.

    Args:
        n: how many.
        side: in pixels.

    Yields:
        uint8 (M, side, side, 3).
    """
    for start in range(0, n, BLOCK):
        rng = np.random.default_rng(start)
        level = rng.integers(0, 10, (min(BLOCK, n - start), 1, 1, 1), dtype=np.uint8) * np.uint8(20)
        yield level + rng.integers(0, 60, (len(level), side, side, 3), dtype=np.uint8)


def make_array(path: Path, n: int, side: int, dtype: type) -> None:
    """Write an array of images, block by block.

    Args:
        path: of the `.npy` file.
        n: number of images.
        side: in pixels.
        dtype: uint8, or float32 for values in [0, 1].
    """
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (n, side, side, 3)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks(n, side):
            file.write((block if dtype is np.uint8 else (block / np.float32(255)).astype(dtype)).tobytes())


def make_folder(path: Path, n: int, side: int) -> None:
    """Make a folder of PNG files, a subfolder for each thousand.

    Args:
        path: of the folder.
        n: number of files.
        side: in pixels.
    """
    originals: list[Path] = []
    pictures = next(blocks(min(n, BLOCK), side))
    for number in range(n):
        file = path / f"{number // BLOCK:04}" / f"{number:06}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        if number < len(pictures):
            Image.fromarray(pictures[number]).save(file)
            originals.append(file)
        else:
            os.link(originals[number % len(originals)], file)


def decda(*words: object, folder: Path) -> float:
    """Run the command line.

    Args:
        *words: its arguments.
        folder: the working folder.

    Returns:
        The peak of its memory in MiB.
    """
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, words)], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"decda {words[0]} failed:\n{done.stderr}")
    return int((folder / "peak").read_text()) / 1024


def row(kind: str, args: argparse.Namespace, folder: Path) -> list[str]:
    """Make a set of images and assign it.

    Args:
        kind: `bytes`, `floats` or `folder`.
        args: the options.
        folder: the working folder, with a run in it.

    Returns:
        Its row of the table.
    """
    path = folder / (kind if kind == "folder" else f"{kind}.npy")
    if not path.exists():
        if kind == "folder":
            make_folder(path, args.images, args.side)
        else:
            make_array(path, args.images, args.side, np.uint8 if kind == "bytes" else np.float32)
    for name in ("labels.csv", "z.npy"):
        (folder / name).unlink(missing_ok=True)
    start = time.perf_counter()
    peak = decda(
        "predict", "run", path, "--out", "labels.csv", "--embeddings", "z.npy", "--threads", args.threads,
        folder=folder,
    )  # fmt: skip
    seconds = time.perf_counter() - start
    rows = sum(1 for _ in (folder / "labels.csv").open()) - 1
    if rows != args.images or np.load(folder / "z.npy", mmap_mode="r").shape[0] != rows:
        sys.exit(f"{kind}: {rows} of {args.images} images were assigned")
    pixels = args.images * args.side**2 * 3 * (4 if kind == "floats" else 1)
    return [
        kind,
        f"{args.images:,}",
        f"{pixels / 2**20:,.0f}",
        f"{seconds:.0f}",
        f"{rows / seconds:,.0f}",
        f"{peak:,.0f}",
    ]


def main() -> None:
    """Print the table."""
    args = arguments()
    if args.quick:
        args.images, args.side = 2000, 16
    else:
        measure.wait_until_quiet()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (args.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        make_array(folder / "train.npy", 500, args.side, np.uint8)
        if not (folder / "run").exists():
            decda(
                "train", "--images", "train.npy", "--n-clusters", "10", "--encoder", args.encoder, "--out", "run",
                "--set", "train.pretrain_epochs=1", "--set", "train.max_iter=5", folder=folder,
            )  # fmt: skip
        rows = [row(kind, args, folder) for kind in args.kinds.split(",")]
    columns = ("images", "number", "MiB of pixels", "s", "images/s", "peak MiB")
    measure.print_table(f"Predict, {args.side}x{args.side} in colour, {args.encoder}", columns, rows)


if __name__ == "__main__":
    main()
