"""Own images and tables, from files of numbers."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from decda.core.arrays import ArraySource
from decda.core.contracts import ImageSource, as_float
from decda.core.errors import DataError, InvalidParameter
from decda.core.parts.registry import Registry
from decda.plugins.datasets.arrays import arrays
from tests.unprivileged import run_unprivileged

RANDOM = np.random.default_rng(0)
BYTES = RANDOM.integers(0, 256, (6, 8, 9, 3), dtype=np.uint8)
TABLE = RANDOM.random((6, 4)) * 50


def read(source: ImageSource) -> torch.Tensor:
    return source.read(0, source.shape[0])[0]


def csv_of(rows: Any, path: Path, header: str = "") -> Path:
    lines = [header] * bool(header) + [",".join(map(str, row)) for row in rows.tolist()]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", ["x.npy", "first.npy", "x.npz", "x.csv", "floats.npy"])
def test_one_set_of_images_in_each_kind_of_file(name: str, tmp_path: Path) -> None:
    """The same images from any file are the same pixels, and named by the file's absolute path in the settings."""
    path, words = tmp_path / name, dict[str, Any]()
    if name == "x.csv":
        csv_of(BYTES.reshape(6, -1), path)
        words = {"shape": (8, 9, 3), "scale": "255"}
    elif name == "x.npz":
        np.savez_compressed(path, images=BYTES, y=list("abcabc"))
    else:
        np.save(path, {"x": BYTES, "first": BYTES.transpose(0, 3, 1, 2), "floats": BYTES / 255}[path.stem])
    source = arrays(None, path=path, **words)
    assert source.shape == (6, 3, 8, 9)
    assert torch.equal(as_float(read(source)), as_float(torch.from_numpy(BYTES).permute(0, 3, 1, 2)))
    assert source.settings["path"] == path
    assert (None if source.y is None else source.y.tolist()) == ([0, 1, 2, 0, 1, 2] if name == "x.npz" else None)


def test_a_npy_is_mapped(tmp_path: Path) -> None:
    """Images of a .npy file are a view of the file: what is written into it before they are looked at is seen."""
    np.save(tmp_path / "x.npy", BYTES)
    view = arrays(None, path=tmp_path / "x.npy").whole()
    assert view is not None
    with (tmp_path / "x.npy").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([255 - int(BYTES[-1, -1, -1, -1])]))
    assert int(view[-1, -1, -1, -1]) == 255 - int(BYTES[-1, -1, -1, -1])


def test_a_table_and_new_rows_for_its_model(tmp_path: Path) -> None:
    """A table is standardised, and the settings that its run remembers prepare new rows in the same way."""
    path = csv_of(TABLE, tmp_path / "table.csv", "a,b,c,d")
    source = arrays(None, path=path)
    assert (source.shape, source.value_range, source.settings["scale"]) == ((6, 1, 1, 4), None, "standard")
    torch.testing.assert_close(read(source).mean(0), torch.zeros(1, 1, 4), atol=1e-6, rtol=0)
    new = csv_of(TABLE[2:4], tmp_path / "new.csv", "a,b,c,d")
    again = arrays(source.shape[1:], **{**source.settings, "path": new})
    assert torch.equal(read(again), read(source)[2:4])


def test_settings_are_parameters(tmp_path: Path, registry: Registry) -> None:
    """What is found out is recorded under the names and types of the part's own parameters."""
    np.save(tmp_path / "x.npy", TABLE)
    component = registry.load(registry.find("dataset", "arrays"))
    settings = arrays(None, path=tmp_path / "x.npy").settings
    assert set(settings) == {parameter.name for parameter in component.parameters}
    assert component.factory.recipe == "auto"


