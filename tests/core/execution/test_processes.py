"""Runs in processes of their own."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.events import Initialised, ListenerFailed, PhaseEnded, PhaseStarted, Progress, Scored
from decda.core.execution import processes
from decda.core.execution.dispatch import dispatch
from decda.core.execution.local_engine import LocalEngine
from decda.core.execution.messages import Failed, Finished, Job, Message, Notify, OutputLine
from decda.core.execution.protocol import WorkerJob
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupts
from decda.core.runs.experiment import run
from tests.conftest import SHORT

MOODS = '''
import os, signal, sys
from decda.core.errors import TrainingDiverged
from decda.core.functional import kmeans
from decda.core.random_keys import derive_seed
from decda.plugins.heads.dec import DEC


class Moody(DEC):
    """Misbehaves depending on the seed."""

    def init_centers(self, z, seed):
        print("noise")
        if "worker" in sys.argv[0]:
            os.write(1, b"deep \\xff noise\\rhalf a line")
        if seed == derive_seed(1, "centers"):
            raise TrainingDiverged("Not this one.")
        if seed == derive_seed(2, "centers"):
            os.kill(os.getpid(), signal.SIGKILL)
        if seed == derive_seed(3, "centers"):
            os._exit(7)
        self.centers.data.copy_(kmeans(z, len(self.centers), seed))
'''
SERVANTS = re.compile("ps -A|tests.forked")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
QUIET: dict[str, Any] = {"offline": True, "threads": 1}
EQUAL = ("labels.csv", "log.csv", "metrics.json", "model.safetensors", "autoencoder.safetensors", "config.toml")
"""The files that equal runs write byte for byte."""


def install_moods(site: Path) -> Path:
    """A third-party package whose head `moody` prints, fails for seed 1, is killed for seed 2 and exits for seed 3."""
    info = site / "moods-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: moods\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[decda.heads]\nmoody = decda_test_moods:Moody\n")
    (site / "decda_test_moods.py").write_text(MOODS)
    return site


def run_side_by_side(
    jobs: deque[Job], notify: Notify, *, n_jobs: int, interrupts: Interrupts | None = None, **words: Any
) -> None:
    """Make runs in processes of this machine."""
    dispatch(LocalEngine(n_jobs, partial(WorkerJob.from_job, **words)), jobs, notify, interrupts)


class Story:
    """Records the messages about each seed."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Message]] = []

    def __call__(self, seed: int, event: Message) -> None:
        self.told.append((seed, event))

    def of(self, seed: int) -> list[Message]:
        return [event for told, event in self.told if told == seed]


@pytest.fixture(scope="module")
def moody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunConfig]:
    """The configuration of a run with the moody head."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(install_moods(tmp_path_factory.mktemp("site"))))
        yield compose(Registry.discover(), parts={"encoder": "fc", "head": "moody"}, settings=SHORT)


ENDLESS = """
import os, sys, time
from decda.core.execution.messages import Failed
from decda.core.execution.protocol import as_line

