"""The pictures of docs/tutorial.md, from its own commands; prints the figures that the page names."""

import csv
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from browser import photograph
from photos import contact_sheet, draw_photos
from PIL import Image
from scipy.optimize import linear_sum_assignment

OF_COLOUR = ("--augment", "affine+color", "--set", "augment.color.hue=0.5")


def make_pictures(folder: Path) -> None:
    """Run the tutorial, and picture what it makes.

    Args:
        folder: of the pictures.
    """
    with tempfile.TemporaryDirectory() as work:
        os.chdir(work)
        shown = draw_photos(Path("photos"), 300, damaged=True)
        new = draw_photos(Path("new-photos"), 24, seed=1, strange=1)
        _save(sorted(Path("photos").glob("*.jpg"))[:40], folder / "tutorial-photos.webp", columns=10)
        for name, words in (("first", ()), ("second", OF_COLOUR)):
            _decda("train", "--images", "photos", "--n-clusters", "5", *words, "--out", name)
            report = Path(name) / "report.html"
            cards = ("#cluster-0", "#cluster-4")
            photograph(report, [cards], folder / f"tutorial-{name}.webp", width=900)
            _compare(name, _column(Path(name) / "labels.csv", "label"), shown)
        photograph(Path("second/report.html"), [("#map > h2", "#map .maps")], folder / "tutorial-map.webp", width=900)
        _decda("export", "second", "--format", "clusters", "--out", "sorted")
        for cluster in sorted(Path("sorted").iterdir()):
            print(cluster.name, len(list(cluster.iterdir())))
        _decda("predict", "second", "new-photos", "--out", "labels.csv")
        table = (_column(Path("labels.csv"), column) for column in ("confidence", "distance", "name", "label"))
        doubtful = sorted(zip(*table, new, strict=True))
        print(*doubtful, sep="\n")
        _save([Path("new-photos") / row[2] for row in doubtful[:6]], folder / "tutorial-doubtful.webp", columns=6)


def _compare(name: str, labels: list[str], shown: list[str]) -> None:
    """Print what is in each cluster, and how many images the best one-to-one match of clusters and kinds gets right."""
    counts = Counter(zip(labels, shown, strict=True))
    table = np.array([[counts[label, kind] for kind in sorted(set(shown))] for label in sorted(set(labels))])
    print(name, sorted(counts.items()), table[linear_sum_assignment(-table)].sum())


def _decda(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "decda", *words], check=True)


def _column(path: Path, name: str) -> list[str]:
    with path.open(newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def _save(paths: list[Path], image: Path, *, columns: int) -> None:
    sheet = contact_sheet([Image.open(path) for path in paths], columns=columns)
    sheet.save(image, quality=85, method=6)