@pytest.mark.parametrize("name", ["y.npy", "y.csv", "y.txt"])
def test_labels_from_a_second_file(name: str, tmp_path: Path) -> None:
    """A file of labels goes before the classes within the file of images."""
    np.savez(tmp_path / "x.npz", x=BYTES, y=np.zeros(6))
    if name == "y.npy":
        np.save(tmp_path / name, np.array([3, 1, 3, 1, 2, 2]))
    else:
        (tmp_path / name).write_text("label\nc\na\nc\na\nb\nb\n")
    source = arrays(None, path=tmp_path / "x.npz", labels=tmp_path / name)
    assert source.y is not None
    assert source.y.tolist() == [2, 0, 2, 0, 1, 1]
    assert source.settings["labels"] == tmp_path / name


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path, and one in the home folder, is remembered so that it means the same everywhere."""
    np.save(tmp_path / "x.npy", BYTES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("x.npy", "~/x.npy", "a/../x.npy"):
        assert arrays(None, path=Path(path)).settings["path"] == tmp_path / "x.npy"
    with pytest.raises(DataError, match="cannot be resolved"):
        arrays(None, path=Path("~nobody-of-that-name/x.npy"))


@pytest.mark.parametrize(
    ("array", "words", "says", "parameter"),
    [
        (BYTES.astype(np.int64), {}, r"x\.npy: Pixels must be uint8 .* scale='255'", "scale"),
        (BYTES[..., :2], {}, r"x\.npy: An array of shape .* could be read as", "channels"),
        (BYTES.reshape(6, -1), {"shape": (8, 8)}, r"x\.npy: Rows of 216 numbers", "shape"),
        (BYTES[0, 0, 0], {}, r"x\.npy: Images must be an array of shape", None),
        (BYTES.astype("U"), {}, r"x\.npy: .*texts", None),
        (np.where(TABLE > 25, np.nan, TABLE), {}, r"x\.npy: \d of 6 rows hold values that are missing", None),
        (BYTES, {"labels": "y.txt"}, r"y\.txt: Labels must be .* each of the 6 images; their shape is \(2,\)", None),
        (BYTES, {"labels": "missing.txt"}, r"There is no file .*missing\.txt", None),
    ],
)
def test_errors_name_the_file(array: Any, words: Any, says: str, parameter: str | None, tmp_path: Path) -> None:
    """What is wrong with an array is told with its file, and with the parameter that would help."""
    np.save(tmp_path / "x.npy", array)
    (tmp_path / "y.txt").write_text("a\nb\n")
    words = {name: tmp_path / value if name == "labels" else value for name, value in words.items()}
    with pytest.raises(DataError, match=says) as error:
        arrays(None, path=tmp_path / "x.npy", **words)
    assert error.value.parameter == parameter


def test_values_that_make_no_sense(tmp_path: Path) -> None:
    """A scale that is none is an error of usage."""
    np.save(tmp_path / "x.npy", BYTES)
    with pytest.raises(InvalidParameter, match="scale must be one of"):
        arrays(None, path=tmp_path / "x.npy", scale="bright")


def test_images_of_another_size_for_a_model(tmp_path: Path) -> None:
    """New images that do not have the shape of the model are refused with both shapes."""
    np.save(tmp_path / "x.npy", BYTES)
    with pytest.raises(DataError, match=r"\(3, 8, 9\).*trained on images of shape \(3, 32, 32\)"):
        arrays((3, 32, 32), path=tmp_path / "x.npy")


def test_a_file_without_permission(tmp_path: Path) -> None:
    """A file that may not be read is told as that, without a traceback."""
    np.save(tmp_path / "x.npy", BYTES)
    os.chmod(tmp_path / "x.npy", 0)
    code = (
        "from pathlib import Path\n"
        "from decda.core.errors import DataError\n"
        "from decda.plugins.datasets.arrays import arrays\n"
        "try: arrays(None, path=Path('x.npy'))\n"
        "except DataError as error: print(error)\n"
    )
    result = run_unprivileged(["-c", code], tmp_path)
    assert (result.returncode, result.stdout.partition("x.npy ")[2]) == (0, "cannot be read: Permission denied.\n")


def test_the_array_itself_gives_the_same(tmp_path: Path) -> None:
    """A file is prepared as the array that it holds is: one way for all doors."""
    for array in (BYTES, TABLE):
        np.save(tmp_path / "x.npy", array)
        source, direct = arrays(None, path=tmp_path / "x.npy"), ArraySource(array)
        assert torch.equal(read(source), read(direct))
        assert {**direct.settings, "path": tmp_path / "x.npy", "labels": None} == source.settings
