"""The images of a run in a folder for each cluster."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from decda.core.config.run_config import PartConfig
from decda.core.errors import ConfigError, DataError, OutputError
from decda.core.events import Event, ImagesRead
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs import cluster_images
from decda.core.runs.cluster_folders import ClusterFolders, export_clusters
from decda.core.runs.inference import load_run
from decda.core.runs.run import Run

NAMES = ("a/1.png", "b/1.png", "2.jpg", "a/c/3.png", "é\n4.png")


@pytest.fixture
def run(finished_run: Path, registry: Registry, tmp_path: Path) -> Run:
    """A run on five files, in clusters 0, 0, 3, 9, 0."""
    run = load_run(finished_run, registry)
    for number, name in enumerate(NAMES):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]) * 10)
    dataset = PartConfig("decda:folder", {"path": str(tmp_path / "images")})
    labels = run.labels[:5].copy()
    labels[:] = (0, 0, 3, 9, 0)
    return replace(run, names=NAMES, labels=labels, config=replace(run.config, dataset=dataset))


def export(run: Run, registry: Registry, out: Path, **how: object) -> ClusterFolders:
    """Export without data files."""
    return export_clusters(run, registry, Files(offline=True), out, **how)  # type: ignore[arg-type]


def content(out: Path) -> dict[str, bytes]:
    """The files below a folder."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_files_are_copied(run: Run, registry: Registry, tmp_path: Path) -> None:
    """Each file is copied into the folder of its cluster, in its own subfolder; empty clusters have a folder, too."""
    events: list[Event] = []
    done = export(run, registry, tmp_path / "deep" / "out", notify=events.append)
    assert content(tmp_path / "deep" / "out") == {
        "cluster-00/a/1.png": b"\0" * 10,
        "cluster-00/b/1.png": b"\1" * 10,
        "cluster-03/2.jpg": b"\2" * 10,
        "cluster-09/a/c/3.png": b"\3" * 10,
        "cluster-00/é\n4.png": b"\4" * 10,
    }
    assert sorted(path.name for path in (tmp_path / "deep" / "out").iterdir()) == [f"cluster-{n:02}" for n in range(10)]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    assert not any(path.is_symlink() for path in (tmp_path / "deep").rglob("*"))
    assert done.as_mapping() == {
        "schema_version": 1, "format": "clusters", "run": str(run.folder), "out": str(tmp_path / "deep" / "out"),
        "how": "copy", "n_samples": 5, "n_clusters": 10, "sizes": [3, 0, 0, 1, 0, 0, 0, 0, 0, 1], "missing": [],
    }  # fmt: skip
    assert events == [ImagesRead(5, 5)]


def test_files_are_linked(run: Run, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links lead to the files from anywhere, also if the folder was named by a relative path."""
    monkeypatch.chdir(tmp_path)
    done = export(run, registry, Path("out"), link=True, images=Path("images"))
    shutil.move("out", "elsewhere")
    assert (tmp_path / "elsewhere/cluster-03/2.jpg").readlink() == tmp_path / "images/2.jpg"
    assert len(content(tmp_path / "elsewhere")) == 5
    assert done.how == "link"


def test_missing_files_are_told(run: Run, registry: Registry, tmp_path: Path) -> None:
    """Files that are gone are counted and told; if all are, that is an error, and no folder is made."""
    (tmp_path / "images/2.jpg").unlink()
    done = export(run, registry, tmp_path / "out")
    assert done.missing == [("2.jpg", "No such file or directory")]
    assert done.sizes == [3, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    shutil.rmtree(tmp_path / "images")
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match=r"None of the 5 images .*a/1\.png: No such file.*where the images are now"):
        export(run, registry, tmp_path / "again")
    assert {path.name for path in tmp_path.iterdir()} == {"images", "out"}


def test_what_exists_stays(run: Run, registry: Registry, tmp_path: Path) -> None:
    """A folder or file that exists is refused, and stays as it is; a dangling link, too."""
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("out", "link"):
        with pytest.raises(ConfigError, match="exists already"):
            export(run, registry, tmp_path / name)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "expected"), [(OSError(28, "No space left on device"), OutputError), (KeyboardInterrupt(), None)]
)
def test_what_is_stopped_leaves_nothing(
    run: Run, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException,
    expected: type[BaseException] | None,
) -> None:  # fmt: skip
    """A full disk is an error that names the folder; neither it nor Ctrl-C leaves a folder or a partial one."""
    copied = []

    def copy(source: object, target: object) -> None:
        copied.append(source)
        if len(copied) == 3:
            raise error

    monkeypatch.setattr(cluster_images.shutil, "copyfileobj", copy)
    with pytest.raises(expected or KeyboardInterrupt, match=r"/out cannot be written: No space" if expected else None):
        export(run, registry, tmp_path / "out")
    assert len(copied) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_a_folder_made_meanwhile_stays(run: Run, registry: Registry, tmp_path: Path) -> None:
    """A folder that another program makes meanwhile is left as it is."""
    with pytest.raises(ConfigError, match="another program has made it"):
        export(run, registry, tmp_path / "out", notify=lambda event: (tmp_path / "out").mkdir())
    assert {path.name for path in tmp_path.iterdir()} == {"images", "out"}
    assert list((tmp_path / "out").iterdir()) == []


def test_images_that_are_no_files(finished_run: Path, registry: Registry, tmp_path: Path) -> None:
    """The images of a data set are written as PNG, named by their index; they cannot be linked."""
    run = load_run(finished_run, registry)
    done = export(run, registry, tmp_path / "out")
    assert done.how == "write"
    assert done.sizes == run.sizes
    for index in (0, 1796):
        assert (tmp_path / "out" / f"cluster-{run.labels[index]:02}" / f"{index:04}.png").is_file()
    with pytest.raises(ConfigError, match="nothing to link"):
        export(run, registry, tmp_path / "links", link=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
