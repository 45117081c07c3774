"""`decda train --images`: a folder or a file of one's own."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_wine

from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.images import load_images
from decda.core.runs.naming import RUNS
from decda.plugins.datasets.folder import FolderImages
from tests.conftest import Here

FEW = ("--set", "train.pretrain_epochs=1", "--set", "train.max_iter=4", "--set", "train.update_interval=2")
FILES = ("model.safetensors", "labels.csv", "log.csv", "metrics.json", "autoencoder.safetensors", "config.toml")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty digits as PNG and JPEG files of several sizes, and one that is broken."""
    folder = tmp_path_factory.mktemp("own") / "my pictures"
    folder.mkdir()
    for number, image in enumerate(load_digits().images[:60]):
        picture = Image.fromarray((image * 15).astype(np.uint8)).resize((12 + number % 5, 12 + number % 3))
        picture.save(folder / f"{number:02}.{'png' if number % 2 else 'jpg'}")
    (folder / "broken.png").write_bytes((folder / "01.png").read_bytes()[:60])
    return folder


@pytest.fixture
def own(pictures: Path, tmp_path: Path) -> Path:
    """A copy of them in the empty folder of a test."""
    return Path(shutil.copytree(pictures, tmp_path / "pictures"))


def test_a_folder_and_nothing_else(here: Here, own: Path) -> None:
    """A folder is clustered by its path alone; names are those of the files, and what is broken is told and listed."""
    code, out, err = here("train", "--images", "pictures", "--n-clusters", "3", *FEW, "--out", "run", "--json")
    assert code == 0, err
    assert json.loads(out)["n_samples"] == 60
    assert "folder · conv · idec · affine" in err
    assert "by the recipe 'auto': pretrain_epochs 1, batch_size 32, max_iter 4." in err
    assert "1 of 61 images cannot be read and is left out (broken.png: " in err
    assert Path("run/skipped.csv").read_text().startswith("name,reason\nbroken.png,")
    rows = Path("run/labels.csv").read_text().splitlines()
    assert rows[1].startswith("0,00.jpg,")
    config = Path("run/config.toml").read_text()
    assert f'path = "{own}"' in config
    assert 'size = "13x14"' in config
    assert 'color = "gray"' in config


def test_clusters_are_counted_on_request(here: Here, own: Path) -> None:
    """`--n-clusters auto` counts them and says so; without the option, the error names it."""
    words = ("train", "--images", "pictures", *FEW, "--encoder", "fc", "--set", "train.n_clusters_range=2,4", "--json")
    code, out, err = here(*words, "--n-clusters", "auto", "--out", "run")
    assert code == 0, err
    found = json.loads(out)["n_clusters"]
    assert f"Counted {found} clusters" in err
    assert f"n_clusters = {found}\n" in Path("run/config.toml").read_text()
    code, _, err = here(*words, "--out", "another")
    assert code == 2
    assert "Give the number of clusters, n_clusters, or auto" in " ".join(err.split())


