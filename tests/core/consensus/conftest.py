"""Runs on the same images that differ in their labels."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Make = Callable[..., Path]


@pytest.fixture
def make(finished_run: Path, tmp_path: Path) -> Make:
    """Copies the finished run, and changes labels and provenance of the copy."""

    def copy(name: str, change: Callable[[np.ndarray], np.ndarray] | None = None, **provenance: Any) -> Path:
        folder = Path(shutil.copytree(finished_run, tmp_path / name))
        if change is not None:
            with (folder / "labels.csv").open(newline="") as file:
                rows = list(csv.DictReader(file))
            labels = change(np.array([int(row["label"]) for row in rows]))
            lines = [f"{row['index']},{row['name']},{label},{row['confidence']}\n" for row, label in zip(rows, labels)]  # noqa: B905
            (folder / "labels.csv").write_text("index,name,label,confidence\n" + "".join(lines))
        known = json.loads((folder / "provenance.json").read_text())
        (folder / "provenance.json").write_text(json.dumps({**known, **provenance}))
        return folder

    return copy
