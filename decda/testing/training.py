"""Training for the rules: a single gradient step, and a short run of the real trainer."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from decda.core.config.train_config import TrainConfig
from decda.core.contracts import Start
from decda.core.training.model import Model
from decda.core.training.starting import by_kmeans
from decda.core.training.trainer import Trainer
from decda.testing.inputs import images
from decda.testing.partners import Identity, LinearAutoencoder, PlainHead
from decda.testing.rules import require

N_IMAGES = 26
"""Not a multiple of the batch size, so that there is a partial batch."""
CONFIG = TrainConfig(pretrain_epochs=2, batch_size=8, max_iter=6, update_interval=2, tol=0, drop_last=False)


def take_gradient_step(weights: Sequence[nn.Parameter], loss: Tensor, rate: float = 0.01) -> None:
    """Take one step of plain gradient descent, in place.

    Args:
        weights: parameters to update; those that require no gradient are left alone.
        loss: a scalar.
        rate: learning rate.
    """
    weights = [weight for weight in weights if weight.requires_grad]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                weight.sub_(rate * gradient)


def require_trains_from(start: Start) -> None:
    """Require that training succeeds where a start places the centers, and that a second run gives the same result.

    Args:
        start: the start under test.

    Raises:
        Violation: a soft assignment is not finite, or the two runs differ.
    """
    shape = (1, 4, 4)

    def parts() -> tuple[nn.Module, nn.Module, object]:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            return LinearAutoencoder(shape, 3), PlainHead(3, 3), Identity()

    require_trains(parts, shape, start)


def require_trains(make_parts: Callable[[], Sequence[Any]], shape: tuple[int, ...], start: Start = by_kmeans) -> None:
    """Require that pretraining and clustering succeed, and that a second run gives the same result.

    Args:
        make_parts: makes an autoencoder, a head and an augmentation, the same ones each time.
        shape: shape of the images (C, H, W).
        start: clusters the pretrained embeddings.

    Raises:
        Violation: a soft assignment is not finite, or the two runs differ.
    """
    results = []
    for _ in range(2):
        autoencoder, head, augment = make_parts()
        model = Model(autoencoder, head, augment)
        trainer = Trainer(images(N_IMAGES, shape), model, CONFIG.resolved(N_IMAGES), seed=0, start=start)
        trainer.run()
        finite = bool(trainer.confidence.isfinite().all())
        require(finite, "after six iterations of clustering the soft assignments are not finite")
        results.append((trainer.labels, trainer.confidence))
    (labels, confidence), (labels_again, confidence_again) = results
    same = torch.equal(labels, labels_again) and torch.equal(confidence, confidence_again)
    require(same, "two trainings with the same seed end with different labels or confidences")
