"""What training reports to its listeners.

A listener is any function that takes one event. Tensors in events stay on the device; reading their values makes the
host wait for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from decda.core.contracts import ImageSet
    from decda.core.runs.run import Run

Phase = Literal["pretrain", "init_centers", "cluster"]
Reason = Literal["completed", "converged"]


@dataclass(frozen=True)
class PhaseStarted:
    """A phase starts.

    Attributes:
        phase: which one.
        total: the most epochs (pretrain) or iterations (cluster) it will take; 1 for init_centers.
        done: those that an earlier process made, where the run is resumed.
    """

    phase: Phase
    total: int
    done: int = 0


@dataclass(frozen=True)
class BatchEnded:
    """A batch of an epoch is done; only displays need this.

    Attributes:
        phase: which one.
        number: batches done in this epoch.
        total: batches in an epoch.
    """

    phase: Phase
    number: int
    total: int


@dataclass(frozen=True)
class Progress:
    """An epoch of pretraining, or an iteration of clustering, is done.

    Attributes:
        phase: which one.
        step: epochs or iterations done so far.
        total: the most there will be.
        terms: mean of each loss term since the last event that carried terms, as 0-dimensional tensors; empty where
            nothing is reported.
    """

    phase: Phase
    step: int
    total: int
    terms: "Mapping[str, Tensor]"


@dataclass(frozen=True)
class ClustersCounted:
    """The number of clusters was found on the pretrained embeddings; comes before the centers are placed.

    Attributes:
        n_clusters: K.
        curve: each candidate with its figure; higher is better.
        tolerance: how far below the best a figure may lie and count as equal; the smallest such candidate is chosen.
    """

    n_clusters: int
    curve: Sequence[tuple[int, float]]
    tolerance: float


@dataclass(frozen=True)
class EmbeddingsSampled:
    """The start clustered a sample of the embeddings, and the others joined it; comes just before `Initialised`.

    Attributes:
        drawn: embeddings in the sample.
        total: embeddings in all.
    """

    drawn: int
    total: int


@dataclass(frozen=True)
class Initialised:
    """The centers have been placed.

    Attributes:
        embeddings: the pretrained embeddings of the clean images, (N, D), on which they were placed.
        labels: the clusters of the start, int64 (N,); None where a head of version 2 of the contract placed its centers
            by itself.
    """

    embeddings: "Tensor"
    labels: "Tensor | None" = None


@dataclass(frozen=True)
class Refreshed:
    """The target was recomputed from the clean images.

    Attributes:
        iteration: iterations done so far.
        total: the most there will be.
        labels: the cluster of each image, int64 (N,).
        changed: share of labels that changed since the last refresh, in [0, 1]; 1 at the first.
        terms: mean of each loss term since the last refresh, as 0-dimensional tensors; empty at the first.
    """

    iteration: int
    total: int
    labels: "Tensor"
    changed: float
    terms: "Mapping[str, Tensor]"


@dataclass(frozen=True)
class Scored:
    """Labels were compared with the known classes; comes just before the event that carries the labels.

    Attributes:
        scores: `acc`, `nmi` and `ari`, each None where there are no classes.
    """

    scores: Mapping[str, float | None]


@dataclass(frozen=True)
class PhaseEnded:
    """A phase has ended.

    Attributes:
        phase: which one.
        steps: epochs or iterations it took.
        reason: `"completed"` (all steps were made) or `"converged"` (too few labels changed).
    """

    phase: Phase
    steps: int
    reason: Reason


@dataclass(frozen=True)
class ClustersLost:
    """Clusters that held images at the last refresh hold none any more.

    Attributes:
        iteration: iterations done so far.
        clusters: their numbers, from 0.
    """

    iteration: int
    clusters: Sequence[int]


@dataclass(frozen=True)
class CheckpointRejected:
    """A checkpoint is damaged; the run goes on from the one before it.

    Attributes:
        name: of the checkpoint.
        reason: what is wrong with it.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class Resumed:
    """A run goes on from a checkpoint.

    Attributes:
        phase: in which it goes on; `"start"` if it begins again, because no checkpoint had been written; `"done"` if
            only its results were still to be written; `"finished"` if it had finished, so that nothing is changed.
        step: epochs or iterations of that phase that were made before.
        cautions: what differs from before, so that results may differ in rounding from those of an uninterrupted run.
    """

    phase: Phase | Literal["start", "done", "finished"]
    step: int
    cautions: Sequence[str] = ()


@dataclass(frozen=True)
class Downloading:
    """Bytes of a data file have arrived.

    Attributes:
        file: its name below the data root.
        received: bytes so far.
        total: bytes in all, where the server says so.
    """

    file: str
    received: int
    total: int | None


@dataclass(frozen=True)
class ImagesRead:
    """Some images of a set have been read.

    Attributes:
        done: images so far.
        total: images in all.
    """

    done: int
    total: int


@dataclass(frozen=True)
class ImagesSkipped:
    """Some images cannot be read, and are left out.

    Attributes:
        skipped: name and reason of each.
        total: images in all, with these.
    """

    skipped: Sequence[tuple[str, str]]
    total: int


@dataclass(frozen=True)
class StepFallback:
    """A faster mode of making steps failed; training goes on with plain steps.

    Attributes:
        mode: the one that failed: `"compiled"` or `"graph"`.
        kind: the kind of the part in which it failed, None where that is unknown.
        reason: what went wrong.
    """

    mode: str
    kind: str | None
    reason: str


@dataclass(frozen=True)
class ListenerFailed:
    """A listener failed and is not called any more; the run goes on. Other listeners do not hear of it.

    Attributes:
        name: of the listener.
        owner: its package and version.
        reason: what went wrong, in a line.
    """

    name: str
    owner: str
    reason: str


@dataclass(frozen=True)
class RunEnded:
    """A run has finished, and everything about it is written; comes last.

    Attributes:
        run: what it came to, with the trained model on its device; not to be changed.
        images: that it was trained on, on the CPU; not to be changed.
    """

    run: "Run"
    images: "ImageSet"


Event = (
    PhaseStarted
    | BatchEnded
    | Progress
    | ClustersCounted
    | EmbeddingsSampled
    | Initialised
    | Refreshed
    | Scored
    | ClustersLost
    | PhaseEnded
    | StepFallback
    | CheckpointRejected
    | Resumed
    | Downloading
    | ImagesRead
    | ImagesSkipped
    | ListenerFailed
    | RunEnded
)


def ignore(event: Event) -> None:
    """A listener that does nothing.

    Args:
        event: any event.
    """
