"""Jobs and messages are exchanged as lines of JSON."""

from pathlib import Path

import pytest
import torch

from decda.core.config.composition import compose
from decda.core.events import (
    BatchEnded,
    Downloading,
    Initialised,
    ListenerFailed,
    PhaseEnded,
    Progress,
    Refreshed,
    RunEnded,
    StepFallback,
)
from decda.core.execution.messages import Failed, Finished, Job
from decda.core.execution.protocol import WorkerJob, as_line, from_line
from decda.core.parts.registry import Registry


@pytest.mark.parametrize(
    "message",
    [
        PhaseEnded("cluster", 3, "converged"),
        BatchEnded("pretrain", 1, 2),
        Downloading("a/ü.gz", 5, None),
        StepFallback("graph", None, 'it said "no"'),
        ListenerFailed("mine", "mine 1.0", "OSError: ü"),
        Failed(3, "two\nlines", 4),
        Finished(0, {"acc": 0.1 + 0.2, "nmi": None, "warnings": ["careful"]}, [1, 2]),
    ],
)
def test_messages_survive_a_round_trip(message: object) -> None:
    """Every event or outcome becomes a single line, and is read back equal."""
    line = as_line(message)  # type: ignore[arg-type]
    assert line is not None
    assert line.count("\n") == 1
    assert from_line(line) == message


def test_tensors_are_not_sent() -> None:
    """Labels and embeddings are dropped, and loss terms become floats."""
    assert as_line(Initialised(torch.zeros(3, 2))) is None
    refreshed = Refreshed(30, 100, torch.zeros(3, dtype=torch.int64), 0.25, {"kl": torch.tensor(2.0)})
    expected = Refreshed(30, 100, [], 0.25, {"kl": 2.0})  # type: ignore[arg-type, dict-item]
    assert from_line(as_line(refreshed) or "") == expected
    progress = Progress("pretrain", 1, 2, {"loss": torch.tensor(0.5)})
    assert from_line(as_line(progress) or "") == Progress("pretrain", 1, 2, {"loss": 0.5})  # type: ignore[dict-item]


def test_what_a_run_came_to_stays_in_its_process() -> None:
    """The end of a run, with its model and images, has no line: `Finished` says what others need."""
    assert as_line(RunEnded(object(), object())) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("line", ["", "noise", "[]", "{}", '{"type": "Exit"}', '{"type": "Failed"}'])
def test_a_line_that_is_not_a_message(line: str) -> None:
    """Any other line raises ValueError, so that it can be shown as output of the process."""
    with pytest.raises(ValueError, match="message|JSON|Expecting"):
        from_line(line)


def test_a_job_survives_a_round_trip(registry: Registry) -> None:
    """A worker composes exactly the configuration that it was sent."""
    config = compose(registry, recipe="convidec-da", seed=7, settings=["head.gamma=0.30000000000000004"])
    words = Job(7, config, Path("out"))
    how = {"data_root": Path("data"), "offline": True, "threads": 2, "load": [Path("mine.py")], "listen": ["a:b"]}
    job = WorkerJob.from_job(words, **how, checkpoint_every=5.5)
    again = WorkerJob.from_line(job.as_line())
    assert again == WorkerJob(**{**vars(job), "load": ["mine.py"], "listen": ["a:b"]})
    assert compose(registry, config=again.config) == config
    assert (again.recipe, again.seed) == ("convidec-da", 7)
