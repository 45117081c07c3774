"""Every built-in part fulfils the contracts, checked by the same kit that plugin authors use."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decda.core.files import Files
from decda.testing import contract_tests

DATA = Path(os.environ.get("DECDA_DATA") or Path(__file__).parents[2] / "shared" / "data")
OWN = {"dataset:folder": {"path": Path("pictures")}, "dataset:arrays": {"path": Path("own.npz")}}


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of pictures in two classes, and an array with labels."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).integers(0, 256, (8, 10, 9, 3), dtype=np.uint8)
    np.savez("own.npz", x=x, y=np.arange(8) % 2)
    for number, pixels in enumerate(x):
        folder = Path("pictures", "ab"[number % 2])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{number}.png")


test_contracts = contract_tests("decda", files=Files(DATA, offline=True), parameters=OWN)