os.write(1, as_line(Failed(6, "Told.")).encode())
os.close(1)
os.write(2, b"much\\n" * 20_000)
time.sleep(1000)
"""
"""A worker that sends its outcome, writes more than a pipe holds, and never exits."""


def children() -> list[str]:
    """The running child processes of this one, but for the server of the tests."""
    words = ["ps", "-A", "-ww", "-o", "ppid=,stat=,args="]
    rows = [line.split(None, 2) for line in subprocess.check_output(words, text=True).splitlines()]
    return [args for parent, state, args in rows if int(parent) == os.getpid() and not SERVANTS.search(args)]


def job(config: RunConfig, seed: int, folder: Path) -> Job:
    return Job(seed, replace(config, seed=seed), folder / f"seed-{seed}")


@pytest.fixture(scope="module")
def story(moody: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Story]:
    """Four seeds, two at a time: one finishes, one fails, one is killed, one exits."""
    folder, story = tmp_path_factory.mktemp("pool"), Story()
    before = dict(os.environ), {number: signal.getsignal(number) for number in SIGNALS}
    run_side_by_side(
        deque([job(moody, seed, folder) for seed in range(4)]), story, n_jobs=2, data_root=folder / "data", **QUIET
    )
    assert (dict(os.environ), {number: signal.getsignal(number) for number in SIGNALS}) == before
    return folder, story


def test_a_run_in_a_process_equals_a_run_alone(story: tuple[Path, Story], moody: RunConfig, tmp_path: Path) -> None:
    """A run in a worker process, beside others, writes the same bytes as alone in this process."""
    folder, told = story
    alone = run(moody, Registry.discover(), Files(offline=True), out=tmp_path / "alone")
    for name in EQUAL:
        assert (folder / "seed-0" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name
    end = told.of(0)[-1]
    assert isinstance(end, Finished)
    mine, its = dict(alone.as_mapping()), dict(end.result)
    for result in (mine, its):
        del result["seconds"], result["run"]
    assert mine == its
    assert list(end.sizes) == alone.sizes


def test_events_arrive_without_tensors(story: tuple[Path, Story]) -> None:
    """Phases are reported in order, loss terms as floats and the outcome last; no tensor is sent."""
    events = story[1].of(0)
    assert [event.phase for event in events if isinstance(event, PhaseStarted)] == [
        "pretrain",
        "init_centers",
        "cluster",
    ]
    assert [(e.phase, e.steps) for e in events if isinstance(e, PhaseEnded)] == [
        ("pretrain", 1),
        ("init_centers", 1),
        ("cluster", 4),
    ]
    assert any(isinstance(event, Scored) for event in events)
    assert not any(isinstance(event, Initialised) for event in events)
    epoch = next(event for event in events if isinstance(event, Progress) and event.terms)
    assert all(type(value) is float for value in epoch.terms.values())
    assert b"torch" not in pickle.dumps([event for event in events if not isinstance(event, Finished)])
    assert isinstance(events[-1], Finished)


LISTENER = """
import os
from decda.core.events import Refreshed


class Mine:
    def __init__(self, folder):
        (folder / "heard.txt").write_text(f"{os.getpid()}\\n")
        self.file = folder / "heard.txt"

    def __call__(self, event):
        with self.file.open("a") as file:
            file.write(f"{type(event).__name__}\\n")
        if isinstance(event, Refreshed):
            raise OSError("no socket")


def register(registry):
    registry.add("listener", "mine", Mine)
"""


def test_listeners_listen_in_the_process_of_their_run(registry: Registry, tmp_path: Path) -> None:
    """Each run has its own, also from a file; one that fails there is told here, and costs no run."""
    (tmp_path / "mine.py").write_text(LISTENER)
    config, told = compose(registry, parts={"encoder": "fc", "start": "kmeans"}, settings=SHORT), Story()
    words = {"load": [tmp_path / "mine.py"], "listen": ["local:mine", "decda:tensorboard"], **QUIET}
    jobs = deque([job(config, seed, tmp_path) for seed in (0, 1)])
    run_side_by_side(jobs, told, n_jobs=2, data_root=tmp_path / "data", **words)
    heard = [(tmp_path / f"seed-{seed}" / "heard.txt").read_text().split() for seed in (0, 1)]
    assert len({os.getpid(), *(int(lines[0]) for lines in heard)}) == 3
    for seed, lines in enumerate(heard):
        assert lines[1] == "PhaseStarted"
        assert lines.count("Refreshed") == 1
        assert lines[-1] == "Refreshed"
        events = told.of(seed)
        assert ListenerFailed("mine", "local", "OSError: no socket") in events
        assert isinstance(events[-1], Finished)
        assert list((tmp_path / f"seed-{seed}" / "tensorboard").glob("events.out.tfevents.*"))


def test_output_of_a_process_is_reported(story: tuple[Path, Story]) -> None:
    """Lines arrive with their seed, whether printed or written to file descriptor 1; the probe writes them, too."""
    lines = [event.text for event in story[1].of(0) if isinstance(event, OutputLine)]
    assert lines == ["noise", "deep � noise", "half a linenoise", "deep � noise", "half a line"]


def test_a_seed_that_fails_leaves_the_others_alone(story: tuple[Path, Story]) -> None:
    """An error is reported with message and exit code, a process that dies with its seed and its signal or code."""
    ends = {seed: story[1].of(seed)[-1] for seed in range(4)}
    assert isinstance(ends[0], Finished)
    assert ends[1] == Failed(1, "Not this one.", 4)
    assert isinstance(ends[2], Failed)
    assert isinstance(ends[3], Failed)
    assert "seed 2 was killed by SIGKILL" in ends[2].error
    assert "fewer jobs at once" in ends[2].error
    assert "seed 3 exited with code 7" in ends[3].error
    for seed, status in ((0, "finished"), (1, "diverged"), (2, "failed"), (3, "failed")):
        provenance = json.loads((story[0] / f"seed-{seed}" / "provenance.json").read_text())
        assert provenance["status"] == status, seed
    assert not children()


def test_a_process_that_does_not_exit_is_killed(
    moody: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that does not exit is killed, and everything it has sent until then counts."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "endless_worker.py").write_text(ENDLESS)
    monkeypatch.setattr(processes, "WORKER", "endless_worker")
    monkeypatch.setattr(processes, "EXIT_TIMEOUT", 2.0)
    story = Story()
    run_side_by_side(deque([job(moody, 6, tmp_path)]), story, n_jobs=1, data_root=tmp_path / "data", **QUIET)
    assert story.of(6) == [OutputLine("much")] * 20_000 + [Failed(6, "Told.")]
    assert not children()


FORKING = """
import os, sys, time
from decda.core.execution.messages import Failed
from decda.core.execution.protocol import as_line

