"""A run on a worker, whose process is a fake here that writes what it was told."""

import json
import threading
import time
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from decda import __version__
from decda.core.events import PhaseStarted
from decda.core.execution import processes, remote_run
from decda.core.execution.messages import Failed, Finished, Message, OutputLine
from decda.core.execution.parcels import pack
from decda.core.execution.processes import Order
from decda.core.execution.protocol import WorkerJob, from_line
from decda.core.execution.remote_run import PlainWorker, errand, make_run, name_input
from decda.core.runs.lock import FolderLock

FAKE = """
import json, os, signal, sys, time
from pathlib import Path
import tomli_w
from decda.core.events import PhaseStarted
from decda.core.execution.messages import Failed, Finished
from decda.core.execution.protocol import WorkerJob, as_line

job = WorkerJob.from_line(sys.stdin.readline())
out = Path(job.out)
out.mkdir(exist_ok=True)
weights = job.config.get("autoencoder")
told = {"autoencoder": {"path": weights}} if weights else {}
told["reason"] = f"{out}/x was full"
told["loaded"] = {path: "?" for path in job.load}
(out / "config.toml").write_text(tomli_w.dumps(job.config))
(out / "provenance.json").write_text(json.dumps(told))
(out / "seen.json").write_text(json.dumps({
    "begun": sorted(path.name for path in out.iterdir()), "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
    "weights": Path(weights).read_text() if weights else None, "parts": [Path(path).read_text() for path in job.load],
    "data_root": job.data_root,
}))
print(as_line(PhaseStarted("pretrain", 1)), end="", flush=True)
print("noise", file=sys.stderr, flush=True)
if job.config["seed"] == 2:
    print(as_line(Failed(2, f"No {out}.", 4)), end="", flush=True)
elif job.config["seed"] == 3:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    (out / "saved").touch()
    time.sleep(60)
else:
    print(as_line(Finished(job.config["seed"], {"run": str(out)}, [1])), end="", flush=True)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a token, in which runs are made by a fake process; seed 2 fails, seed 3 waits to be ended."""
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "fake_worker.py").write_text(FAKE)
    monkeypatch.setattr(processes, "WORKER", "fake_worker")
    (tmp_path / "token").touch()
    return tmp_path


def words(
    site: Path, *, seed: int = 0, shared: bool = True, inputs: Mapping[str, str] | None = None, **job: Any
) -> str:
    """What `make_run` is told."""
    config = {"seed": seed, **job.pop("config", {})}
    made = WorkerJob(config, None, str(site / "run"), str(site / "data"), True, 1, **job)
    return errand(made, site / ("token" if shared else "nowhere"), inputs or {})


class Listener(PlainWorker):
    """A worker that keeps what it is told, and may order something."""

    def __init__(self, order: Order | None = None) -> None:
        super().__init__()
        self.name = "w1 on host"
        self.environment = {"CUDA_VISIBLE_DEVICES": "7"}
        self.told: list[Message] = []
        self.ordered = order

    def tell(self, message: Message) -> None:
        self.told.append(message)

    def order(self) -> Order | None:
        return self.ordered


def seen(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "seen.json").read_text())
    return found


def test_on_a_shared_file_system_a_run_is_made_in_its_folder(site: Path) -> None:
    """The token is seen: nothing goes home but the outcome; messages go to the worker, and the run gets its device."""
    worker = Listener()
    made = make_run(words(site, expected={"device": "cuda"}), None, worker)
    assert made == {"missing": False, "outcome": made["outcome"], "folder": None}
    assert from_line(made["outcome"]) == Finished(0, {"run": str(site / "run")}, [1])
    assert seen(site / "run")["gpus"] == "7"
    assert sorted(map(str, worker.told)) == sorted(map(str, [PhaseStarted("pretrain", 1), OutputLine("noise")]))


def test_a_run_planned_for_a_cpu_sees_no_gpu(site: Path) -> None:
    """Otherwise `auto` would choose the GPU of a worker, and rounding would depend on where a run is made."""
    make_run(words(site, expected={"device": "cpu"}), None, Listener())
    assert seen(site / "run")["gpus"] == ""


def test_without_a_shared_file_system_all_travels(site: Path, tmp_path: Path) -> None:
    """Without a parcel nothing is done; with it the run sees its inputs, and its folder names them as at home."""
    parts, weights = b"def register(registry): ...", b"weights"
    digests = {"/elsewhere/mine.py": sha256(parts).hexdigest(), "/elsewhere/a.safetensors": sha256(weights).hexdigest()}
    config = {"a": 1, "autoencoder": "/elsewhere/a.safetensors", "z": {"name": "x"}}
    told = words(site, shared=False, inputs=digests, config=config, load=["/elsewhere/mine.py"])
    assert make_run(told) == {"missing": True, "outcome": None, "folder": None}
    assert not (site / "run").exists()
    parcel = {
        name_input(path, digest): data for (path, digest), data in zip(digests.items(), (parts, weights), strict=True)
    }
    made = make_run(told, {**parcel, "run/checkpoints/1/state.json": b"{}"})
    folder: dict[str, bytes] = made["folder"]
    assert not (site / "run").exists()
    assert folder["checkpoints/1/state.json"] == b"{}"
    found = json.loads(folder["seen.json"])
    assert (found["weights"], found["parts"]) == ("weights", [parts.decode()])
    assert folder["config.toml"].decode() == tomli_w.dumps({"seed": 0, **config})
    assert json.loads(folder["provenance.json"]) == {
        "autoencoder": {"path": "/elsewhere/a.safetensors"},
        "reason": f"{site}/run/x was full",
        "loaded": {"/elsewhere/mine.py": digests["/elsewhere/mine.py"]},
    }


