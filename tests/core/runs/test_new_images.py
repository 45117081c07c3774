"""New images are prepared as those of the run were."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from PIL import Image

from decda.core.config.run_config import PartConfig
from decda.core.contracts import ImageSet
from decda.core.errors import ConfigError, DataError, InvalidParameter
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.inference import load_run
from decda.core.runs.new_images import Loaded, new_images_part, open_source
from decda.core.runs.prediction import predict_all
from decda.core.runs.run import Run

FILES = Files(offline=True)


@pytest.fixture
def run(finished_run: Path, registry: Registry) -> Run:
    """A finished run on digits of 8x8."""
    return load_run(finished_run, registry)


def with_data(run: Run, name: str, **parameters: Any) -> Run:
    """The run as if its data set had been another one."""
    return replace(run, config=replace(run.config, dataset=PartConfig(name, parameters)))


def test_parameters_of_the_run_are_kept(run: Run, registry: Registry, tmp_path: Path) -> None:
    """A new folder is read with the parameters of the run's; where it is and its labels are not taken over."""
    made = with_data(run, "decda:folder", path="old", fit="crop", alpha="drop", color="gray", labels="folders")
    part = new_images_part(made, tmp_path, registry, settings=["dataset.alpha=white"])
    assert part.name == "decda:folder"
    assert part.parameters["path"] == tmp_path
    kept = {name: part.parameters[name] for name in ("fit", "alpha", "color", "labels")}
    assert kept == {"fit": "crop", "alpha": "white", "color": "gray", "labels": "auto"}


def test_parameters_that_only_share_a_name(run: Run, registry: Registry, tmp_path: Path) -> None:
    """A parameter of another data set is dropped where its value does not serve: `size` of digits is a number."""

    def mine(*, size: Annotated[float, "of something"] = 2.5, fit: Annotated[str, "of something"] = "snug") -> Any: ...

    own = Registry(registry)
    entry = own.add("dataset", "mine", mine)
    part = new_images_part(with_data(run, entry.qualified, size=2.5, fit="snug"), tmp_path, own)
    assert (part.parameters["size"], part.parameters["fit"]) == ("auto", "pad")


def test_a_folder_gets_the_shape_of_the_model(run: Run, registry: Registry, tmp_path: Path) -> None:
    """Images of any size and colour in a folder get the shape that the model takes."""
    for number, size in enumerate(((8, 8), (50, 31))):
        Image.new("RGB", size, (10 * number, 200, 3)).save(tmp_path / f"{number}.png")
    source = open_source(run, tmp_path, registry, FILES)
    assert source.shape == (2, 1, 8, 8)
    assert list(source.names or ()) == ["0.png", "1.png"]
    assert predict_all(run, source).z.shape == (2, 10)


def test_an_array_is_prepared_as_the_run_was(run: Run, registry: Registry, tmp_path: Path) -> None:
    """A file with an array is read with the scale of the run, and the numbers are those of the array itself."""
    x = np.random.default_rng(0).integers(0, 1024, (40, 8, 8)).astype(np.uint16)
    np.save(tmp_path / "x.npy", x)
    settings = {"shape": (), "channels": "auto", "scale": "1023", "center": (), "spread": ()}
    made = with_data(run, "decda:arrays", path="old.npy", **settings)
    found = predict_all(made, open_source(made, tmp_path / "x.npy", registry, FILES))
    assert np.array_equal(found.z, run.embed((x / 1023).astype(np.float32)))
    assert np.array_equal(found.z, made.embed(x))


