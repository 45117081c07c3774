"""A run on several processes, from the command line: recorded once, and resumable by any number of processes."""

import json
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from torch import Tensor, nn
from torch.distributed.run import parse_args

from decda.core.atomic_files import read_json
from decda.core.config.composition import compose
from decda.core.errors import ConfigError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.preparation import prepare
from decda.core.runs.sharing import _require_alike
from decda.plugins.encoders.fc import FcAutoencoder
from tests.conftest import SHORT, Here
from tests.together import end_together, start_together

QUICK = ("--recipe", "quick", "--encoder", "fc", "--start", "kmeans", "--no-report", "--set", "encoder.hidden=16")
ENDLESS = (*(word for word in SHORT if "epochs" not in word), "train.pretrain_epochs=100000")


def words(out: str, *more: str, settings: Sequence[str] = SHORT) -> list[str]:
    named = [word for setting in settings for word in ("--set", setting)]
    return ["-m", "decda", "train", *QUICK, *named, "--out", out, *more]


def wait_for(path: Path, lines: int, processes: Sequence[Popen[str]]) -> None:
    """Wait until a log has some lines."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and all(process.poll() is None for process in processes):
        if path.exists() and len(path.read_text().splitlines()) >= lines:
            return
        time.sleep(0.05)
    for process in processes:
        process.kill()
    raise AssertionError([process.communicate() for process in processes])


def log(folder: Path) -> list[list[str]]:
    return [line.split(",") for line in (folder / "log.csv").read_text().splitlines()[1:]]


def test_one_of_them_records_the_run(tmp_path: Path, here: Here) -> None:
    """The first process writes folder and terminal, once; the result is that of one process, up to rounding."""
    keep = ("--set", "train.keep=better", "--json")
    (first, out, err), second = end_together(start_together(words("two", *keep), 2, tmp_path))
    assert (first, second[0]) == (0, 0), err + second[2]
    assert second[1:] == ("", "")
    result = json.loads(out)
    provenance = read_json(tmp_path / "two" / "provenance.json")
    assert provenance["status"] == "finished"
    assert provenance["processes"] == 2
    assert not list((tmp_path / "two" / "checkpoints").glob("*"))
    alone = json.loads(here(*words("one", *keep)[2:])[1])
    assert abs(result["acc"] - alone["acc"]) < 0.02
    for line, other in zip(log(tmp_path / "two"), log(tmp_path / "one"), strict=True):
        assert line[:2] == other[:2]
        assert not line[2] or float(line[2]) == pytest.approx(float(other[2]), abs=1e-4)
    assert "processes" not in read_json(tmp_path / "one" / "provenance.json")


TWICE = """
import sys
import decda

for seed in (0, 1):
    train = {"pretrain_epochs": 1, "max_iter": 4}
    run = decda.train("digits", encoder="fc", start="kmeans", train=train, seed=seed, out=f"run-{seed}", report=False)
    again = decda.load(f"run-{seed}")
    assert (again.labels == run.labels).all() and run.metrics == again.metrics and run.model is not None
