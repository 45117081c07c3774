"""A listener that keeps what a run came to: scores, times, and how its phases ended."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from decda.core.config.run_config import RunConfig
from decda.core.events import Event, Initialised, PhaseEnded, PhaseStarted, Refreshed, Scored
from decda.core.functional import kmeans, squared_distances
from decda.core.random_keys import derive_seed
from decda.core.training.metrics import scores


class Recorder:
    """Passes events on, and measures labels against the classes, and time, on the way.

    Args:
        config: of the run, resolved.
        classes: true classes (N,), or None. The trainer never sees them.
        listeners: who gets the events, and a `Scored` before each `Refreshed`.
        on_pretrained: called when pretraining has ended.

    Attributes:
        baseline: scores of k-means on the pretrained embeddings.
        ends: how the phases ended, as `metrics.json` says it.
        seconds: how long each phase took, and `total`.
        start_labels: the cluster of each image at the start of clustering (N,).
        start_embeddings: the embeddings on which the centers were placed (N, D).
    """

    def __init__(
        self,
        config: RunConfig,
        classes: NDArray[np.int64] | None,
        listeners: Sequence[Callable[[Event], None]],
        on_pretrained: Callable[[], None],
    ):
        self.config = config
        self.classes = classes
        self.listeners = listeners
        self.on_pretrained = on_pretrained
        self.baseline: dict[str, float | None] = {}
        self.ends: dict[str, Any] = {"pretrain_epochs": 0}
        self.seconds: dict[str, float] = {}
        self.start_labels: NDArray[np.int64] | None = None
        self.start_embeddings: Tensor | None = None
        self._start = self._phase_start = time.perf_counter()

    def __call__(self, event: Event) -> None:
        """Take note of an event, and pass it on."""
        if isinstance(event, PhaseStarted):
            self._phase_start = time.perf_counter()
        elif isinstance(event, Initialised):
            self.start_embeddings = event.embeddings
            self.baseline = self._measure_kmeans(event.embeddings)
        elif isinstance(event, Refreshed):
            labels = event.labels.cpu().numpy()
            if event.iteration == 0:
                self.start_labels = labels
            self._notify(Scored(scores(self.classes, labels)))
        elif isinstance(event, PhaseEnded):
            now = time.perf_counter()
            self.seconds[event.phase] = round(now - self._phase_start, 3)
            self.seconds["total"] = round(now - self._start, 3)
            if event.phase == "pretrain":
                self.ends["pretrain_epochs"] = event.steps
                self.on_pretrained()
            elif event.phase == "cluster":
                self.ends["iterations"], self.ends["stop_reason"] = event.steps, event.reason
        self._notify(event)

    def _measure_kmeans(self, z: Tensor) -> dict[str, float | None]:
        if self.classes is None:
            return scores(None, ())
        centers = kmeans(z, self.config.n_clusters or 0, derive_seed(self.config.seed, "centers"))
        return scores(self.classes, squared_distances(z, centers).argmin(1).cpu().numpy())

    def _notify(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
