"""What the folder of a run says at a glance."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from decda.core.runs import overview as module
from decda.core.runs.overview import Overview, as_iso, read_overview, total_size
from tests.unprivileged import run_unprivileged

Make = Callable[..., Path]


@pytest.fixture
def make(finished_run: Path, tmp_path: Path) -> Make:
    """Copies the finished run, and changes the provenance of the copy; what is None is left out of it."""

    def copy(**changes: Any) -> Path:
        folder = Path(shutil.copytree(finished_run, tmp_path / "run"))
        known = json.loads((folder / "provenance.json").read_text()) | changes
        kept = {name: value for name, value in known.items() if value is not None}
        (folder / "provenance.json").write_text(json.dumps(kept))
        return folder

    return copy


def look(folder: Path) -> Overview:
    found = read_overview(folder)
    assert found is not None
    return found


def test_a_finished_run(finished_run: Path) -> None:
    """Everything is what its files say; the size is that of all files."""
    found = look(finished_run)
    provenance, metrics = (
        json.loads((finished_run / f"{name}.json").read_text()) for name in ("provenance", "metrics")
    )
    assert (found.folder, found.status, found.reason, found.recipe) == (finished_run, "finished", "", "quick")
    assert (found.dataset, found.sentence) == ("digits", ("fc", "idec", "affine"))
    assert found.parts["dataset"] == "decda:digits"
    assert (found.seed, found.n_samples, found.n_clusters) == (0, 1797, 10)
    assert found.scores == {name: metrics[name] for name in ("acc", "nmi", "ari")}
    assert found.seconds == provenance["seconds"]["total"]
    assert (found.started, found.finished) == (provenance["started"], provenance["finished"])
    assert found.time == datetime.fromisoformat(provenance["finished"]).timestamp()
    assert found.n_bytes == sum(path.stat().st_size for path in finished_run.rglob("*") if path.is_file())


def test_an_interrupted_run(begun_run: Path) -> None:
    """A run that was interrupted says so, has no scores, and its checkpoints count as bytes."""
    found = look(begun_run)
    assert (found.status, found.sentence[0]) == ("interrupted", "conv")
    assert "SIGTERM" in found.reason
    assert set(found.scores.values()) == {None}
    assert found.n_bytes > sum(path.stat().st_size for path in (begun_run / "checkpoints").rglob("*") if path.is_file())


def test_only_small_files_are_opened(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither weights nor labels are opened."""
    opened = []
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, *more: opened.append(Path(path).name) or real(path, *more))
    look(finished_run)
    assert sorted(opened) == ["config.toml", "metrics.json", "provenance.json"]


@pytest.mark.parametrize("status", ["interrupted", "failed", "diverged", "started"])
def test_how_a_run_ended(make: Make, status: str) -> None:
    """Without a result, no scores are looked for; a run that goes on again has not ended."""
    folder = make(status=status, reason="ValueError: no")
    (folder / "metrics.json").unlink()
    found = look(folder)
    assert (found.status, found.reason) == (status, "ValueError: no")
    assert (found.finished is None) == (status == "started")


def test_a_run_that_was_killed_at_once(make: Make) -> None:
    """A run that left nothing but its configuration has started; when, the file system tells."""
    folder = make()
    for path in folder.iterdir():
        if path.name != "config.toml":
            path.unlink()
    os.utime(folder, (1000, 1000))
    found = look(folder)
    assert (found.status, found.recipe, found.time) == ("started", None, 1000)
    assert (found.dataset, found.seed) == ("digits", 0)


def test_when_a_run_was_last_heard_of(make: Make) -> None:
    """Of all times in its provenance, the last one counts, a resumption included; one without a zone is UTC."""
    times = {"started": "2001-01-01T00:00:00+00:00", "finished": None}
    notes = [{"time": "2001-01-02T00:00:00"}, {"time": "soon"}, 3]
    assert as_iso(look(make(status="started", resumed=notes, **times)).time) == "2001-01-02T00:00:00+00:00"


@pytest.mark.parametrize("time", ["yesterday", "", 5, ["2001-01-01"]])
def test_times_that_are_none(make: Make, time: Any) -> None:
    """Where provenance holds no time, that of the folder counts."""
    folder = make(started=time, finished=time)
    os.utime(folder, (1000, 1000))
    assert look(folder).time == 1000


