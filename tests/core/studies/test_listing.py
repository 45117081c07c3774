"""What lies in a folder of runs."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from decda.core.errors import DataError
from decda.core.studies.listing import list_runs, read_listed
from tests.unprivileged import run_unprivileged

PARTS = "".join(f'[{kind}]\nname = "decda:{kind}"\n' for kind in ("dataset", "encoder", "head", "augment", "start"))


def put(folder: Path, status: str = "finished", acc: float | None = 0.5, **provenance: Any) -> Path:
    """Make the folder of a run, with its small files alone."""
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(f"n_clusters = 3\n{PARTS}")
    (folder / "provenance.json").write_text(json.dumps({"status": status, **provenance}))
    if status == "finished":
        (folder / "metrics.json").write_text(json.dumps({"acc": acc, "nmi": acc, "ari": acc}))
    return folder


def put_seeds(folder: Path, *statuses: str) -> Path:
    """Make the folder of several seeds, a status for each; "" for one that was never begun."""
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text(PARTS)
    (folder / "seeds.json").write_text(json.dumps({"seeds": list(range(len(statuses))), "recipe": "quick"}))
    for seed, status in enumerate(statuses):
        if status in ("damaged", "finished", "interrupted", "failed", "diverged", "started"):
            run = put(folder / f"seed-{seed}", status, acc=0.1 * seed, reason="" if status == "finished" else "why")
            if status == "damaged":
                assert not (run / "metrics.json").exists()
    return folder


def names(folder: Path) -> list[str]:
    return [run.overview.folder.name for run in list_runs(folder).runs]


def test_runs_are_sorted_by_time(tmp_path: Path) -> None:
    """The newest run is first; those of one time are sorted by name."""
    for name, time in {"old": "2001", "b": "2003", "new": "2004", "a": "2003"}.items():
        put(tmp_path / name, finished=f"{time}-01-01T00:00:00+00:00")
    assert names(tmp_path) == ["new", "a", "b", "old"]


def test_what_is_no_run(tmp_path: Path) -> None:
    """Folders without a run are told by name; files and hidden folders are not mentioned."""
    put(tmp_path / "run")
    for name in ("z", "a", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    listing = list_runs(tmp_path)
    assert [run.overview.folder for run in listing.runs] == [tmp_path / "run"]
    assert listing.others == ["a", "z"]


def test_several_seeds_are_one(tmp_path: Path) -> None:
    """Scores are the means of the finished seeds, times the first and the last, and the size is that of all."""
    folder = put_seeds(tmp_path / "all", "finished", "finished", "interrupted")
    for seed, time in enumerate(("2001-01-02", "2001-01-04", "2001-01-03")):
        provenance = json.loads((folder / f"seed-{seed}" / "provenance.json").read_text())
        times = {"started": f"{time}T01:00:00+00:00", "finished": f"{time}T02:00:00+00:00"}
        more = {"n_samples": 9, "seconds": {"total": 2.0 + seed}}
        (folder / f"seed-{seed}" / "provenance.json").write_text(json.dumps({**provenance, **times, **more}))
    (run,) = list_runs(tmp_path).runs
    seen = run.overview
    assert (run.seeds, run.n_finished, seen.status, seen.reason) == ((0, 1, 2), 2, "interrupted", "seed-2: why")
    assert (seen.recipe, seen.dataset, seen.n_samples, seen.n_clusters, seen.seed) == ("quick", "dataset", 9, 3, None)
    assert seen.scores == {"acc": 0.05, "nmi": 0.05, "ari": 0.05}
    assert (seen.seconds, seen.started) == (2.5, "2001-01-02T01:00:00+00:00")
    assert seen.finished == "2001-01-04T02:00:00+00:00"
    assert seen.n_bytes == sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert [each.seed for each in run.runs] == [None] * 3
    every = [each.overview.folder.name for each in list_runs(tmp_path).every_run()]
    assert every == ["all", "seed-0", "seed-1", "seed-2"]


@pytest.mark.parametrize(
    ("statuses", "status", "n_finished"),
    [
        (("finished", "finished"), "finished", 2),
        (("finished", "failed"), "failed", 1),
        (("failed", "diverged"), "diverged", 0),
        (("interrupted", "failed", "finished"), "interrupted", 1),
        (("started", "interrupted", "finished"), "started", 1),
        (("damaged", "started"), "damaged", 0),
        (("finished", ""), "started", 1),
        (("finished", "", "interrupted"), "interrupted", 1),
        (("", ""), "started", 0),
    ],
)
def test_the_status_of_several_seeds(tmp_path: Path, statuses: tuple[str, ...], status: str, n_finished: int) -> None:
    """It is that which asks for something to be done first; seeds that were never begun wait for others."""
    run = read_listed(put_seeds(tmp_path / "all", *statuses))
    assert run is not None
    assert (run.overview.status, run.n_finished) == (status, n_finished)
    assert run.seeds == tuple(range(len(statuses)))
    if n_finished == 0:
        assert set(run.overview.scores.values()) == {None}


def test_seeds_that_differ(tmp_path: Path) -> None:
    """Where seeds counted different numbers of clusters, there is no common one; nor a mean where one has no score."""
    folder = put_seeds(tmp_path / "all", "finished", "finished")
    config = folder / "seed-1" / "config.toml"
    config.write_text(config.read_text().replace("n_clusters = 3", "n_clusters = 4"))
    (folder / "seed-0" / "metrics.json").write_text('{"acc": null, "nmi": null, "ari": null}')
    run = read_listed(folder)
    assert run is not None
    assert (run.overview.n_clusters, run.overview.scores["acc"]) == (None, None)


@pytest.mark.parametrize(
    ("file", "content"),
    [("seeds.json", "{"), ("seeds.json", '{"seeds": 3}'), ("config.toml", "a = ["), ("config.toml", "")],
)
def test_a_damaged_folder_of_seeds(tmp_path: Path, file: str, content: str) -> None:
    """It is listed as damaged, with the file in the reason, and does not hide its neighbours."""
    folder = put_seeds(tmp_path / "all", "finished")
    (folder / file).write_text(content)
    put(tmp_path / "run")
    found = {run.overview.folder.name: run.overview for run in list_runs(tmp_path).runs}
    assert (found["all"].status, found["run"].status) == ("damaged", "finished")
    assert file in found["all"].reason
    assert found["all"].n_bytes > 0


def test_the_folder_itself(tmp_path: Path) -> None:
    """The folder of several seeds is a folder of runs, and that of a run holds that one."""
    folder = put_seeds(tmp_path / "all", "finished", "failed")
    assert sorted(names(folder)) == ["seed-0", "seed-1"]
    assert [run.overview.folder for run in list_runs(folder / "seed-0").runs] == [folder / "seed-0"]


def test_links(tmp_path: Path) -> None:
    """A run is listed once, under its own name, whatever links lead to it; links in circles do no harm."""
    runs = tmp_path / "runs"
    put(runs / "run")
    put(tmp_path / "elsewhere")
    for name, target in (
        ("latest", "run"),
        ("Again", "run"),
        ("far", "../elsewhere"),
        ("self", "."),
        ("up", ".."),
        ("loop", "loop"),
        ("gone", "nowhere"),
    ):
        (runs / name).symlink_to(target)
    listing = list_runs(runs)
    assert sorted(run.overview.folder.name for run in listing.runs) == ["far", "run"]
    assert listing.others == ["self", "up"]


def test_there_is_no_such_folder(tmp_path: Path) -> None:
    """A missing folder, and a file, are errors that say what to do."""
    (tmp_path / "file").touch()
    for name, told in (("missing", "there is no such folder here"), ("file", "Not a directory")):
        with pytest.raises(DataError, match=rf"{name} cannot be listed: {told}. .*decda train") as caught:
            list_runs(tmp_path / name)
        assert caught.value.exit_code == 3


LIST = """
from pathlib import Path
from decda.core.errors import DataError
from decda.core.studies.listing import list_runs
for run in list_runs(Path("runs")).runs:
    print(run.overview.folder.name, run.overview.status)
