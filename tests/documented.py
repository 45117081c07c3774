"""What the documentation assumes: short trainings, and a folder with images, arrays and runs of the names it uses."""

import csv
import gc
import os
import runpy
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn.functional import interpolate

import decda
from decda.core.contracts import ImageSet
from decda.core.execution import scheduling
from decda.core.studies import runner, seeds
from decda.core.training.trainer import Trainer
from decda.plugins.datasets.digits import digits
from decda.plugins.recipes import QUICK
from tests.snippets import ROOT

N_IMAGES = 40
STAND_INS = {"usps.usps": 16, "idx.mnist": 28, "idx.mnist_test": 28, "idx.fashion_mnist": 28}
"""Published data sets, and the height and width of their images."""
LIMITS = {"pretrain_epochs": 1, "max_iter": 4, "update_interval": 2, "start_refreshes": 1}
"""Of every training."""
IMAGES = np.random.default_rng(0).random((40, 20, 24, 3))
"""What `images` is in a block of Python."""
NAMED_RUNS = {"another": "another", "first": "of-images-1", "second": "of-images-2"}
"""Variables of blocks of Python, and the folders of the runs that they are."""
RUNS = {"docs/own-images.md": "runs/of-photos", "docs/tutorial.md": "runs/of-photos"}
"""Which run `RUN` stands for in a page; else one of USPS."""


def few_digits(side: int) -> Callable[[], ImageSet]:
    """A data set of a few digits.

    Args:
        side: their height and width.

    Returns:
        A function that takes the place of one that reads published files.
    """

    def load() -> ImageSet:
        bunch = load_digits()
        x = torch.from_numpy(bunch.images[:N_IMAGES]).float().unsqueeze(1) / 16
        return ImageSet(interpolate(x, size=(side, side)), torch.from_numpy(bunch.target[:N_IMAGES]).long())

    return load


def some_digits(*, size: int = 8) -> ImageSet:
    """The first digits of the data set of this name.

    Args:
        size: as of the whole.

    Returns:
        `N_IMAGES` of them.
    """
    whole = digits(size=size)
    assert whole.y is not None
    return ImageSet(whole.x[:N_IMAGES], whole.y[:N_IMAGES])


@contextmanager
def shortened() -> Iterator[None]:
    """Make every training short, on few images, and several of them in this process, whatever a page asks for.

    Configurations stay as they are: what they say is composed and checked as for a real run.

    Yields:
        Nothing; all of it ends with the block.
    """
    make, run_jobs = Trainer.__init__, scheduling.run_jobs

    def short(self: Trainer, images: Any, model: Any, config: Any, **words: Any) -> None:
        few = {name: min(limit, getattr(config, name) or limit) for name, limit in LIMITS.items()}
        make(self, images, model, replace(config, **few), **words)

    def here(*words: Any, **named: Any) -> None:
        run_jobs(*words, **{**named, "executor": None, "here": True, "checkpoint_every": 0})

    gc.freeze()  # what the tests before have left would be looked through after every run
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "__init__", short)
        for module in (runner, seeds):
            patch.setattr(module, "run_jobs", here)
        for name, side in STAND_INS.items():
            patch.setattr(f"decda.plugins.datasets.{name}", few_digits(side))
        patch.setattr("decda.plugins.datasets.digits.digits", some_digits)
        patch.setitem(QUICK, "start", "kmeans")
        patch.setattr(os, "fsync", lambda file: None)
        yield
    gc.unfreeze()


def prepare(folder: Path) -> None:
    """Fill a folder with what pages assume to be there, by training for a moment within `shortened`.

    Args:
        folder: the current folder, empty.
    """
    random = np.random.default_rng(0)
    draw = runpy.run_path(str(ROOT / "docs" / "pictures" / "photos.py"))["draw_photos"]
    for name, count in (("photos", 30), ("new-photos", 8)):
        draw(folder / name, count, damaged=name == "photos")
    shutil.copytree(folder / "new-photos", folder / "new-images")
    np.save("new.npy", random.integers(0, 256, (6, 48, 48, 3), dtype=np.uint8))  # as `photos` are
    np.save("features.npy", random.standard_normal((60, 16)))
    with Path("genes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["a", "b", "c"], *random.standard_normal((40, 3)).round(3).tolist()])
    decda.train("digits", recipe="quick", out="runs/quick-digits-seed0-1", progress=False)
    of_photos = decda.train("photos", n_clusters=5, out="runs/of-photos", progress=False)
    shutil.copytree(of_photos.folder, "run")
    run = decda.train("usps", recipe="convdec-da", out="runs/another", progress=False)
    for name in ("runs/a-third", "RUN"):
        shutil.copytree(run.folder, name)
    for seed in (1, 2):
        decda.train(IMAGES, n_clusters=4, seed=seed, out=f"runs/of-images-{seed}", progress=False)


def prepare_page(name: str, world: Path, folder: Path) -> dict[str, Any]:
    """Fill a folder with what one page assumes.

    Args:
        name: of the page.
        world: filled by `prepare`.
        folder: where the snippets of the page run.

    Returns:
        Variables that pages use without setting them.
    """
    shutil.copytree(world, folder, dirs_exist_ok=True)
    if name in RUNS:
        shutil.rmtree(folder / "RUN")
        shutil.copytree(folder / RUNS[name], folder / "RUN")
    runs = {name: decda.load(folder / "runs" / value) for name, value in NAMED_RUNS.items()}
    return {"__name__": "__main__", "decda": decda, "images": IMAGES, "new_images": IMAGES[:5], **runs}
