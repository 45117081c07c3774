"""Shared fixtures: the built-in parts, settings for short runs, and the command line in this or another process."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from decda.cli import main
from decda.core.config.composition import compose
from decda.core.contracts import Batch, Decode
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.runs.experiment import run, run_stepwise
from decda.plugins.recipes import QUICK
from tests.forked import Forks

# Shells let background jobs ignore SIGINT, which child processes inherit; some tests send them SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # same bytes on any machine, and test processes do not compete for cores

SHORT = (
    "dataset.size=8",
    "train.pretrain_epochs=1",
    "train.max_iter=4",
    "train.update_interval=2",
    "train.batch_size=512",
    "train.tol=0",
)
"""Settings for a run of a few iterations."""


def batch_of(z: Tensor, target: Tensor, *, x: Tensor, decode: Decode) -> Batch:
    """The input of a head's loss, for the first images of a set."""
    return Batch(z=z, target=target, x=x, decode=decode, index=torch.arange(len(z)))


def install(site: Path, package: str, entry_points: str) -> None:
    """Write the metadata of version 1.0 of a package to a folder, as pip does."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or fills the cache of the user who runs it."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session", autouse=True)
def no_reports() -> None:
    """Runs write no report, which takes time, unless a test asks for it."""
    os.environ["DECDA_NO_REPORT"] = "1"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A test that leaves many threads behind would slow down all that follow in its process."""
    yield
    assert torch.get_num_threads() == 1, "the test left another number of threads behind"


@pytest.fixture(scope="session", autouse=True)
def quick_starts_quickly() -> Iterator[None]:
    """`quick`, on which most tests stand, starts from k-means here: five maps of t-SNE would take most of their time.

    `tests/plugins/test_recipes.py` has it as it is; so has another process, unless it names a start.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(QUICK, "start", "kmeans")
        yield


@pytest.fixture(scope="session")
def registry() -> Registry:
    """The built-in parts, without those of other installed packages."""
    return Registry(entry for entry in Registry.discover() if entry.package == "decda")


@pytest.fixture(scope="session")
def finished_run(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run on `digits`; tests that change it copy it first."""
    config = compose(registry, parts={"encoder": "fc"}, settings=SHORT)
    return run(config, registry, Files(offline=True), out=tmp_path_factory.mktemp("runs") / "finished").folder


@pytest.fixture(scope="session")
def begun_run(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was interrupted in pretraining, with one checkpoint; tests copy it first."""
    config = compose(registry, parts={"encoder": "conv"}, settings=SHORT)
    interrupts, out = Interrupts(), tmp_path_factory.mktemp("runs") / "begun"
    steps = run_stepwise(config, registry, Files(offline=True), out=out, interrupts=interrupts)
    next(steps)
    interrupts.pending = "SIGTERM"
    with pytest.raises(Interrupted):
        next(steps)
    return out


@pytest.fixture(scope="session")
def runs(finished_run: Path, begun_run: Path) -> dict[str, Path]:
    """The folders of a finished and of an interrupted run, by the names they have in `tests/places.py`."""
    return {"run": finished_run, "begun": begun_run}


@pytest.fixture(scope="session")
def forks(no_reports: None, user_cache: None) -> Iterator[Forks]:
    """The server of `decda`."""
    forks = Forks(cli_environment())
    yield forks
    forks.close()


def cli_environment() -> dict[str, str]:
    """The environment of the command line in another process."""
    # What pytest says of the present test would make each environment another one.
    return {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "PYTEST_CURRENT_TEST": ""}


@pytest.fixture
def decda(tmp_path: Path, forks: Forks) -> Cli:
    """The command line in another process, with one thread, in an empty folder.

    A fork, unless the test has environment variables of its own.
    """

    def call(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        if words[:1] == ("train",) and not {"--recipe", "--config", "--images", "--resume", "--start"} & {*words}:
            words = (*words, "--start", "kmeans")  # see `quick_starts_quickly`
        if {**cli_environment(), **environment} == forks.environment:
            return forks.run(words, tmp_path)
        return subprocess.run(
            [sys.executable, "-m", "decda", *words],
            cwd=tmp_path,
            env={**cli_environment(), **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return call


Here = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """The command line in this process, in an empty folder; returns the exit code, stdout and stderr.

    Saves the seconds that importing PyTorch takes, for tests that need no separate process.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv(
        "DECDA_DISABLE_PLUGINS", ""
    )  # set first, so that what --no-plugins sets does not outlive the test
    monkeypatch.delenv("DECDA_DISABLE_PLUGINS")

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["decda", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        torch.set_num_threads(1)  # a run sets its own
        return int(stop.value.code or 0), *capsys.readouterr()

    return call
