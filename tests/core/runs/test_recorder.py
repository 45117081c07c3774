"""What the recorder says of a run beside the trainer's own events: where the start looked at a sample."""

from typing import Any

import pytest
import torch

from decda.core import sampling
from decda.core.config.run_config import PART_KINDS, PartConfig, RunConfig
from decda.core.events import EmbeddingsSampled, Event, Initialised
from decda.core.runs.recorder import PAPER_START, Recorder


def told(start: PartConfig, n: int) -> list[Event]:
    """The events about n embeddings, of which a start has made three clusters."""
    parts: dict[str, Any] = {kind: PartConfig("mine:x") for kind in PART_KINDS} | {"start": start}
    events: list[Event] = []
    recorder = Recorder(RunConfig(**parts, n_clusters=3), None, [events.append], lambda: None)
    recorder(Initialised(torch.zeros(n, 2), torch.zeros(n, dtype=torch.int64)))
    return events


def test_a_sample_of_kmeans_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the centers are placed it is said how many of how many were clustered; of few, all were."""
    monkeypatch.setattr(sampling, "MAX_WHOLE", 500)
    monkeypatch.setattr(sampling, "LEAST_SAMPLED", 60)
    first, second = told(PAPER_START, 501)
    assert first == EmbeddingsSampled(300, 501)
    assert isinstance(second, Initialised)
    assert [type(event) for event in told(PAPER_START, 500)] == [Initialised]


def test_a_sample_of_another_start_is_told() -> None:
    """A start that is set to a most number of samples looks at no more; one that is not looks at all."""
    few = PartConfig("mine:few", {"max_samples": 40})
    assert told(few, 41)[0] == EmbeddingsSampled(40, 41)
    assert [type(event) for event in told(few, 40)] == [Initialised]
    assert [type(event) for event in told(PartConfig("mine:all"), 10**4)] == [Initialised]