def test_the_second_start_reads_no_image(here: Here, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second run, by its configuration, is equal byte for byte, and decodes nothing."""
    assert here("train", "--images", "pictures", "--n-clusters", "3", *FEW, "--out", "one")[0] == 0
    read, seen = FolderImages.read, []

    def noted(self: FolderImages, start: int, stop: int):  # type: ignore[no-untyped-def]
        seen.extend(self.names[start:stop])
        return read(self, start, stop)

    monkeypatch.setattr(FolderImages, "read", noted)
    code, _, err = here("train", "--config", "one/config.toml", "--out", "two")
    assert code == 0, err
    for name in FILES:
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes(), name
    assert seen == ["broken.png"]  # which might be whole now


def test_seeds_share_what_was_read(here: Here, own: Path) -> None:
    """Several seeds of a folder leave the same files as one alone."""
    assert here("train", "--images", "pictures", "--n-clusters", "3", *FEW, "--out", "one", "--threads", "1")[0] == 0
    code, _, err = here("train", "--images", "pictures", "--n-clusters", "3", *FEW, "--out", "many", "--seeds", "0-1")
    assert code == 0, err
    assert err.count("cannot be read") == 1
    for name in (*FILES, "skipped.csv"):
        assert Path("one", name).read_bytes() == Path("many/seed-0", name).read_bytes(), name


def test_class_folders_score_and_never_train(here: Here, own: Path) -> None:
    """Subfolders give classes, for scores and for the number of clusters; the clusters are those without them."""
    for number, picture in enumerate(sorted(own.glob("*.*"))):
        folder = own / f"class {number % 3}"
        folder.mkdir(exist_ok=True)
        picture.rename(folder / picture.name)
    code, out, err = here("train", "--images", "pictures", *FEW, "--out", "one", "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told["n_clusters"] == 3
    assert told["acc"] is not None
    words = ("--n-clusters", "3", "--set", "dataset.labels=none")
    code, out, err = here("train", "--images", "pictures", *words, *FEW, "--out", "two", "--json")
    assert json.loads(out)["acc"] is None
    assert Path("one/labels.csv").read_bytes() == Path("two/labels.csv").read_bytes()


def test_named_parts_and_recipes_win(here: Here, own: Path) -> None:
    """A named part replaces that of `auto`; a named recipe replaces `auto` altogether."""
    code, _, err = here("train", "--images", "pictures", "--n-clusters", "3", "--encoder", "fc", *FEW, "--out", "one")
    assert code == 0, err
    assert "folder · fc · idec · affine" in err
    words = ("--recipe", "fcdec-da", "--n-clusters", "3")
    code, _, err = here("train", "--images", "pictures", *words, *FEW, "--out", "two")
    assert code == 0, err
    assert "folder · fc · dec · affine" in err
    assert "by the recipe" not in err
    assert 'order = "stored"' in Path("two/config.toml").read_text()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--images", "pictures"), 2, "Give the number of clusters, n_clusters, or auto"),
        (("--images", "pictures", "--dataset", "digits"), 2, "--images and --dataset both say what to cluster"),
        (("--images", "picturez", "--n-clusters", "3"), 3, "There is nothing at picturez"),
        (("--images", "pictures/01.png", "--n-clusters", "3"), 3, "Put images into a folder"),
        (("--images", "pictures", "--n-clusters", "3", "--set", "dataset.strict=true"), 3, "broken.png"),
        (("--images", "pictures", "--n-clusters", "61"), 3, "at most the number of images, 60"),
        (("--images", "wine.csv", "--n-clusters", "3", "--augment", "affine"), 2, "these are the rows of a table"),
        (("--images", "wine.csv", "--n-clusters", "3", "--encoder", "conv"), 2, "at least 8x8"),
        (("--recipe", "auto", "--n-clusters", "3"), 2, "Name them"),
    ],
)
def test_mistakes(here: Here, own: Path, words: tuple[str, ...], code: int, says: str) -> None:
    """What is missing or does not fit is told in words, and no folder is left behind."""
    np.savetxt("wine.csv", load_wine().data, delimiter=",")
    found, _, err = here("train", *words, *FEW)
    assert (found, says in " ".join(err.split())) == (code, True), err
    assert "Traceback" not in err
    assert not RUNS.exists()


def test_a_table(here: Here, tmp_path: Path) -> None:
    """The rows of a CSV file are standardised, and clustered by `fc` without augmentation."""
    wine = load_wine()
    rows = np.column_stack([wine.data, wine.target])
    np.savetxt(tmp_path / "wine.csv", rows, delimiter=",", header=",".join([*wine.feature_names, "class"]), comments="")
    code, out, err = here("train", "--images", "wine.csv", *FEW, "--out", "run", "--json")
    assert code == 0, err
    assert "arrays · fc · idec · none" in err
    assert "178 rows of 13 numbers" in err
    assert json.loads(out)["n_clusters"] == 3
    code, _, err = here("evaluate", "run")
    assert code == 0, err


def test_an_array_is_mapped(here: Here, tmp_path: Path, registry: Registry) -> None:
    """An array of bytes in a .npy file is used where it lies, also with its channels last."""
    x = np.random.default_rng(0).integers(0, 256, (40, 10, 9, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    code, _, err = here("train", "--images", "x.npy", "--n-clusters", "3", *FEW, "--out", "run")
    assert code == 0, err
    from decda.core.config.composition import compose

    config = compose(registry, config=Path("run/config.toml"))
    images = load_images(config, registry, Files(offline=True))
    assert images.x.shape == (40, 3, 10, 9)
    assert not images.x.is_contiguous()
    assert np.array_equal(images.x.movedim(1, 3).numpy(), x)


def test_an_interrupted_run_goes_on(here: Here, own: Path) -> None:
    """A run on a folder is resumed by its path alone, or with the folder named again; with another it is refused."""
    words = ("train", "--images", "pictures", "--n-clusters", "3", *FEW, "--threads", "1")
    assert here(*words, "--out", "whole")[0] == 0
    from decda.core.training.trainer import Trainer

    step = Trainer._descend

    def interrupted(self: Trainer, *words: object) -> None:
        step(self, *words)  # type: ignore[arg-type]
        if self.phase == "cluster":
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_descend", interrupted)
        assert here(*words, "--out", "half", "--checkpoint-every", "0.000001")[0] == 130
    shutil.copytree("pictures", "others")
    code, _, err = here("train", "--resume", "half", "--images", "others")
    assert code == 2, err
    assert "dataset.path is" in err
    code, _, err = here("train", "--resume", "half", "--images", "pictures")
    assert code == 0, err
    for name in FILES:
        assert Path("whole", name).read_bytes() == Path("half", name).read_bytes(), name
