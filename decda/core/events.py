"""What the trainer tells its listeners. A listener is any function of one event; tensors stay on the device."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Phase = Literal["pretrain", "init_centers", "cluster"]
Reason = Literal["completed", "converged"]


@dataclass(frozen=True)
class PhaseStarted:
    """A phase begins.

    Attributes:
        phase: which one.
        total: most epochs (pretrain), 1 (init_centers) or iterations (cluster) it will take.
    """

    phase: Phase
    total: int


@dataclass(frozen=True)
class Batch:
    """A batch of an epoch was made; for displays alone.

    Attributes:
        phase: which one.
        number: batches made in this epoch.
        total: batches in an epoch.
    """

    phase: Phase
    number: int
    total: int


@dataclass(frozen=True)
class Progress:
    """An epoch of pretraining has ended, or some iterations of clustering were made.

    Attributes:
        phase: which one.
        step: epochs or iterations made so far.
        total: the most there will be.
        terms: mean of each loss term since the last event that carried terms, 0-dimensional tensors; empty where
            none is told.
    """

    phase: Phase
    step: int
    total: int
    terms: "Mapping[str, Tensor]"


@dataclass(frozen=True)
class Initialised:
    """The centers have been placed.

    Attributes:
        embeddings: the pretrained embedding of the clean images (N, D), on which they were placed.
    """

    embeddings: "Tensor"


@dataclass(frozen=True)
class Refreshed:
    """The target was computed anew from the clean images.

    Attributes:
        iteration: iterations made so far.
        total: the most there will be.
        labels: cluster of each image, int64 (N,).
        changed: share of the labels that moved since the last refresh, in [0, 1]; 1 at the first.
        terms: mean of each loss term since the last refresh, 0-dimensional tensors; empty at the first.
    """

    iteration: int
    total: int
    labels: "Tensor"
    changed: float
    terms: "Mapping[str, Tensor]"


@dataclass(frozen=True)
class Scored:
    """Labels were compared with the known classes; told just before the event that brought the labels.

    Attributes:
        scores: `acc`, `nmi` and `ari`, None where there are no classes.
    """

    scores: Mapping[str, float | None]


@dataclass(frozen=True)
class PhaseEnded:
    """A phase has ended.

    Attributes:
        phase: which one.
        steps: epochs or iterations it took.
        reason: why it ended: `"completed"` (all steps made) or `"converged"` (too few labels moved).
    """

    phase: Phase
    steps: int
    reason: Reason


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
class FellBack:
    """A way of making a step failed, and the plain one goes on.

    Attributes:
        way: which one: `"compiled"` or `"graph"`.
        kind: the kind of the part it failed in, None where that cannot be told.
        reason: what was wrong.
    """

    way: str
    kind: str | None
    reason: str


Event = PhaseStarted | Batch | Progress | Initialised | Refreshed | Scored | PhaseEnded | FellBack | Downloading