def test_a_table_is_scaled_by_the_numbers_of_the_run(run: Run, registry: Registry, tmp_path: Path) -> None:
    """New rows are scaled as the run's were, never by their own mean; where the run knows no scale, it is asked for."""
    made = replace(run, input_shape=(1, 1, 2))
    (tmp_path / "x.csv").write_text("1,10\n3,30\n")
    known = with_data(made, "decda:arrays", path="old.csv", scale="standard", center=(1.0, 10.0), spread=(2.0, 5.0))
    source = open_source(known, tmp_path / "x.csv", registry, FILES)
    assert source.read(0, 2)[0].flatten(1).tolist() == [[0.0, 0.0], [1.0, 4.0]]
    unknown = with_data(made, "decda:digits", size=8)
    with pytest.raises(DataError, match=r"its own numbers.*dataset\.scale=none takes the numbers as they are"):
        open_source(unknown, tmp_path / "x.csv", registry, FILES)
    source = open_source(unknown, tmp_path / "x.csv", registry, FILES, settings=["dataset.scale=none"])
    assert source.read(0, 2)[0].flatten(1).tolist() == [[1.0, 10.0], [3.0, 30.0]]


def test_any_data_set_may_read_them(run: Run, registry: Registry, tmp_path: Path) -> None:
    """Where the data set of that name returns all images at once, those are taken."""
    x = torch.rand(5, 1, 8, 8)

    def folder(*, path: Annotated[Path, "where"]) -> ImageSet:
        """A data set."""
        return ImageSet(x, names=list("abcde"))

    own = Registry(entry for entry in registry if entry.name != "folder")
    own.add("dataset", "folder", folder)
    source = open_source(run, tmp_path, own, FILES)
    assert isinstance(source, Loaded)
    assert torch.equal(source.read(1, 4)[0], x[1:4])
    assert (source.whole() is x, source.names, source.value_range) == (True, list("abcde"), (0.0, 1.0))


def test_mistakes(run: Run, registry: Registry, tmp_path: Path) -> None:
    """Nothing at the path, a file of another kind, settings of other parts and unknown ones are told."""
    (tmp_path / "x.doc").touch()
    for path, settings, error, says in (
        (tmp_path / "nowhere", [], DataError, "There is nothing at"),
        (tmp_path / "x.doc", [], DataError, "neither a folder of images nor a file of numbers"),
        (tmp_path, ["head.gamma=1"], ConfigError, "setting head.gamma=1: a trained model stays as it is"),
        (tmp_path, ["dataset.fitt=crop"], InvalidParameter, "has no parameter 'fitt'"),
        (tmp_path, ["dataset.fit=snug"], InvalidParameter, "'fit' must be"),
    ):
        with pytest.raises(error, match=says):
            new_images_part(run, path, registry, settings=settings)


@pytest.mark.parametrize("settings", [{"scale": "4095"}, {"scale": "minmax", "center": (2.0,), "spread": (3.0,)}])
def test_a_folder_for_a_run_of_scaled_numbers(run: Run, registry: Registry, tmp_path: Path, settings: Any) -> None:
    """The bytes of image files are no numbers of that scale: a folder is refused, and an array asked for."""
    plain(tmp_path / "photos")
    made = with_data(run, "decda:arrays", **{"path": "old.npy", "scale": "auto", "center": (), **settings})
    with pytest.raises(DataError, match=r"scaled numbers \(scale=.*Give an array"):
        open_source(made, tmp_path / "photos", registry, FILES)
    bytes_ = with_data(run, "decda:arrays", path="old.npy", scale="none", center=())
    assert open_source(bytes_, tmp_path / "photos", registry, FILES).shape == (1, 1, 8, 8)


def test_parts_from_python_are_not_looked_up(run: Run, registry: Registry, tmp_path: Path) -> None:
    """Only how images are read matters here: a head that was handed over as a class is not looked for."""
    plain(tmp_path / "photos")
    made = replace(run, config=replace(run.config, head=PartConfig("local:mine", {})))
    assert open_source(made, tmp_path / "photos", registry, FILES).shape == (1, 1, 8, 8)


def plain(folder: Path) -> None:
    folder.mkdir()
    Image.new("L", (8, 8), 3).save(folder / "1.png")
