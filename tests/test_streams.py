"""Commands whose stdin, stdout or stderr is closed, full, or read by nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SHORT

FEW = tuple(word for setting in SHORT for word in ("--set", setting))
TRAIN = ("train", "--encoder", "fc", "--start", "kmeans", *FEW, "--out", "run")
STUDY = ("reproduce", "--algorithms", "fcdec-da", "--datasets", "digits", "--trials", "1", *FEW, "--out", "run")
FULL = "Error: output: No space left on device"
RESULTS = ("log.csv", "labels.csv", "metrics.json", "model.safetensors")

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")


def redirected(folder: Path, redirection: str, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A command whose streams a shell has redirected."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" -m decda "$@" {redirection}', sys.executable, *words],
        cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an ordinary run leaves."""
    folder = tmp_path_factory.mktemp("expected")
    assert redirected(folder, "", *TRAIN).returncode == 0
    return {name: (folder / "run" / name).read_bytes() for name in RESULTS}


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", ">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(("words", "code"), [(("list-components",), 0), (("show", "head", "idecc"), 2)])
def test_quick_commands(tmp_path: Path, redirection: str, words: tuple[str, ...], code: int) -> None:
    """A stream that is closed, or a full stderr, changes neither the exit code nor what the other stream gets."""
    usual = redirected(tmp_path, "", *words)
    done = redirected(tmp_path, redirection, *words)
    assert done.returncode == usual.returncode == code
    assert done.stdout == ("" if ">&-" in redirection.replace("2>&-", "") else usual.stdout)
    assert done.stderr == ("" if "2>" in redirection else usual.stderr)


@pytest.mark.parametrize("words", [("list-components",), ("list-components", "--json"), ("--help",), ("--version",)])
def test_a_full_stdout_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    """If stdout cannot be written, the reason is told in one line, with exit code 1."""
    done = redirected(tmp_path, ">/dev/full", *words)
    assert (done.returncode, done.stderr) == (1, f"{FULL}\n")


@pytest.mark.parametrize(
    ("redirection", "code"),
    [
        pytest.param("2>&-", 0, marks=pytest.mark.slow),
        pytest.param("2>/dev/full", 0, marks=pytest.mark.slow),
        ("<&- >&- 2>&-", 0),
        pytest.param(">/dev/full", 1, marks=pytest.mark.slow),
    ],
)
def test_a_run(tmp_path: Path, expected: dict[str, bytes], redirection: str, code: int) -> None:
    """A run is complete and the same, whatever becomes of its streams; a full stdout is told at the end."""
    done = redirected(tmp_path, redirection, *TRAIN)
    assert done.returncode == code
    assert done.stdout == ("run\n" if redirection.startswith("2>") else "")
    assert "Traceback" not in done.stderr
    assert (FULL in done.stderr) == (code == 1)
    assert {name: (tmp_path / "run" / name).read_bytes() for name in RESULTS} == expected


@pytest.mark.parametrize(("redirection", "code"), [("2>/dev/full", 0), (">/dev/full", 1)])
@pytest.mark.slow
def test_a_study(tmp_path: Path, redirection: str, code: int) -> None:
    """A study is complete, whatever becomes of its streams; a full stdout is told at the end."""
    done = redirected(tmp_path, redirection, *STUDY)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert (FULL in done.stderr) == (code == 1)
    assert len((tmp_path / "run" / "results.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "words", [("list-components", "--json"), ("--help",), pytest.param(TRAIN, marks=pytest.mark.slow)]
)
def test_a_pipe_that_nobody_reads(tmp_path: Path, expected: dict[str, bytes], words: tuple[str, ...]) -> None:
    """If the reader of stdout has gone, as after `| head`, a command ends without a traceback, a run complete."""
    done = subprocess.run(
        ["bash", "-c", '"$0" -m decda "$@" | true; exit ${PIPESTATUS[0]}', sys.executable, *words],
        cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1)  # 0 if the command was faster than the reader
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    if words == TRAIN:
        assert {name: (tmp_path / "run" / name).read_bytes() for name in RESULTS} == expected


def test_names_that_a_stream_cannot_show(tmp_path: Path) -> None:
    """Where stdout and stderr are ASCII, lines with other characters are printed all the same, and stay whole."""
    words = ("new-plugin", "fresh", "--kind", "head", "--out", "été 🙂")
    done = redirected(tmp_path, "", *words, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    assert (tmp_path / "été 🙂" / "fresh" / "head.py").is_file()
    done = redirected(tmp_path, "", *words, LC_ALL="C")
    assert (done.returncode, done.stdout) == (2, "")
    assert "exists already" in done.stderr
    assert len(done.stderr.splitlines()) == 1
