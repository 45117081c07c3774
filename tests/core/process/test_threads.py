"""The number of threads of a run."""

import os
import warnings
from pathlib import Path

import joblib
import pytest

from decda.core.process import threads
from decda.core.process.threads import MAX_THREADS, choose_threads, physical_cores


@pytest.mark.parametrize(
    ("wish", "said", "expected"),
    [
        (3, "2", 3),
        (None, "2", 2),
        (None, " 4 ", 4),
        (None, "99999999999999999999", 6),
        (None, "5000", MAX_THREADS),
        (None, "0", 6),
        (None, "-2", 6),
        (None, "2,1", 6),
        (None, "two", 6),
        (None, "٣", 6),
        (None, "", 6),
        (None, None, 6),
    ],
)
def test_argument_then_environment_then_cores(
    monkeypatch: pytest.MonkeyPatch, wish: int | None, said: str | None, expected: int
) -> None:
    """The argument has precedence, then OMP_NUM_THREADS if it is a positive integer, then the physical cores."""
    monkeypatch.setattr(threads, "physical_cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert choose_threads(wish) == expected


def test_cores_are_those_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are between 1 and `os.cpu_count()` cores; LOKY_MAX_CPU_COUNT limits them if it is a number."""
    monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert physical_cores() == 1
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "many")
    assert physical_cores() == os.cpu_count()


def test_counting_is_silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """If physical cores cannot be counted, logical ones are, without output or warnings."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no lscpu, no cat
    monkeypatch.setattr(joblib.externals.loky.backend.context, "physical_cores_cache", None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert physical_cores() >= 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("said", "becomes"),
    [({}, "5000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)],
)
def test_waiting_threads_sleep_soon(said: dict[str, str], becomes: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting threads spin only briefly, unless the user has configured it."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    threads.limit_spinning()
    assert os.environ.get("GOMP_SPINCOUNT") == becomes
