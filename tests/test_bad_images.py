"""Images that cannot be clustered end in one message that names the data set, and in exit code 3."""

from pathlib import Path

import pytest

from tests.conftest import SHORT, Here

PARTS = """
import torch
from decda.core.contracts import ImageSet

def make(x):
    def images() -> ImageSet:
        return ImageSet(x)
    return images

def register(registry):
    x = torch.rand(30, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    spoiled = x.clone()
    spoiled[7, 0, 2, 2] = {value}
    sets = {{
        "spoiled": spoiled,
        "none": x[:0],
        "one": x[:1],
        "few": x[:2],
        "flat": x[:, :, :0],
        "constant": x[:1].repeat(30, 1, 1, 1),
        "black": torch.zeros(30, 1, 4, 4, dtype=torch.uint8),
        "duplicates": x[:2].repeat(15, 1, 1, 1),
    }}
    for name, images in sets.items():
        registry.add("dataset", name, make(images))
"""


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "spoiled",
            "float('nan')",
            "1 of 30 images have pixels that are not finite (NaN or infinite); the first is image 7",
        ),
        ("spoiled", "float('-inf')", "1 of 30 images have pixels that are not finite"),
        ("spoiled", "1e30", "1 of 30 images have pixels that are not in [0, 1]; the first is image 7"),
        ("none", "0", "holds no pixels: its images have the shape (0, 1, 4, 4)"),
        ("flat", "0", "holds no pixels: its images have the shape (30, 1, 0, 4)"),
        ("one", "0", "Clustering needs at least 2 images; the data set 'one' has 1"),
        ("few", "0", "n_clusters must be at least 1 and at most the number of images, 2; it is 3"),
        ("constant", "0", "cannot be divided into 3 clusters: all its 30 images are equal. Give other images."),
        ("black", "0", "cannot be divided into 3 clusters: all its 30 images are equal"),
        ("duplicates", "0", "cannot be divided into 3 clusters: only 2 of its 30 images are distinct"),
    ],
)
def test_images_that_cannot_be_clustered(name: str, value: str, message: str, tmp_path: Path, here: Here) -> None:
    """No images, one, too few, equal ones, and pixels that are not finite are refused before anything is written."""
    (tmp_path / "mine.py").write_text(PARTS.format(value=value))
    settings = [word for setting in SHORT[1:] for word in ("--set", setting)]
    code, out, err = here(
        "train", "--load", "mine.py", "--dataset", name, "--encoder", "fc", "--n-clusters", "3", *settings
    )
    assert (code, out) == (3, ""), err
    assert message in err.replace("\n", " ")
    assert f"'{name}'" in err or name == "few"
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def test_images_of_few_values_are_clustered(tmp_path: Path, here: Here) -> None:
    """As many different images as clusters suffice."""
    (tmp_path / "mine.py").write_text(PARTS.format(value="0"))
    settings = [word for setting in SHORT[1:] for word in ("--set", setting)]
    code, _, err = here(
        "train", "--load", "mine.py", "--dataset", "duplicates", "--encoder", "fc", "--n-clusters", "2", *settings
    )
    assert code == 0, err
