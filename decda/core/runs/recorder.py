"""A listener that keeps what a run came to: scores, times, clusters lost, and how its phases ended."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.config.run_config import DEFAULT_START, PartConfig, RunConfig
from decda.core.events import (
    ClustersCounted,
    ClustersLost,
    EmbeddingsSampled,
    Event,
    Initialised,
    PhaseEnded,
    PhaseStarted,
    Refreshed,
    Scored,
)
from decda.core.functional import kmeans_labels
from decda.core.random_keys import derive_seed
from decda.core.sampling import sample_size
from decda.core.training.metrics import scores

PAPER_START = PartConfig(DEFAULT_START, {"n_init": 20})
"""The start that is the baseline itself."""


class Recorder:
    """Passes events on, and measures labels against the classes, and time, on the way.

    Args:
        config: of the run, resolved.
        classes: true classes (N,), or None. The trainer never sees them.
        listeners: who gets the events, a `Scored` before each `Refreshed`, a `ClustersLost` after some, and an
            `EmbeddingsSampled` where the start looks at a sample.
        on_pretrained: called when pretraining has ended.

    Attributes:
        config: of the run; with the number of clusters, as soon as they have been counted.
        baseline: scores of k-means on the pretrained embeddings.
        start: scores of the clusters that the start made of them, where the centers were placed.
        ends: how the phases ended, as `metrics.json` says it.
        seconds: how long each phase took, and `total`.
        emptied: clusters without images at the last refresh, each with the iteration at which that was first seen.
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
        self.start: dict[str, float | None] = {}
        self.ends: dict[str, Any] = {"pretrain_epochs": 0}
        self.seconds: dict[str, float] = {}
        self.emptied: dict[int, int] = {}
        self.start_labels: NDArray[np.int64] | None = None
        self.start_embeddings: Tensor | None = None
        self._start = self._phase_start = time.perf_counter()
        self._phase_seconds = 0.0  # that earlier processes spent on the phase that is going on

    def __call__(self, event: Event) -> None:
        """Take note of an event, and pass it on."""
        lost: list[int] = []
        if isinstance(event, PhaseStarted):
            self._phase_start = time.perf_counter() - self._phase_seconds
            self._phase_seconds = 0.0
        elif isinstance(event, ClustersCounted):
            self.config = self.config.counted(event.n_clusters)
        elif isinstance(event, Initialised):
            self._tell_sampled(len(event.embeddings))
            self.start_embeddings = event.embeddings
            by_kmeans = event.labels is None or self.config.start == PAPER_START
            self.baseline = self._measure_kmeans(event.embeddings, event.labels if by_kmeans else None)
            self.start = self.baseline
            if event.labels is not None and not by_kmeans:
                self.start = scores(self.classes, event.labels.cpu().numpy())
        elif isinstance(event, Refreshed):
            labels = event.labels.cpu().numpy()
            if event.iteration == 0:
                self.start_labels = labels
            self._notify(Scored(scores(self.classes, labels)))
            lost = self._note_empty(labels, event.iteration)
        elif isinstance(event, PhaseEnded):
            now = time.perf_counter()
            self.seconds[event.phase] = round(now - self._phase_start, 3)
            self.seconds["total"] = round(now - self._start, 3)
            self._phase_start = now
            if event.phase == "pretrain":
                self.ends["pretrain_epochs"] = event.steps
                self.on_pretrained()
            elif event.phase == "cluster":
                self.ends["iterations"], self.ends["stop_reason"] = event.steps, event.reason
        self._notify(event)
        if lost:
            self._notify(ClustersLost(event.iteration, lost))  # type: ignore[union-attr]

    def state_dict(self) -> dict[str, Any]:
        """What has been recorded so far: tensors, and what JSON can hold."""
        now = time.perf_counter()
        return {
            "baseline": self.baseline,
            "start": self.start,
            "ends": self.ends,
            "seconds": self.seconds,
            "emptied": [list(pair) for pair in self.emptied.items()],
            "start_labels": None if self.start_labels is None else torch.from_numpy(self.start_labels),
            "start_embeddings": self.start_embeddings,
            "elapsed": {"run": now - self._start, "phase": now - self._phase_start},
        }

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Go on from what an earlier process has recorded.

        Args:
            state: from `state_dict`.
            device: where the embeddings are to be.
        """
        names = ("baseline", "start", "ends", "seconds")
        self.baseline, self.start, self.ends, self.seconds = (dict(state[name]) for name in names)
        self.emptied = {int(cluster): int(iteration) for cluster, iteration in state["emptied"]}
        labels: Tensor | None = state["start_labels"]
        self.start_labels = None if labels is None else labels.numpy()
        embeddings: Tensor | None = state["start_embeddings"]
        self.start_embeddings = None if embeddings is None else embeddings.to(device)
        self._start = time.perf_counter() - state["elapsed"]["run"]
        self._phase_seconds = state["elapsed"]["phase"]

    def _note_empty(self, labels: NDArray[np.int64], iteration: int) -> list[int]:
        """Take note of the clusters without images.

        Returns:
            Those that still had some at the last refresh; none at the first.
        """
        sizes = np.bincount(labels, minlength=self.config.known_clusters)
        empty = np.flatnonzero(sizes == 0).tolist()
        lost = [cluster for cluster in empty if cluster not in self.emptied] if iteration > 0 else []
        self.emptied = {cluster: self.emptied.get(cluster, iteration) for cluster in empty}
        return lost

    def _tell_sampled(self, n: int) -> None:
        """Say so where the start looked at some of the n embeddings: k-means, or one that is told how many."""
        start = self.config.start
        drawn = sample_size(n, self.config.known_clusters)
        if start.name != DEFAULT_START:
            most = start.parameters.get("max_samples", n)
            drawn = min(most, n) if isinstance(most, int) else n
        if drawn < n:
            self._notify(EmbeddingsSampled(drawn, n))

    def _measure_kmeans(self, z: Tensor, labels: Tensor | None) -> dict[str, float | None]:
        """Scores of k-means; its labels are given where it was the start."""
        if self.classes is None:
            return scores(None, ())
        if labels is None:
            labels = kmeans_labels(z, self.config.known_clusters, derive_seed(self.config.seed, "centers"))
        return scores(self.classes, labels.cpu().numpy())

    def _notify(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event)
