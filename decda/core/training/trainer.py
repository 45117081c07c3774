"""Training: pretrain the autoencoder, place the centers, cluster. Never sees labels."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from decda.core.config.train_config import TrainConfig
from decda.core.contracts import Batch, ClusteringHead, Start
from decda.core.errors import TrainingDiverged, in_a_line
from decda.core.events import (
    BatchEnded,
    ClustersCounted,
    Event,
    Initialised,
    Phase,
    PhaseEnded,
    PhaseStarted,
    Progress,
    Reason,
    Refreshed,
    StepFallback,
    ignore,
)
from decda.core.random_keys import derive_seed
from decda.core.training.assigning import assign
from decda.core.training.batches import Batches
from decda.core.training.cluster_count import count_clusters
from decda.core.training.descent import make_descent
from decda.core.training.divergence import diverged
from decda.core.training.failing_part import failing_part
from decda.core.training.images import ImagesMode, Portion, make_images
from decda.core.training.model import Model
from decda.core.training.peers import ALONE, Peers
from decda.core.training.precision import check_precision, matmul_precision, resolve_precision
from decda.core.training.starting import by_kmeans, place_centers, start_target
from decda.core.training.step import Step, StepMode, resolve_mode

PHASES: tuple[Phase, ...] = ("pretrain", "init_centers", "cluster")


class Trainer:
    """Trains one model on one set of images.

    Every random draw comes from a generator keyed by (seed, stream, epoch), so that a resumed training continues bit
    for bit. `state_dict` is complete and consistent between two steps of `steps`.

    Args:
        images: (N, C, H, W), float32 in [0, 1] or uint8; of several processes, each is given all and keeps a share.
        model: on any device; moved.
        config: with `update_interval` and `drop_last` resolved; its precision replaces the model's.
        seed: of every draw.
        device: where to train.
        notify: called with each event.
        pretrained: whether the autoencoder has been pretrained, so that placing the centers comes first.
        start: clusters the pretrained embeddings.
        make_head: makes a head for a number of clusters, which is then counted on the pretrained embeddings, within
            `n_clusters_range`; that of the model stands in for it until then. None: that of the model is used.

        images_mode: whether the images stay on the device, or are streamed there by batch.
        peers: the processes that share this run.

    Raises:
        ConfigError: the device does not support the mode of steps, or the precision.

    Attributes:
        model: what is trained.
        mode: how steps are made; `plain` after a fallback.
        phase: which comes next or is going on; `done` at the end.
        n_clusters: K; None as long as the clusters are yet to be counted.
        initial: the weights at the first refresh, by module, where the configuration may keep them.
        labels: the cluster of each image, int64 (N,), by the weights of the last refresh; after `run`, by the final
            weights.
        confidence: the largest soft assignment of each image, float32 (N,), after `run`.
    """

    def __init__(
        self,
        images: Tensor,
        model: Model,
        config: TrainConfig,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        notify: Callable[[Event], None] = ignore,
        pretrained: bool = False,
        start: Start = by_kmeans,
        make_head: Callable[[int], ClusteringHead] | None = None,
        images_mode: ImagesMode = "resident",
        peers: Peers = ALONE,
    ):
        self.device = torch.device(device)
        self.mode: StepMode = resolve_mode(config.step, self.device) if peers.size == 1 else "plain"
        precision = resolve_precision(config.precision, self.device)
        check_precision(precision, self.device)
        self.peers = peers
        self.n = len(images)
        self.images = make_images(peers.share_of(images), images_mode, self.device, peers.size)
        self.model = replace(model, precision=precision).to(self.device)
        self.config = replace(config, precision=precision)
        self.seed = seed
        self.notify = notify
        self.start = start
        self.make_head = make_head
        self.n_clusters = len(model.head.centers) if make_head is None else None
        self.batches = Batches(self.n, config, seed, model.augment, self.device, peers)
        self.phase: Phase | Literal["done"] = "init_centers" if pretrained else "pretrain"
        self.position = 0  # epochs or iterations done in this phase
        self.batch = 0  # batches done in this epoch of pretraining
        self.step: Step | None = None
        self.initial: dict[str, dict[str, Tensor]] | None = None
        self.target = torch.zeros(self.n, len(model.head.centers), device=self.device)
        self.labels = torch.full((self.n,), -1, device=self.device)
        self.start_labels = torch.full((self.n,), -1, device=self.device)
        self.confidence = torch.zeros(self.n, device=self.device)

    def run(self) -> None:
        """Run all phases, or those that remain after `load_state_dict`."""
        for _ in self.steps():
            pass

    def steps(self) -> Iterator[None]:
        """The same in steps of about one descent, so that several trainings can be interleaved."""
        if self.phase == "pretrain":
            yield from self._pretrain()
            yield
        if self.phase == "init_centers":
            self._init_centers()
            yield
        if self.phase == "cluster":
            yield from self._cluster()
            yield

    def _pretrain(self) -> Iterator[None]:
        """The autoencoder learns to reconstruct each (augmented) image from itself."""
        config = self.config
        step = self._open("pretrain", config.pretrain_epochs)
        plan = self.batches.epoch(self.position)
        for epoch in range(self.position, config.pretrain_epochs):
            self.model.train(True)
            for portion in self.images.ahead(plan[self.batch :]):
                self._descend(step, portion)
                self.batch += 1
                self.notify(BatchEnded("pretrain", self.batch, len(plan)))
                yield
            self._check_terms(step)
            self.position, self.batch = epoch + 1, 0
            self.peers.follow(self._weights())
            if self.position < config.pretrain_epochs:
                plan = self.batches.epoch(self.position)  # while a GPU is still working on this epoch
            self.notify(Progress("pretrain", self.position, config.pretrain_epochs, step.take_means()))
        self._close("completed")

    def _init_centers(self) -> None:
        """The start clusters the clean embeddings, and the head places its centers by the labels."""
        self.notify(PhaseStarted("init_centers", 1))
        z = self._embed()
        if self.make_head is not None:
            self._count(z)
        labels = place_centers(self.model.head, z, self.start, derive_seed(self.seed, "centers"), self._views)
        if labels is not None:
            self.start_labels.copy_(labels)
        self.peers.follow([self.start_labels, *self._weights()])
        self.notify(Initialised(z, labels))
        self.position = 1
        self._close("completed")

    def _count(self, z: Tensor) -> None:
        """Find the number of clusters, and take a head for so many."""
        low, high = self.config.n_clusters_range
        count = count_clusters(z, derive_seed(self.seed, "count"), range(low, min(high, len(z)) + 1))
        found = torch.tensor(count.n_clusters, device=self.device)
        self.peers.follow([found])
        self._take_head(int(found))
        self.notify(ClustersCounted(count.n_clusters, count.curve, count.tolerance))

    def _take_head(self, n_clusters: int) -> None:
        assert self.make_head is not None
        self.n_clusters = n_clusters
        self.model = replace(self.model, head=self.make_head(n_clusters)).to(self.device)
        self.target = torch.zeros(self.n, n_clusters, device=self.device)

    def _cluster(self) -> Iterator[None]:
        """Network and head descend on the head's objective, whose target is recomputed at every refresh."""
        config = self.config
        assert config.update_interval is not None
        step = self._open("cluster", config.max_iter)
        ahead: Iterator[Portion] = iter(())
        reason: Reason = "completed"
        first = self.position
        for iteration in range(first, config.max_iter):
            if iteration % config.update_interval == 0:
                changed = self._refresh(step, iteration)
                # Labels that stayed say nothing where the last target was the start's.
                if changed < config.tol and iteration > 0 and not self._is_led(iteration - config.update_interval):
                    reason = "converged"
                    break
            walk, number = divmod(iteration, self.batches.in_walk)
            if number == 0 or iteration == first:
                ahead = self.images.ahead(self.batches.walk(walk)[number:])
            self._descend(step, next(ahead))
            self.position = iteration + 1
            self.notify(Progress("cluster", self.position, config.max_iter, {}))
            yield
        self._check_terms(step)
        self._assign()
        self._close(reason)

    def _weights(self) -> list[Tensor]:
        return [value for module in self.model.modules().values() for value in module.state_dict().values()]

    def _copy_weights(self) -> dict[str, dict[str, Tensor]]:
        modules = self.model.modules().items()
        return {name: {n: value.clone() for n, value in module.state_dict().items()} for name, module in modules}

    def go_back(self) -> None:
        """Take the weights back to those of the first refresh, with their labels and confidences."""
        assert self.initial is not None
        for name, module in self.model.modules().items():
            module.load_state_dict(self.initial[name])
        self._assign()

    def _assign(self) -> None:
        """Labels and confidences by the weights as they are."""
        z = self._embed()
        self.labels, self.confidence = assign(self.model.head, z)
        self._check("a soft assignment", self.confidence)

    def state_dict(self) -> dict[str, Any]:
        """Everything that training needs to continue: weights, optimizer, target, labels, running means, position."""
        initial = {} if self.initial is None else {"initial": self.initial}
        return {
            **initial,
            "phase": self.phase,
            "mode": self.mode,
            "n_clusters": self.n_clusters,
            "position": self.position,
            "batch": self.batch,
            "autoencoder": self.model.autoencoder.state_dict(),
            "head": self.model.head.state_dict(),
            "step": self.step.state_dict() if self.step else None,
            "target": self.target,
            "labels": self.labels,
            "start_labels": self.start_labels,
            "confidence": self.confidence,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue a training of the same configuration; call `run` next.

        Args:
            state: from `state_dict`.
        """
        self.phase, self.position, self.batch = state["phase"], state["position"], state["batch"]
        if state["mode"] == "plain":  # perhaps after a fallback
            self.mode = "plain"
        if self.make_head is not None and state["n_clusters"] is not None:
            self._take_head(state["n_clusters"])
        self.model.autoencoder.load_state_dict(state["autoencoder"])
        self.model.head.load_state_dict(state["head"])
        if "initial" in state:
            initial = state["initial"].items()
            self.initial = {name: {n: value.to(self.device) for n, value in values.items()} for name, values in initial}
        self.target.copy_(state["target"])
        self.labels.copy_(state["labels"])
        self.start_labels.copy_(state["start_labels"])
        self.confidence.copy_(state["confidence"])
        self.step = None
        if state["step"] is not None and self.phase != "done":
            self.step = self._make_step(self.phase)
            self.step.load_state_dict(state["step"])

    def _descend(self, step: Step, portion: Portion) -> None:
        with matmul_precision(self.model.precision, self.device):
            step(portion.index, portion.draws, portion.total, portion.weight)
        if self.device.type == "cpu":  # elsewhere a look at every step would make the device wait
            self._check_terms(step, made=1)

    def _reconstruction(self, index: Tensor, draws: Tensor) -> dict[str, Tensor]:
        x = self._batch(index, draws, "pretrain")
        return {"reconstruction": F.mse_loss(self.model.decode(self.model.encode(x)), x)}

    def _clustering(self, index: Tensor, draws: Tensor) -> dict[str, Tensor]:
        x = self._batch(index, draws, "cluster")
        z = self.model.encode(x)
        return self.model.head.loss(Batch(z=z, target=self.target[index], x=x, decode=self.model.decode, index=index))

    def _batch(self, index: Tensor, draws: Tensor, phase: Phase) -> Tensor:
        x = self.images.gather(index)
        return self.model.augment.apply(x, draws) if self.config.augments(phase) else x

    def _refresh(self, step: Step, iteration: int) -> float:
        self._check_terms(step)
        self.peers.follow(self._weights())
        z = self._embed()
        terms = step.take_means()
        with torch.no_grad():
            self.target.copy_(self.model.head.refresh(z))
            if self._is_led(iteration):
                self.target.copy_(start_target(self.start_labels, self.target.shape[1]))
            labels, _ = assign(self.model.head, z)
        if iteration == 0 and self.config.keep == "better":  # a head may have moved its centers in `refresh`
            self.initial = self._copy_weights()
        moved = (labels != self.labels).float().mean()
        self.peers.follow([moved])  # or some might end here, and others wait for them
        changed = moved.item()
        self.labels.copy_(labels)
        self.model.train(True)
        self.notify(Refreshed(iteration, self.config.max_iter, labels, changed, terms))
        return changed

    def _is_led(self, iteration: int) -> bool:
        """Whether the target is still that of the start at a refresh."""
        assert self.config.update_interval is not None
        led = iteration < self.config.start_refreshes * self.config.update_interval
        return led and bool((self.start_labels >= 0).all())  # a head of version 2 has none

    def _views(self, n: int) -> Iterator[Tensor]:
        """Embeddings (N, D) of n augmented copies of all images, one after another."""
        augmented = self.config.augment_in != "neither"
        for number in range(n):
            draws = self.peers.share_of(self.batches.draw(self.n, "views", number, augmented))
            yield self.peers.gather(self.model.embed(self.images, draws if augmented else None), self.n)

    def _embed(self) -> Tensor:
        z = self.peers.gather(self.model.embed(self.images), self.n)
        self._check("an embedding", z)
        return z

    def _open(self, phase: Phase, total: int) -> Step:
        self.notify(PhaseStarted(phase, total, self.position))
        if self.step is None:
            self.step = self._make_step(phase)
        self.model.train(True)
        return self.step

    def _close(self, reason: Reason) -> None:
        assert self.phase != "done"
        self.notify(PhaseEnded(self.phase, self.position, reason))
        following = PHASES[PHASES.index(self.phase) + 1 :]
        self.phase, self.position, self.step = following[0] if following else "done", 0, None

    def _make_step(self, phase: Phase) -> Step:
        weights = list(self.model.autoencoder.parameters())
        if phase == "cluster":
            weights += self.model.head.parameters()
        weights = [weight for weight in weights if weight.requires_grad]
        steps = self.config.max_iter if phase == "cluster" else self.config.pretrain_epochs * self.batches.in_epoch
        optimizer, schedule = make_descent(
            weights, self.config, phase, steps, self.device, captured=self.mode == "graph"
        )
        objective = self._reconstruction if phase == "pretrain" else self._clustering
        return Step(objective, optimizer, self.mode, self._report_fallback, schedule, self.peers)

    def _report_fallback(self, mode: StepMode, error: BaseException) -> None:
        self.mode = "plain"
        self.notify(StepFallback(mode, failing_part(error, self.model), in_a_line(error)))

    def check_finite(self) -> None:
        """Require finite loss terms and weights. Waits for the device.

        Raises:
            TrainingDiverged: some are not.
        """
        if self.step is not None:
            self._check_terms(self.step)
        for module in self.model.modules().values():
            for name, weight in module.named_parameters():  # a buffer may well hold an infinite number
                self._check(f"the weight '{name}'", weight)

    def _check_terms(self, step: Step, made: int = 0) -> None:
        """Require that all loss terms were finite since their means were last taken.

        Args:
            step: that computes them.
            made: steps that `position` and `batch` do not count yet.
        """
        divergence = step.find_divergence()
        if divergence is not None:
            name, since = divergence
            raise self._diverged(f"the loss term '{name}'", made - since)

    def _check(self, what: str, values: Tensor) -> None:
        if not bool(values.isfinite().all()):
            raise self._diverged(what)

    def _diverged(self, what: str, steps: int = 0) -> TrainingDiverged:
        """The error that says where training was, some steps from here, when something was no longer finite."""
        rate = self.config.optimizer("cluster" if self.phase == "cluster" else "pretrain")[1]
        step = (self.batch if self.phase == "pretrain" else self.position) + steps
        return diverged(what, self.phase, self.position, step, rate)
