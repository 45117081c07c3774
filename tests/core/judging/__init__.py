"""Folders of runs with clusters that a test chooses."""

import csv
import shutil
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits


def clusters_of_pixels() -> np.ndarray:
    """Clusters of `digits` that keep together what looks alike."""
    return KMeans(10, n_init=2, random_state=0).fit_predict(load_digits().data).astype(np.int64)


def random_clusters() -> np.ndarray:
    """Clusters of `digits` that mean nothing."""
    return np.random.default_rng(0).integers(0, 10, 1797)


def relabelled(run: Path, folder: Path, labels: np.ndarray | None, confidence: float = 0.9) -> Path:
    """A copy of a run with other labels; with None, with its own."""
    shutil.copytree(run, folder)
    if labels is not None:
        with open(folder / "labels.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("index", "name", "label", "confidence"))
            writer.writerows((i, "", label, confidence) for i, label in enumerate(labels.tolist()))
    return folder
