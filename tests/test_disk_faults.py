"""Real runs whose disk fills, whose files may not grow, or whose folder becomes read-only, is removed or renamed."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disturbed_runs import (
    AGAIN,
    ALL_THE_TIME,
    COMMANDS,
    LOGS,
    NEVER,
    RESUME,
    SEEDS,
    STUDY,
    TRAIN,
    assert_equal,
    assert_failed,
    assert_intact,
    assert_no_leftovers,
    assert_told,
    decda,
    finish,
    prepare,
    while_training,
)
from tests.unprivileged import run_unprivileged

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
slow = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the file of parts."""
    return prepare(tmp_path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    folder = prepare(tmp_path_factory.mktemp("whole"))
    finish(*TRAIN, NEVER, "--out=out", folder=folder)
    return folder / "out"


@pytest.fixture(scope="module")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed study."""
    folder = tmp_path_factory.mktemp("whole")
    finish(*STUDY, NEVER, "--out=out", folder=folder)
    return folder / "out"


@pytest.fixture
def undisturbed(command: str, request: pytest.FixtureRequest) -> Path:
    """What a command should come to."""
    folder: Path = request.getfixturevalue("whole_study" if command == "study" else "whole")
    return folder


@pytest.mark.parametrize(
    ("file", "checkpoints", "limit"),
    [
        pytest.param("provenance.json", NEVER, 900, marks=slow),
        pytest.param("log.csv", NEVER, 3000, marks=slow),
        pytest.param("autoencoder.safetensors", NEVER, None, marks=slow),
        ("checkpoints", ALL_THE_TIME, 8000),
        pytest.param("model.safetensors", NEVER, None, marks=slow),
        pytest.param("labels.csv", NEVER, None, marks=slow),
    ],
)
def test_a_file_that_grows_too_large(whole: Path, place: Path, file: str, checkpoints: str, limit: int | None) -> None:
    """Whichever file of a run is the first that exceeds a limit is named; resumed, the run ends in the same bytes."""
    limit = limit or (whole / file).stat().st_size - 1  # one byte is missing
    done = decda(*TRAIN, checkpoints, "--out=out", folder=place, limit=limit)
    assert_told(done, f"out/{file}", "File too large")
    assert done.stderr.count("Error") == 1
    assert_no_leftovers(place / "out")
    assert_intact(place / "out", whole)
    if file != "provenance.json":
        assert_failed(place / "out", file)
    finish(*RESUME, NEVER, folder=place)
    assert_equal("train", place / "out", whole)


@pytest.mark.parametrize(
    ("command", "file", "limit"),
    [
        ("train", "config.toml", 50),
        pytest.param("seeds", "seeds.json", 50, marks=slow),
        pytest.param("seeds", "config.toml", 200, marks=slow),
    ],
)
def test_nothing_can_be_written(place: Path, command: str, file: str, limit: int) -> None:
    """If not even the configuration can be written, no folder is left, and the same command can be given again."""
    done = decda(*COMMANDS[command], "--out=out", folder=place, limit=limit)
    assert_told(done, f"out/{file}", "File too large")
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    ("file", "checkpoints"),
    [("labels.csv", NEVER), ("checkpoints", ALL_THE_TIME)],
)
@slow
def test_files_of_seeds_that_grow_too_large(whole: Path, place: Path, file: str, checkpoints: str) -> None:
    """A seed that fails is named with file and reason, in `summary.json`, too; resumed, it ends in the same bytes."""
    limit = 8000 if file == "checkpoints" else (whole / file).stat().st_size - 1
    done = decda(*SEEDS, checkpoints, "--out=out", folder=place, limit=limit)
    failed = json.loads((place / "out" / "summary.json").read_text())["failed"]
    assert [each["seed"] for each in failed] == [0, 1]
    for each in failed:
        path = f"out/seed-{each['seed']}/{file}"
        assert_told(done, path, "File too large")
        assert f"Error: seed {each['seed']}: {path}" in done.stderr
        assert each["error"].startswith(f"{path} cannot be written: File too large")
        assert_failed((place / path).parent, file)
    assert_intact(place / "out" / "seed-0", whole)
    assert_no_leftovers(place / "out")
    finish(*RESUME, NEVER, folder=place)
    assert_equal("seeds", place / "out", whole)


@pytest.mark.parametrize(
    ("file", "checkpoints", "limit"),
    [
        ("config.toml", NEVER, 400),
        ("checkpoints", ALL_THE_TIME, 10**6),
        ("autoencoder.safetensors", NEVER, 10**6),
        ("model.safetensors", NEVER, None),
    ],
)
@slow
def test_files_of_a_study_that_grow_too_large(
    whole_study: Path, place: Path, file: str, checkpoints: str, limit: int | None
) -> None:
    """The trial is named with file and reason, the study goes on by the same command, and ends in the same bytes."""
    (trial,) = (whole_study / "trials").iterdir()
    limit = limit or (trial / file).stat().st_size - 1
    done = decda(*STUDY, checkpoints, "--out=out", folder=place, limit=limit)
    assert_told(done, file, "File too large")
    assert f"Error: {trial.name}: " in done.stderr
    for provenance in (place / "out").rglob("provenance.json"):
        assert_failed(provenance.parent, file)
        assert_intact(provenance.parent, trial if provenance.parent.name == trial.name else provenance.parent)
    assert_no_leftovers(place / "out")
    finish(*STUDY, NEVER, "--out=out", folder=place)
    assert_equal("study", place / "out", whole_study)


@pytest.mark.slow
def test_a_table_that_grows_too_large(whole_study: Path, place: Path) -> None:
    """If `results.csv` or `table.md` cannot be written, finished trials are kept, and the same command enters them."""
    shutil.copytree(whole_study, place / "out")
    sizes = {name: (place / "out" / name).stat().st_size for name in ("table.md", "results.csv")}
    for name in sizes:
        (place / "out" / name).unlink()
        done = decda(*STUDY, "--out=out", folder=place, limit=sizes[name] - 1)
        assert_told(done, f"out/{name}", "File too large")
        assert "Finished trials are kept" in done.stderr
        assert_no_leftovers(place / "out")
    finish(*STUDY, "--out=out", folder=place)
    assert_equal("study", place / "out", whole_study)


def close(folder: Path) -> None:
    """Make a folder read-only, with those in it."""
    for path in sorted([folder, *(path for path in folder.rglob("*") if path.is_dir())]):
        with contextlib.suppress(FileNotFoundError):  # a checkpoint that has been replaced meanwhile
            path.chmod(0o555)


def open_again(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


@slow
@pytest.mark.parametrize("command", ["train", "seeds", "study"])
def test_a_folder_that_becomes_read_only(undisturbed: Path, place: Path, command: str) -> None:
    """What cannot be written is named, the provenance tells it nevertheless, and the run goes on when it may again."""

    def act() -> None:
        for path in (place / "out").glob(LOGS[command]):
            runs.append(path.parent)
            close(path.parent)

    runs: list[Path] = []
    with while_training(LOGS[command], act, place):
        words = ["-m", "decda", *COMMANDS[command], ALL_THE_TIME, "--out=out"]
        done = run_unprivileged(words, place, timeout=300, DECDA_OFFLINE="1")
    (run,) = runs
    open_again(run)
    assert_told(done, str(run.relative_to(place) / "checkpoints"), "Permission denied")
    assert_failed(run, "checkpoints")
    if command == "seeds":
        assert (place / "out" / "seed-1" / "model.safetensors").is_file()
    finish(*AGAIN[command], NEVER, folder=place)
    assert_equal(command, place / "out", undisturbed)


@pytest.mark.parametrize(
    ("command", "file", "kept"),
    [
        ("seeds", "summary.json", "The results of the seeds are kept in their own folders in out."),
        ("study", "results.csv", "Finished trials are kept; the same command goes on with this study."),
    ],
)
@pytest.mark.slow
def test_a_common_folder_that_becomes_read_only(
    undisturbed: Path, place: Path, command: str, file: str, kept: str
) -> None:
    """The run that trains finishes, what cannot be written of all together is named, and what is kept is told."""
    with while_training(LOGS[command], lambda: (place / "out").chmod(0o555), place):
        words = ["-m", "decda", *COMMANDS[command], NEVER, "--out=out"]
        done = run_unprivileged(words, place, timeout=300, DECDA_OFFLINE="1")
    (place / "out").chmod(0o755)
    assert_told(done, f"out/{file}", "Permission denied")
    assert kept in done.stderr
    if command == "seeds":
        assert "seed 1: failed: out/seed-1 cannot be written: Permission denied" in done.stderr
        assert_intact(place / "out" / "seed-0", undisturbed)
    finish(*AGAIN[command], NEVER, folder=place)
    assert_equal(command, place / "out", undisturbed)


@pytest.mark.parametrize(
    ("command", "checkpoints"), [("train", ALL_THE_TIME), ("train", NEVER), ("seeds", NEVER), ("study", NEVER)]
)
@pytest.mark.slow
def test_a_folder_that_is_renamed(undisturbed: Path, place: Path, command: str, checkpoints: str) -> None:
    """What cannot be written there is named, nothing is made in its place, and it goes on once it is back."""
    with while_training(LOGS[command], lambda: os.rename(place / "out", place / "elsewhere"), place):
        done = decda(*COMMANDS[command], checkpoints, "--out=out", folder=place)
    assert_told(done, "", "No such file or directory. The folder out was removed or renamed.")
    assert not (place / "out").exists()
    (place / "elsewhere").rename(place / "out")
    finish(*AGAIN[command], NEVER, folder=place)
    assert_equal(command, place / "out", undisturbed)


@pytest.mark.parametrize("command", [pytest.param(command, marks=slow) for command in COMMANDS])
def test_a_folder_that_is_removed(place: Path, command: str) -> None:
    """What cannot be written there is named, and no later seed or trial makes the folder anew."""

    def act() -> None:
        os.rename(place / "out", place / "elsewhere")  # at once
        shutil.rmtree(place / "elsewhere", ignore_errors=True)

    with while_training(LOGS[command], act, place):
        done = decda(*COMMANDS[command], NEVER, "--out=out", folder=place)
    assert_told(done, "", "No such file or directory. The folder out was removed or renamed.")
    assert not (place / "out").exists()
    if command == "seeds":
        assert "seed 1: failed: out/seed-1 cannot be written: No such file or directory." in done.stderr


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """The folder `out`'s parent on a file system of 50 MB; skips the test where none can be mounted."""
    disk = place / "disk"
    disk.mkdir()
    if (
        os.geteuid()
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", disk], check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    try:
        yield prepare(disk)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


@pytest.mark.parametrize("command", ["train", pytest.param("seeds", marks=slow), pytest.param("study", marks=slow)])
def test_a_full_disk(undisturbed: Path, small_disk: Path, command: str) -> None:
    """Full to the last byte, the provenance tells it nevertheless; with room again, the run ends in the same bytes."""

    def fill() -> None:
        end = time.monotonic() + 1  # what the run removes is filled, too
        with open(small_disk / "filler", "wb", buffering=0) as filler:
            while time.monotonic() < end:
                with contextlib.suppress(OSError):
                    while filler.write(bytes(2**20)):
                        pass
                time.sleep(0.001)

    with while_training(LOGS[command], fill, small_disk):
        done = decda(*COMMANDS[command], ALL_THE_TIME, "--out=out", folder=small_disk)
    (small_disk / "filler").unlink()
    assert_told(done, "", "No space left on device. What had been written before is unchanged.")
    run = next((small_disk / "out").glob(LOGS[command])).parent
    assert json.loads((run / "provenance.json").read_text())["status"] == "failed"
    assert_no_leftovers(small_disk / "out")
    finish(*AGAIN[command], NEVER, folder=small_disk)
    assert_equal(command, small_disk / "out", undisturbed)
