"""Training: pretrain the autoencoder, place the centers, cluster. Never sees labels."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from decda.core.config.run_config import TrainConfig
from decda.core.contracts import Augmentation, Autoencoder, ClusteringHead, as_float
from decda.core.errors import TrainingDiverged
from decda.core.events import (
    Batch,
    Event,
    FellBack,
    Initialised,
    Phase,
    PhaseEnded,
    PhaseStarted,
    Progress,
    Reason,
    Refreshed,
)
from decda.core.random_keys import generator, key
from decda.core.training.failing_part import culprit
from decda.core.training.optimizer import make_optimizer
from decda.core.training.precision import autocast, check_precision, matrix_products
from decda.core.training.step import Step, Way, resolve_way

EMBED_BATCH = {"cpu": 1024, "cuda": 8192}
"""Images embedded at a time: what a CPU's caches hold, and what fills a GPU."""
PHASES: tuple[Phase, ...] = ("pretrain", "init_centers", "cluster")


def ignore(event: Event) -> None:
    """A listener that does not listen."""


class Trainer:
    """Trains one autoencoder and one clustering head on one set of images.

    Every random draw comes from a generator keyed by (seed, stream, epoch), so that a training taken up again goes on
    bit for bit. `state_dict` is whole and consistent whenever `Progress` is notified.

    Args:
        images: (N, C, H, W) float32 in [0, 1] or uint8; moved to the device, where they stay.
        autoencoder: on any device; moved.
        head: on any device; moved.
        augment: draws and applies.
        config: with `update_interval` and `drop_last` resolved.
        seed: of every draw.
        device: where to train.
        notify: gets each event.
        pretrained: whether the autoencoder has been pretrained, so that the centers come first.

    Raises:
        ConfigError: the device cannot make steps that way, or in that precision.

    Attributes:
        labels: cluster of each image, int64 (N,), of the weights at the last refresh; of the final weights after `run`.
        confidence: the largest soft assignment of each image, float32 (N,), after `run`.
    """

    def __init__(
        self,
        images: Tensor,
        autoencoder: Autoencoder,
        head: ClusteringHead,
        augment: Augmentation,
        config: TrainConfig,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        notify: Callable[[Event], None] = ignore,
        pretrained: bool = False,
    ):
        self.device = torch.device(device)
        self.way = resolve_way(config.step, self.device)
        check_precision(config.precision, self.device)
        self.images = images.to(self.device)
        self.autoencoder = autoencoder.to(self.device)
        self.head = head.to(self.device)
        self.augment = augment
        self.config = config
        self.seed = seed
        self.notify = notify
        self.batch_size = min(config.batch_size, len(images))
        self.phase: Phase = "init_centers" if pretrained else "pretrain"
        self.position = 0  # epochs or iterations made in this phase
        self.step: Step | None = None
        self.target = torch.zeros(len(images), len(head.centers), device=self.device)
        self.labels = torch.full((len(images),), -1, device=self.device)
        self.confidence = torch.zeros(len(images), device=self.device)

    def run(self) -> None:
        """All phases, or those that remain of a state that was loaded."""
        for _ in self.steps():
            pass

    def steps(self) -> Iterator[None]:
        """The same in steps, a descent or so each, so that several trainings can go on in turns."""
        if self.phase == "pretrain":
            yield from self._pretrain()
        if self.phase == "init_centers":
            self._init_centers()
            yield
        yield from self._cluster()

    def _pretrain(self) -> Iterator[None]:
        """The autoencoder learns to reconstruct: each (augmented) image from itself."""
        config = self.config
        step = self._open("pretrain", config.pretrain_epochs)
        plan = self._plan(self.position)
        for epoch in range(self.position, config.pretrain_epochs):
            self._train_mode(True)
            for number, (index, draws) in enumerate(plan, 1):
                self._descend(step, index, draws)
                self.notify(Batch("pretrain", number, len(plan)))
                yield
            self.position = epoch + 1
            if self.position < config.pretrain_epochs:
                plan = self._plan(self.position)  # while a GPU still works on this epoch
            terms = step.take_means()
            self._check_finite("pretraining", f"epoch {self.position}", config.pretrain_learning_rate, *terms.values())
            self.notify(Progress("pretrain", self.position, config.pretrain_epochs, terms))
        self._close("completed")

    def _init_centers(self) -> None:
        """The head places its centers on the clean embeddings."""
        self.notify(PhaseStarted("init_centers", 1))
        z = self.embed()
        self._check_finite("pretraining", "the end", self.config.pretrain_learning_rate, z)
        self.head.init_centers(z, key(self.seed, "centers"))
        self.notify(Initialised(z))
        self.position = 1
        self._close("completed")

    def _cluster(self) -> Iterator[None]:
        """The network and the head descend on the head's objective, whose target is taken anew at every refresh."""
        config, augmented = self.config, self.config.augments("cluster")
        assert config.update_interval is not None
        step = self._open("cluster", config.max_iter)
        # In stored order without shuffling, the last batch partial, then again from the start.
        batches = torch.arange(len(self.images), device=self.device).split(self.batch_size)
        draws: tuple[Tensor, ...] = ()
        reason: Reason = "completed"
        for iteration in range(self.position, config.max_iter):
            if iteration % config.update_interval == 0:
                changed = self._refresh(step, iteration)
                if iteration > 0 and changed < config.tol:
                    reason = "converged"
                    break
            walk, batch = divmod(iteration, len(batches))
            if batch == 0 or not draws:
                draws = self._draw(len(self.images), "cluster", walk, augmented).split(self.batch_size)
            self._descend(step, batches[batch], draws[batch])
            self.position = iteration + 1
            self.notify(Progress("cluster", self.position, config.max_iter, {}))
            yield
        rate = config.cluster_learning_rate
        q = self.soft_assign()
        self._check_finite("clustering", f"iteration {self.position}", rate, q, *step.take_means().values())
        self.confidence, self.labels = q.max(1)
        self._close(reason)

    @torch.no_grad()
    def embed(self) -> Tensor:
        """Embeddings of the clean images (N, D), in eval mode, which stays."""
        self._train_mode(False)
        batches = self.images.split(EMBED_BATCH.get(self.device.type, EMBED_BATCH["cpu"]))
        with matrix_products(self.config.precision, self.device):
            return torch.cat([self._encode(as_float(x)) for x in batches])

    @torch.no_grad()
    def soft_assign(self) -> Tensor:
        """Soft assignments of the clean images (N, K), by the weights as they are."""
        z = self.embed()
        self._check_finite("clustering", f"iteration {self.position}", self.config.cluster_learning_rate, z)
        return self.head.soft_assign(z)

    def state_dict(self) -> dict[str, Any]:
        """Everything that training goes on from: weights, optimizer, target, labels, running means, position."""
        return {
            "phase": self.phase,
            "position": self.position,
            "autoencoder": self.autoencoder.state_dict(),
            "head": self.head.state_dict(),
            "step": self.step.state_dict() if self.step else None,
            "target": self.target,
            "labels": self.labels,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up a training of the same configuration; `run` then goes on."""
        self.phase, self.position = state["phase"], state["position"]
        self.autoencoder.load_state_dict(state["autoencoder"])
        self.head.load_state_dict(state["head"])
        self.target.copy_(state["target"])
        self.labels.copy_(state["labels"])
        self.step = None
        if state["step"] is not None:
            self.step = self._make_step(self.phase)
            self.step.load_state_dict(state["step"])

    def _plan(self, epoch: int) -> list[tuple[Tensor, Tensor]]:
        """Indices (B,) and draws (B, P) of every batch of an epoch of pretraining, shuffled."""
        order = torch.randperm(len(self.images), generator=generator(self.seed, "order", epoch))
        if self.config.drop_last:
            order = order[: len(order) // self.batch_size * self.batch_size]
        draws = self._draw(len(order), "pretrain", epoch, self.config.augments("pretrain"))
        batches = self._move(order).split(self.batch_size)
        return list(zip(batches, draws.split(self.batch_size), strict=True))

    def _draw(self, n: int, stream: Phase, epoch: int, augmented: bool) -> Tensor:
        """The draws of n images (n, P), made on the CPU, the same for every device."""
        if not augmented:
            return torch.empty(n, 0, device=self.device)
        return self._move(self.augment.sample(n, generator(self.seed, stream, epoch)))

    def _move(self, drawn: Tensor) -> Tensor:
        """Copy to the device; to a GPU without waiting for what it has still to do."""
        return (
            drawn.pin_memory().to(self.device, non_blocking=True)
            if self.device.type == "cuda"
            else drawn.to(self.device)
        )

    def _descend(self, step: Step, index: Tensor, draws: Tensor) -> None:
        with matrix_products(self.config.precision, self.device):
            step(index, draws)

    def _reconstruction(self, index: Tensor, draws: Tensor) -> dict[str, Tensor]:
        x = self._batch(index, draws, "pretrain")
        return {"reconstruction": F.mse_loss(self._decode(self._encode(x)), x)}

    def _clustering(self, index: Tensor, draws: Tensor) -> dict[str, Tensor]:
        x = self._batch(index, draws, "cluster")
        return self.head.loss(self._encode(x), self.target[index], x=x, decode=self._decode)

    def _batch(self, index: Tensor, draws: Tensor, phase: Phase) -> Tensor:
        x = as_float(self.images[index])
        return self.augment.apply(x, draws) if self.config.augments(phase) else x

    def _encode(self, x: Tensor) -> Tensor:
        with autocast(self.config.precision, self.device):
            return self.autoencoder.encode(x).float()

    def _decode(self, z: Tensor) -> Tensor:
        with autocast(self.config.precision, self.device):
            return self.autoencoder.decode(z).float()

    def _refresh(self, step: Step, iteration: int) -> float:
        z = self.embed()
        terms = step.take_means()
        self._check_finite(
            "clustering", f"iteration {iteration}", self.config.cluster_learning_rate, z, *terms.values()
        )
        with torch.no_grad():
            self.target.copy_(self.head.refresh(z))
            labels = self.head.soft_assign(z).argmax(1)
        changed = (labels != self.labels).float().mean().item()
        self.labels.copy_(labels)
        self._train_mode(True)
        self.notify(Refreshed(iteration, self.config.max_iter, labels, changed, terms))
        return changed

    def _open(self, phase: Phase, total: int) -> Step:
        self.notify(PhaseStarted(phase, total))
        if self.step is None:
            self.step = self._make_step(phase)
        self._train_mode(True)
        return self.step

    def _close(self, reason: Reason) -> None:
        self.notify(PhaseEnded(self.phase, self.position, reason))
        if self.phase != PHASES[-1]:
            self.phase, self.position, self.step = PHASES[PHASES.index(self.phase) + 1], 0, None

    def _make_step(self, phase: Phase) -> Step:
        weights = list(self.autoencoder.parameters())
        if phase == "cluster":
            weights += self.head.parameters()
        weights = [weight for weight in weights if weight.requires_grad]
        objective = self._reconstruction if phase == "pretrain" else self._clustering
        optimizer = make_optimizer(weights, *self.config.optimizer(phase), self.device)
        return Step(objective, optimizer, self.way, self._tell_fallback)

    def _tell_fallback(self, way: Way, error: Exception) -> None:
        kind = culprit(error, self.autoencoder, self.head, self.augment)
        reason = (str(error).strip().splitlines() or [""])[0]
        self.way = "plain"
        self.notify(FellBack(way, kind, f"{type(error).__name__}: {reason}"))

    def _train_mode(self, training: bool) -> None:
        self.autoencoder.train(training)
        self.head.train(training)

    def _check_finite(self, phase: str, when: str, learning_rate: float, *values: Tensor) -> None:
        if values and not bool(torch.stack([value.isfinite().all() for value in values]).all()):
            raise TrainingDiverged(
                f"Training diverged: at {when} of {phase} a loss or an embedding was not a finite number. A smaller "
                f"learning rate may help (it is {learning_rate:g})."
            )