try:
    list_runs(Path("closed"))
except DataError as error:
    print(error)
"""


def test_folders_that_may_not_be_read(tmp_path: Path) -> None:
    """A run that may not be read is listed as that, beside others; a folder of runs that may not be is an error."""
    put(tmp_path / "runs" / "open", finished="2001-01-01T00:00:00")
    closed = [put_seeds(tmp_path / "runs" / "seeds", "finished"), put(tmp_path / "runs" / "run"), tmp_path / "closed"]
    closed[-1].mkdir()
    for folder in closed:
        folder.chmod(0)
    try:
        done = run_unprivileged(["-c", LIST], tmp_path)
    finally:
        for folder in closed:
            folder.chmod(0o700)
    *rows, last = done.stdout.splitlines()
    assert sorted(rows) == ["open finished", "run unreadable", "seeds unreadable"], done.stderr
    assert last.startswith("The folder closed cannot be listed: Permission denied.")


def test_a_thousand_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three files of each run are opened, and no other, so that a thousand runs are listed in a second."""
    first = put(tmp_path / "run-0")
    (first / "model.safetensors").write_bytes(bytes(10_000))
    for number in range(1, 1000):
        shutil.copytree(first, tmp_path / f"run-{number}", copy_function=os.link)
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *more: opened.append(Path(path).name) or real(path, *more))
    assert len(list_runs(tmp_path).runs) == 1000
    assert {name: opened.count(name) for name in opened} == dict.fromkeys(
        ("config.toml", "provenance.json", "metrics.json"), 1000
    )


def test_as_json(tmp_path: Path) -> None:
    """A mapping holds every figure, and nothing but strict JSON; the age is from the last sign of life."""
    put(tmp_path / "run", started="2001-01-01T00:00:00+00:00", finished="2001-01-01T00:01:00+00:00", recipe="quick")
    (run,) = list_runs(tmp_path).runs
    mapping = run.as_mapping(978307200 + 100)
    assert json.loads(json.dumps(mapping, allow_nan=False)) == {
        "run": str(tmp_path / "run"),
        "status": "finished",
        "reason": "",
        "seeds": None,
        "n_finished": 1,
        "recipe": "quick",
        "dataset": "dataset",
        "data_path": None,
        "parts": {kind: f"decda:{kind}" for kind in ("dataset", "encoder", "head", "augment", "start")},
        "seed": None,
        "n_samples": None,
        "n_clusters": 3,
        "acc": 0.5,
        "nmi": 0.5,
        "ari": 0.5,
        "seconds": None,
        "started": "2001-01-01T00:00:00+00:00",
        "finished": "2001-01-01T00:01:00+00:00",
        "time": "2001-01-01T00:01:00+00:00",
        "age_seconds": 40,
        "bytes": run.overview.n_bytes,
    }
