"""The images that a run was made of are found again, or it is said why not."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from decda.core.contracts import ImageSet
from decda.core.errors import DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.inference import load_run
from decda.core.runs.recall import recall_images
from decda.core.runs.run import Run

FILES = Files(offline=True)


@pytest.fixture(scope="module")
def run(finished_run: Path, registry: Registry) -> Run:
    return load_run(finished_run, registry)


def test_four_ways(run: Run, registry: Registry, tmp_path: Path) -> None:
    """As the run loaded them, as an array, as a file, or as they are: the images are the same."""
    first = recall_images(run, None, registry, FILES)
    assert first.y is not None
    np.save(tmp_path / "x.npy", first.x.numpy())
    for images in (first, first.x.numpy(), tmp_path / "x.npy", str(tmp_path / "x.npy")):
        assert torch.equal(recall_images(run, images, registry, FILES).x, first.x)


@pytest.mark.parametrize("change", ["fewer", "order", "pixels", "shape"])
def test_other_images_are_refused(run: Run, registry: Registry, change: str) -> None:
    """Images of another number, order, content or shape are not those of the run."""
    x = recall_images(run, None, registry, FILES).x.clone()
    other = {"fewer": x[:9], "order": x.flip(0), "pixels": 1 - x, "shape": torch.rand(1797, 1, 9, 9)}[change]
    with pytest.raises(DataError):
        recall_images(run, other.numpy(), registry, FILES)


def test_what_a_run_has_in_hand_is_not_measured_again(run: Run, registry: Registry) -> None:
    """At the end of a run its own images are taken as they are, without a digest; only their number is looked at."""
    images = ImageSet(torch.zeros(1797, 1, 8, 8))
    assert recall_images(run, images, registry, FILES) is images
    with pytest.raises(DataError, match="5 images"):
        recall_images(run, ImageSet(torch.zeros(5, 1, 8, 8)), registry, FILES)


def test_a_data_set_that_is_gone(run: Run, registry: Registry, tmp_path: Path) -> None:
    """A data set from a notebook that nobody has any more is said to be gone, with what to do."""
    shutil.copytree(run.folder, tmp_path / "run")
    text = (tmp_path / "run" / "config.toml").read_text()
    (tmp_path / "run" / "config.toml").write_text(text.replace('"decda:digits"', '"local:mine"'))
    with pytest.raises(DataError, match="cannot be loaded again.*write them to a file"):
        recall_images(load_run(tmp_path / "run", registry), None, registry, FILES)