if os.fork() == 0:
    time.sleep(20)
    os._exit(0)
os.write(1, b"[" * 100_000 + b"\\n")
os.write(1, as_line(Failed(6, "Sent.")).encode())
"""
"""A process whose forked child keeps its pipes open, and that sends nonsense."""


def test_the_outcome_ends_a_run(moody: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds the pipe after the outcome is not waited for, and nonsense in it hangs nothing."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "forking_worker.py").write_text(FORKING)
    monkeypatch.setattr(processes, "WORKER", "forking_worker")
    story, begin = Story(), time.monotonic()
    run_side_by_side(deque([job(moody, 6, tmp_path)]), story, n_jobs=1, data_root=tmp_path / "data", **QUIET)
    assert story.of(6)[-1] == Failed(6, "Sent.")
    assert time.monotonic() - begin < 15


WAITING = """
import os, select, sys
from decda.core.execution.messages import Failed
from decda.core.execution.protocol import as_line

sys.stdin.readline()
ended = select.select([0], [], [], 0.3)[0]
os.write(1, as_line(Failed(6, f"{len(ended)} ended.")).encode())
"""
"""A process that looks whether its stdin has ended."""


def test_stdin_stays_open_as_long_as_somebody_waits(
    moody: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its end tells a process that whoever started it is gone."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "waiting_worker.py").write_text(WAITING)
    monkeypatch.setattr(processes, "WORKER", "waiting_worker")
    story = Story()
    run_side_by_side(deque([job(moody, 6, tmp_path)]), story, n_jobs=1, data_root=tmp_path / "data", **QUIET)
    assert story.of(6) == [Failed(6, "0 ended.")]


SCRIPT = """
import decda.core.execution.processes
from collections import deque
from pathlib import Path
from decda.core.config.composition import compose
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.studies.seeds import run_seeds

print("once")
registry = Registry.discover()
config = compose(registry, parts={"encoder": "fc", "start": "kmeans"}, settings=SETTINGS)
result = run_seeds(config, registry, Files(offline=True), [0, 1], out=Path("all"))
print(len(result.finished))
"""


def test_a_script_without_a_main_guard_runs_once(tmp_path: Path) -> None:
    """The worker processes do not run the calling script again."""
    (tmp_path / "script.py").write_text(SCRIPT.replace("SETTINGS", repr(SHORT)))
    words = [sys.executable, "script.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "once\n2\n"), done.stderr