def test_images_of_ones_own(make: Make) -> None:
    """Where the images were is known."""
    folder = make()
    text = (folder / "config.toml").read_text().replace('name = "decda:digits"', 'name = "decda:folder"\npath = "/a/b"')
    (folder / "config.toml").write_text(text)
    assert (look(folder).dataset, look(folder).data_path) == ("folder", "/a/b")


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("config.toml", "a = [", "is not TOML"),
        ("config.toml", "a = 1", "config.toml is damaged: it names no dataset"),
        ("config.toml", 'dataset = "x"', "config.toml is damaged: it names no dataset"),
        ("provenance.json", "{", "provenance.json cannot be read"),
        ("provenance.json", "[]", "it is not a JSON object"),
        ("provenance.json", '{"status": "done"}', "it does not say how the run ended"),
        ("provenance.json", '{"status": ["finished"]}', "it does not say how the run ended"),
        ("metrics.json", None, "metrics.json cannot be read: No such file"),
        ("metrics.json", "{}", "metrics.json is damaged: it does not hold the scores"),
        ("metrics.json", '{"acc": NaN, "nmi": 0.5, "ari": 0.5}', "metrics.json is damaged"),
        ("metrics.json", '{"acc": true, "nmi": 0.5, "ari": 0.5}', "metrics.json is damaged"),
        ("metrics.json", '{"acc": 1' + "0" * 400 + ', "nmi": 0.5, "ari": 0.5}', "metrics.json is damaged"),
        ("metrics.json", "[" * 100_000, "metrics.json cannot be read"),
    ],
)
def test_a_damaged_run(make: Make, file: str, content: str | None, told: str) -> None:
    """A run whose files make no sense is damaged, the reason names the file, and it still has a size."""
    folder = make()
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    found = look(folder)
    assert found.status == "damaged"
    assert told in found.reason
    assert file in found.reason
    assert found.n_bytes > 0


def test_a_file_that_is_too_large(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is far larger than any run writes is not read."""
    folder = make()
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    assert "more than the 100 allowed" in look(folder).reason


def test_odd_values_are_left_out(make: Make) -> None:
    """What is of another type than it should be counts as unknown; images without classes have no scores."""
    folder = make(recipe=3, seed="x", n_samples=2.5, seconds=[1], reason={})
    (folder / "metrics.json").write_text('{"acc": null, "nmi": null, "ari": null}')
    found = look(folder)
    assert (found.status, found.recipe, found.seed, found.n_samples, found.seconds) == (
        "finished",
        None,
        None,
        None,
        None,
    )
    assert (found.reason, set(found.scores.values())) == ("", {None})


def test_what_is_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a configuration, or with that of another program, is no run, and is not searched."""
    monkeypatch.setattr(module, "total_size", lambda folder: pytest.fail("it was searched"))
    (tmp_path / "file").touch()
    assert read_overview(tmp_path) is read_overview(tmp_path / "missing") is read_overview(tmp_path / "file") is None
    monkeypatch.undo()
    (tmp_path / "config.toml").write_text("[tool.other]\nname = 1\n")
    assert read_overview(tmp_path) is None


LOOK = """
from pathlib import Path
from decda.core.runs.overview import read_overview
print(*((found.status, found.reason) for found in map(read_overview, [Path("closed"), Path("part")])))
"""


def test_a_folder_that_may_not_be_read(make: Make, tmp_path: Path) -> None:
    """A folder that may not be entered, and a file that may not be read, are told as that, not as damage."""
    part = make().rename(tmp_path / "part")
    (part / "provenance.json").chmod(0)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        done = run_unprivileged(["-c", LOOK], tmp_path)
    finally:
        closed.chmod(0o700)
    assert done.stdout == (
        "('unreadable', 'Permission denied') "
        "('unreadable', 'part/provenance.json cannot be read: Permission denied.')\n"
    ), done.stderr


def test_links_are_not_followed_for_the_size(tmp_path: Path) -> None:
    """Each file counts once, whatever links lead in circles or elsewhere."""
    (tmp_path / "run" / "inner").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "large").write_bytes(bytes(10_000))
    (tmp_path / "run" / "inner" / "file").write_bytes(bytes(100))
    links = {"up": "..", "out": "../elsewhere", "self": "self"}
    for name, target in links.items():
        (tmp_path / "run" / name).symlink_to(target)
    assert 100 <= total_size(tmp_path / "run") < 1000
    assert total_size(tmp_path / "missing") == 0
