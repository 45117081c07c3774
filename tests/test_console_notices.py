"""What a run has to say beside its progress."""

import pytest

from decda.console.notices import notices
from decda.core.config.composition import compose
from decda.core.events import (
    CheckpointRejected,
    ClustersCounted,
    ClustersLost,
    EmbeddingsSampled,
    Event,
    ListenerFailed,
    PhaseStarted,
    Resumed,
    StepFallback,
)
from decda.core.parts.registry import Registry


@pytest.mark.parametrize(
    ("event", "lines"),
    [
        (PhaseStarted("cluster", 3), []),
        (Resumed("start", 0), ["No checkpoint had been written: the run begins again."]),
        (Resumed("pretrain", 7), ["Resumed in pretraining, after epoch 7."]),
        (Resumed("init_centers", 0), ["Resumed after pretraining."]),
        (Resumed("cluster", 30), ["Resumed in clustering, after iteration 30."]),
        (Resumed("done", 0), ["Resumed after clustering."]),
        (Resumed("finished", 0), ["The run has already finished; nothing was changed."]),
        (
            Resumed("cluster", 1, ["threads: 1 then, 2 now"]),
            [
                "Resumed in clustering, after iteration 1.",
                "The result may differ in rounding from that of a run without interruption (threads: 1 then, 2 now).",
            ],
        ),
        (CheckpointRejected("00000007", "it is empty"), ["The checkpoint 00000007 cannot be used: it is empty."]),
        (ClustersCounted(1, [(1, 0.5), (2, 0.1)], 0.01), ["Counted 1 cluster."]),
        (
            ClustersCounted(4, [(3, 0.5), (4, 0.73), (5, 0.74), (6, 0.73), (7, 0.6)], 0.02),
            ["Counted 4 clusters; 5, 6 would do as well."],
        ),
        (
            ClustersCounted(3, [[2, 0.5], [3, 0.6]], 0.01),  # as it comes from another process
            ["Counted 3 clusters; the range ends there, and may be too short."],
        ),
        (
            ListenerFailed("mine", "mine 1.0", "OSError: gone."),
            ["The listener mine (mine 1.0) failed and was left out: OSError: gone. The result does not depend on it."],
        ),
        (
            EmbeddingsSampled(100_000, 2_000_000),
            ["The start clustered a sample of 100,000 of the 2,000,000 embeddings; the others joined the clusters."],
        ),
        (ClustersLost(60, [4]), ["Cluster 4 lost its last image by iteration 60."]),
        (ClustersLost(60, [4, 5]), ["Clusters 4, 5 lost their last image by iteration 60."]),
        (
            StepFallback("graph", "head", "no"),
            ["Steps could not be captured as a CUDA graph (head 'idec': no). Training continues with plain steps."],
        ),
    ],
)
def test_notices(registry: Registry, event: Event, lines: list[str]) -> None:
    """Each such event is told in a sentence or two, and other events are not."""
    assert [text for text, _ in notices(event, compose(registry))] == lines
