"""What Python users hand over, as parts of a configuration."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import decda
from decda.core.config.own_images import instead
from decda.core.errors import ConfigError, DataError, UnknownComponent
from decda.core.parts.registry import Registry
from decda.inputs import as_dataset, as_path

FEW = {"pretrain_epochs": 1, "max_iter": 2, "update_interval": 1}


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ("digits", None),
        ("decda:digits", None),
        ("digitz", None),
        ("", None),
        (" ", None),
        (np.zeros(3), None),
        ("here", Path("here")),
        ("a:b/c", Path("a:b/c")),
        ("nope/x", Path("nope/x")),
        ("./digits", Path("digits")),
        ("~nobody-of-that-name/x", Path("~nobody-of-that-name/x")),
        (Path("digits"), Path("digits")),
    ],
)
def test_names_and_paths(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: object, path: Path | None
) -> None:
    """A registered name is a name, also where a folder is called so; what looks like a path, or is there, is one."""
    monkeypatch.chdir(tmp_path)
    Path("digits").mkdir()
    Path("here").mkdir()
    assert as_path(registry, data) == path


def test_a_home_folder(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is the home of the user."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert as_path(registry, "~/photos") == tmp_path / "photos"


def test_settings_of_a_path_and_of_an_array(registry: Registry, tmp_path: Path) -> None:
    """Scale, shape and channels are settings of the data set; labels go with an array."""
    own = registry.copy()
    (tmp_path / "x.npy").touch()
    table = as_dataset(own, tmp_path / "x.npy", scale=255, image_shape=[8, 8], channels="last")
    assert table == {
        "name": "arrays", "path": tmp_path / "x.npy", "scale": "255", "shape": (8, 8), "channels": "last",
    }  # fmt: skip
    assert as_dataset(own, np.zeros((3, 4)), scale=2.5) == {"name": "local:array", "scale": "2.5"}
    with pytest.raises(ConfigError, match="Labels go with an array"):
        as_dataset(own, tmp_path / "x.npy", labels=[1])
    with pytest.raises(DataError, match="There is nothing at"):
        as_dataset(own, "nope/x")
    with pytest.raises(ConfigError, match="image_shape must be"):
        as_dataset(own, np.zeros((3, 4)), image_shape=8)
    with pytest.raises(UnknownComponent, match="Unknown dataset ''"):
        decda.train("", n_clusters=2)


def test_another_set_takes_nothing_over(tmp_path: Path) -> None:
    """With the configuration of another run, its labels and the numbers that scaled its images are not used again."""
    rows = np.random.default_rng(0).normal(size=(20, 3))
    np.save(tmp_path / "one.npy", rows)
    np.save(tmp_path / "two.npy", rows * 5 + 7)
    np.save(tmp_path / "labels.npy", np.arange(20) % 2)
    first = decda.train(
        {"name": "arrays", "path": tmp_path / "one.npy", "labels": tmp_path / "labels.npy"},
        train=FEW, recipe="auto", out=tmp_path / "one", progress=False,
    )  # fmt: skip
    again = decda.train(
        tmp_path / "two.npy", config=tmp_path / "one" / "config.toml", out=tmp_path / "two", progress=False
    )
    assert first.metrics["acc"] is not None
    assert again.metrics["acc"] is None
    center = again.config.dataset.parameters["center"]
    assert np.allclose(center, (rows * 5 + 7).mean(0))
    assert instead({"name": "folder", "path": tmp_path}) == {"name": "folder", "path": tmp_path}


def test_two_folders_of_the_same_look(tmp_path: Path) -> None:
    """Equal names, sizes and times do not make another folder the same in the cache."""
    import os

    found = []
    for gray, name in ((40, "one"), (200, "two")):
        (tmp_path / name).mkdir()
        for number in range(6):
            file = tmp_path / name / f"{number}.bmp"
            Image.new("L", (8, 8), gray + number).save(file)
            os.utime(file, (1_000_000_000, 1_000_000_000))
        run = decda.train(tmp_path / name, n_clusters=2, train=FEW, out=tmp_path / f"run-{name}", progress=False)
        found.append((run.folder / "provenance.json").read_text().partition('"data_sha256": ')[2][:66])
    assert found[0] != found[1]
