"""Jobs and messages as lines of JSON."""

from pathlib import Path

import pytest
import torch

from decda.core.config.composition import compose
from decda.core.events import BatchEnded, Downloading, Initialised, PhaseEnded, Progress, Refreshed, StepFallback
from decda.core.execution.messages import Failed, Finished
from decda.core.execution.protocol import WorkerJob, as_line, from_line
from decda.core.parts.registry import Registry


@pytest.mark.parametrize(
    "message",
    [
        PhaseEnded("cluster", 3, "converged"),
        BatchEnded("pretrain", 1, 2),
        Downloading("a/ü.gz", 5, None),
        StepFallback("graph", None, 'it said "no"'),
        Failed(3, "two\nlines", 4),
        Finished(0, {"acc": 0.1 + 0.2, "nmi": None, "warnings": ["careful"]}, [1, 2]),
    ],
)
def test_messages_come_back_equal(message: object) -> None:
    """Whatever an event or an outcome holds, it is one line, and reads back as what it was."""
    line = as_line(message)  # type: ignore[arg-type]
    assert line is not None
    assert line.count("\n") == 1
    assert from_line(line) == message


def test_tensors_stay_behind() -> None:
    """Labels and embeddings are not sent, and terms become numbers."""
    assert as_line(Initialised(torch.zeros(3, 2))) is None
    refreshed = Refreshed(30, 100, torch.zeros(3, dtype=torch.int64), 0.25, {"kl": torch.tensor(2.0)})
    expected = Refreshed(30, 100, [], 0.25, {"kl": 2.0})  # type: ignore[arg-type, dict-item]
    assert from_line(as_line(refreshed) or "") == expected
    progress = Progress("pretrain", 1, 2, {"loss": torch.tensor(0.5)})
    assert from_line(as_line(progress) or "") == Progress("pretrain", 1, 2, {"loss": 0.5})  # type: ignore[dict-item]


@pytest.mark.parametrize("line", ["", "noise", "[]", "{}", '{"type": "Exit"}', '{"type": "Failed"}'])
def test_what_is_no_message(line: str) -> None:
    """Anything else is an error, so that it can be shown as what a process wrote."""
    with pytest.raises(ValueError, match="message|JSON|Expecting"):
        from_line(line)


def test_a_job_comes_back_equal(registry: Registry) -> None:
    """The configuration that a process composes is the one it was given."""
    config = compose(registry, recipe="convidec-da", seed=7, settings=["head.gamma=0.30000000000000004"])
    job = WorkerJob.from_config(config, Path("out"), Path("data"), True, 2, [Path("mine.py")])
    again = WorkerJob.from_line(job.as_line())
    assert again == WorkerJob(**{**vars(job), "load": ["mine.py"]})
    assert compose(registry, config=again.config) == config
    assert again.recipe == "convidec-da"