print(run.folder)
"""


def test_a_program_shares_one_run_after_another(tmp_path: Path) -> None:
    """All of its processes get the finished run; what has finished is not resumed, and no process waits for another."""
    ended = end_together(start_together(["-c", TWICE], 2, tmp_path))
    assert [(code, out.strip()) for code, out, _ in ended] == [(0, "run-1")] * 2, ended
    ended = end_together(start_together(["-m", "decda", "train", "--resume", "run-1", "--no-report"], 2, tmp_path))
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert "already finished" in ended[0][2]


def test_runs_go_on_with_more_processes_or_fewer(tmp_path: Path, here: Here) -> None:
    """A signal to any process saves the run and ends all; one process goes on with it, and two with that."""
    many = (*SHORT, "train.pretrain_epochs=60", "train.batch_size=64")
    processes = start_together(words("run", settings=many), 2, tmp_path)
    wait_for(tmp_path / "run" / "log.csv", 3, processes)
    processes[1].send_signal(signal.SIGTERM)
    first, second = end_together(processes)
    assert (first[0], second[0]) == (143, 143), first[2] + second[2]
    assert "it is saved up to this moment" in first[2]
    assert second[2].strip() == ""  # Click ends the line
    assert read_json(tmp_path / "run" / "provenance.json")["status"] == "interrupted"
    done = [int(line[1]) for line in log(tmp_path / "run")]
    assert 1 < len(done) < 60
    code, _, err = here("train", "--resume", "run", "--no-report")
    assert code == 0, err
    assert [line[1] for line in log(tmp_path / "run") if line[0] == "pretrain"] == [str(n + 1) for n in range(60)]
    (note,) = read_json(tmp_path / "run" / "provenance.json")["resumed"]
    assert "processes: 2 then, 1 now" in note["differences"]


def test_one_that_is_killed_ends_all(tmp_path: Path) -> None:
    """The others say that a process has ended, with an exit code of its own; the folder can be resumed, by two."""
    processes = start_together(words("run", "--checkpoint-every", "0.2", settings=ENDLESS), 2, tmp_path)
    wait_for(tmp_path / "run" / "log.csv", 4, processes)
    processes[1].kill()
    (code, _, err), _ = end_together(processes)
    assert code == 7
    assert "Error: Another process of this run has ended, or cannot be reached" in err
    assert "Traceback" not in err
    assert read_json(tmp_path / "run" / "provenance.json")["status"] == "failed"
    before = len(log(tmp_path / "run"))
    processes = start_together(["-m", "decda", "train", "--resume", "run", "--no-report"], 2, tmp_path)
    wait_for(tmp_path / "run" / "log.csv", before + 3, processes)
    processes[0].send_signal(signal.SIGINT)
    first, second = end_together(processes)
    assert (first[0], second[0]) == (130, 143), first[2] + second[2]
    epochs = [int(line[1]) for line in log(tmp_path / "run")]
    assert epochs == list(range(1, len(epochs) + 1))


def test_what_does_not_fit_is_told_once(tmp_path: Path) -> None:
    """A mistake that all processes make is told by the first one, and several seeds are not what torchrun is for."""
    for more, told in (
        (["--head", "idecc"], "Unknown head 'idecc'"),
        (["--seeds", "0-1", "--out", "seeds"], "torchrun shares one run among several processes"),
    ):
        arguments = ["-m", "decda", "train", "--no-report", *more]
        first, second = end_together(start_together(arguments, 2, tmp_path))
        assert (first[0], second[0]) == (2, 2)
        assert first[2].startswith(f"Error: {told}")
        assert "Error" not in second[2]


class Normed(FcAutoencoder):
    """An encoder with batch normalization."""

    def __init__(self, input_shape: tuple[int, int, int]):
        super().__init__(input_shape, hidden=(5,))
        self.norm = nn.BatchNorm2d(input_shape[0])

    def encode(self, x: Tensor) -> Tensor:
        return super().encode(self.norm(x))


def test_parts_that_depend_on_their_batch_are_not_shared(registry: Registry) -> None:
    """A run of them is prepared for one process, and refused for two."""
    own = registry.copy()
    own.add("encoder", "normed", Normed)
    config = compose(own, parts={"encoder": "normed", "start": "kmeans"}, settings=SHORT)
    prepare(config, own, Files(offline=True))
    with pytest.raises(ConfigError, match="the encoder 'normed'.*depend on the other images"):
        prepare(config, own, Files(offline=True), n_processes=2)


def test_torchrun_passes_our_options_on() -> None:
    """It would take `--start` for an abbreviation of its own `--start-method`; `--` keeps it from that."""
    words = ["--nproc-per-node", "2", "-m", "--", "decda", "train", "--start", "umap", "--set", "start.n_neighbors=9"]
    parsed = parse_args(words)
    assert (parsed.module, parsed.training_script, parsed.training_script_args) == (True, "decda", words[5:])


def test_processes_must_have_the_same_images_and_parts() -> None:
    """Else they would train something else; the message says which process, where, and what differs."""
    common = {"config_sha256": "a", "data_sha256": "b", "parts": {}, "versions": {"torch": "2"}}
    _require_alike([("here", common), ("there", dict(common))])
    other: dict[str, Any] = {**common, "data_sha256": "c", "versions": {"torch": "3"}}
    told = "process 1 on there has other images and other versions of its packages than process 0 on here"
    with pytest.raises(ConfigError, match=told):
        _require_alike([("here", common), ("there", other)])