def test_an_input_that_cannot_be_sent(site: Path) -> None:
    """A file that home could not read either is an error which names it."""
    made = make_run(words(site, shared=False, inputs={"/elsewhere/mine.py": "0a"}, load=["/elsewhere/mine.py"]), {})
    outcome = from_line(made["outcome"])
    assert isinstance(outcome, Failed)
    assert "/elsewhere/mine.py is not there, or is another file than at home." in outcome.error
    assert outcome.exit_code == 7


def test_another_file_of_the_same_path(site: Path) -> None:
    """A file here that is not the one at home is not taken for it."""
    (site / "mine.py").write_text("other")
    told = words(site, inputs={str(site / "mine.py"): sha256(b"mine").hexdigest()}, load=[str(site / "mine.py")])
    assert make_run(told)["missing"]
    make_run(told, {name_input(str(site / "mine.py"), sha256(b"mine").hexdigest()): b"mine"})
    assert seen(site / "run")["parts"] == ["mine"]


def test_the_data_root_is_that_of_home_where_it_is(site: Path) -> None:
    """A folder that this machine does not have is not made here; the worker looks where it keeps its own data."""
    make_run(words(site))
    assert seen(site / "run")["data_root"] is None
    (site / "data").mkdir()
    make_run(words(site))
    assert seen(site / "run")["data_root"] == str(site / "data")


def test_another_version_of_decda(site: Path) -> None:
    """Nothing else is looked at; the error names the worker, both versions, and what to install."""
    tasks = json.loads(words(site)) | {"decda": "0.0.9", "job": {"of": "another shape"}}
    outcome = from_line(make_run(json.dumps(tasks), None, Listener())["outcome"])
    assert outcome == Failed(
        0,
        f"On the worker w1 on host: decda is {__version__} here, and 0.0.9 at home. Install that one in the Python of "
        "the worker: python -m pip install decda==0.0.9",
        7,
    )


def test_failures_name_the_worker(site: Path) -> None:
    """What a run says of its failure is told with where that was, and its folder as at home; its exit code stays."""
    for shared in (True, False):
        outcome = from_line(make_run(words(site, seed=2, shared=shared), {}, Listener())["outcome"])
        assert outcome == Failed(2, f"On the worker w1 on host: No {site}/run.", 4)


@pytest.mark.parametrize("by", ["token", "worker"])
def test_a_run_ends_when_home_does_not_wait(site: Path, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """When the token vanishes, or the worker says so, the run saves itself, and has no outcome."""
    monkeypatch.setattr(remote_run, "TOKEN_SECONDS", 0)
    worker = Listener()

    def end() -> None:
        while not (site / "run" / "saved").exists():
            time.sleep(0.01)
        if by == "token":
            (site / "token").unlink()
        else:
            worker.ordered = "save"

    threading.Thread(target=end).start()
    made = make_run(words(site, seed=3), None, worker)
    assert made == {"missing": False, "outcome": None, "folder": None}
    assert (site / "run" / "saved").exists()


def test_a_folder_in_use_is_waited_for(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of a worker that died may hold the folder for a while; if one stays, nothing is done."""
    (site / "run").mkdir()
    lock = FolderLock(site / "run")
    lock.__enter__()
    threading.Timer(1, lock.__exit__, (None, None, None)).start()
    assert isinstance(from_line(make_run(words(site))["outcome"]), Finished)
    monkeypatch.setattr(remote_run, "LOCK_SECONDS", 0)
    (site / "run" / "seen.json").unlink()
    with FolderLock(site / "run"):
        outcome = from_line(make_run(words(site))["outcome"])
    assert isinstance(outcome, Failed)
    assert "is in use by process" in outcome.error
    assert "seen.json" not in pack(site / "run")


def test_a_folder_that_is_taken_after_it_was_looked_at(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of a killed worker that was still loading takes the folder first: it is waited for once more."""
    outcomes = iter([Failed(0, "It is in use.", 2, in_use=True), Finished(0, {"run": "there"}, [1])])
    monkeypatch.setattr(remote_run, "run_in_process", lambda *_: next(outcomes))
    assert from_line(make_run(words(site))["outcome"]) == Finished(0, {"run": "there"}, [1])


def test_lines_of_a_plain_worker_go_to_its_output(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no message can be sent, lines are at least in the log of the engine."""
    worker = PlainWorker()
    worker.tell(OutputLine("a line"))
    worker.tell(PhaseStarted("pretrain", 1))
    assert capsys.readouterr().err == "a line\n"
    assert worker.order() is None
