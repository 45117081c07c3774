"""Where data is looked for, and which data sets are there."""

import hashlib
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch

from decda.core.contracts import ImageSet
from decda.core.diagnosis import data
from decda.core.diagnosis.check import Check
from decda.core.diagnosis.data import RecordedFiles, check_data_root, check_datasets
from decda.core.errors import DataError, MissingFile
from decda.core.files import Files
from decda.core.parts.registry import Registry

URLS = ("https://example.org/x",)


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing in the environment says where data is; the cache is empty."""
    for name in ("DECDA_DATA", "DECDA_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("decda.core.files.user_cache_path", lambda *args, **options: tmp_path / "cache")


def pair(files: Files) -> ImageSet:
    """Two files, the second with four images."""
    files.get("mine/a.bin", urls=URLS)
    size = len(files.get("mine/b.bin", urls=URLS))
    return ImageSet(torch.zeros(size, 1, 2, 2))


def check(factory: Any, root: Path) -> Check:
    """The check of a data set."""
    registry = Registry()
    registry.add("dataset", "mine", factory)
    (found,) = check_datasets(registry, root)
    return found


def put(root: Path, **contents: bytes) -> None:
    (root / "mine").mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (root / "mine" / f"{name}.bin").write_bytes(content)


def test_a_data_set_that_is_there(tmp_path: Path) -> None:
    """It is read, and its folder, images and size are told, and whether its content is the published one."""
    put(tmp_path, a=bytes(1_500_000), b=b"1234")
    found = check(pair, tmp_path)
    assert (found.status, found.found) == ("ok", str(tmp_path / "mine"))
    assert found.means == "4 images, complete (1.5 MB)"

    def verified(files: Files) -> ImageSet:
        files.get("mine/b.bin", sha256=hashlib.sha256(b"1234").hexdigest())
        return ImageSet(torch.zeros(4, 1, 2, 2))

    assert check(verified, tmp_path).means == "4 images, complete and verified (0.0 MB)"


def test_a_data_set_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said where it would be downloaded to; nothing is downloaded or made."""
    monkeypatch.setattr("decda.core.files.fetch", lambda *args, **words: pytest.fail("it uses the network"))
    found = check(pair, tmp_path / "root")
    assert (found.status, found.found) == ("absent", "not here")
    assert found.means == f"the first run on it downloads it to {tmp_path / 'root' / 'mine'}"
    assert not (tmp_path / "root").exists()


def test_a_part_is_missing(tmp_path: Path) -> None:
    """Where one of several files is missing, it is named."""
    put(tmp_path, a=b"x")
    assert check(pair, tmp_path).found == "incomplete: mine/b.bin is missing"


def test_what_cannot_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address, without the network or without room, it is said why, and where files may be put."""
    found = check(lambda files: files.get("mine/a.bin"), tmp_path)
    assert (found.status, found.means) == ("absent", "it cannot be downloaded")
    assert found.remedy == f"Put mine/a.bin into {tmp_path}"
    (tmp_path / "file").touch()
    assert "is not a folder" in check(pair, tmp_path / "file").means
    monkeypatch.setenv("DECDA_OFFLINE", "1")
    found = check(pair, tmp_path)
    assert (found.status, found.means) == ("absent", "it would have to be downloaded, which is switched off")
    assert str(tmp_path / "mine") in found.remedy


@pytest.mark.parametrize("error", [DataError("It is damaged."), KeyError("what"), ValueError("no")])
def test_a_data_set_that_cannot_be_used(tmp_path: Path, error: Exception) -> None:
    """Whatever goes wrong in a data set is a warning that says so."""

    def broken(files: Files) -> ImageSet:
        raise error

    found = check(broken, tmp_path)
    assert (found.status, found.found) == ("warning", "cannot be used")
    assert str(error) in found.means


def test_data_sets_without_files(tmp_path: Path) -> None:
    """One that asks for no files is not called; one that must be told a path is left out, as is one that is broken."""
    registry = Registry()

    def embedded() -> ImageSet:
        raise AssertionError("it is called")

    def folder(files: Files, *, path: Annotated[Path, "where"]) -> ImageSet:
        raise AssertionError("it is called")

    registry.add("dataset", "embedded", embedded)
    registry.add("dataset", "folder", folder)
    registry.add("dataset", "broken", 3)
    registry.add("head", "head", embedded)
    (found,) = check_datasets(registry, tmp_path)
    assert (found.name, found.status, found.found) == ("embedded", "ok", "no files needed")


@pytest.mark.parametrize(
    ("option", "variable", "told"),
    [(True, True, "--data-root"), (False, True, "DECDA_DATA"), (False, False, "by default")],
)
def test_where_the_data_root_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: bool, variable: bool, told: str
) -> None:
    """The option counts before the variable, and the cache last; it is said which of them."""
    folders = {name: tmp_path / name for name in ("option", "variable", "cache/data")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    if variable:
        monkeypatch.setenv("DECDA_DATA", str(folders["variable"]))
    root, downloads = check_data_root(folders["option"] if option else None)
    expected = folders["option" if option else "variable" if variable else "cache/data"]
    assert (root.status, root.found) == ("ok", str(expected))
    assert told in root.means
    assert (downloads.status, downloads.found) == ("ok", "allowed")


def test_the_data_root_is_not_there(tmp_path: Path) -> None:
    """It is made when it is needed; where that is impossible, the reason and a way out are told."""
    root, _ = check_data_root(tmp_path / "new")
    assert (root.status, root.remedy) == ("absent", "")
    (tmp_path / "file").touch()
    root, _ = check_data_root(tmp_path / "file" / "new")
    assert root.status == "warning"
    assert "is not a folder" in root.means
    assert "--data-root" in root.remedy


def test_the_data_root_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That alone is no fault, as long as the data is there; it is mentioned."""
    monkeypatch.setattr(data, "find_obstacle", lambda folder: "it is not writable")
    root, _ = check_data_root(tmp_path)
    assert (root.status, root.remedy) == ("ok", "")
    assert "nothing can be downloaded into it: it is not writable" in root.means


def test_downloads_are_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said by what, and how to switch them on."""
    monkeypatch.setenv("DECDA_OFFLINE", "yes")
    _, downloads = check_data_root(None)
    assert (downloads.status, downloads.remedy) == ("absent", "To download it: DECDA_OFFLINE=0")


def test_what_is_asked_for_is_noted(tmp_path: Path) -> None:
    """Files that are found and missing are noted, with whether they could be downloaded."""
    put(tmp_path, a=b"x")
    files = RecordedFiles(tmp_path)
    assert files.get("mine/a.bin", urls=URLS) == b"x"
    with pytest.raises(MissingFile):
        files.get("mine/b.bin")
    assert files.found == {"mine/a.bin": tmp_path / "mine" / "a.bin", "mine/b.bin": None}
    assert files.published == {"mine/a.bin": True, "mine/b.bin": False}
