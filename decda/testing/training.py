"""A short training with the real trainer."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from decda.core.config.train_config import TrainConfig
from decda.core.training.model import Model
from decda.core.training.trainer import Trainer
from decda.testing.kit import images, require

N_IMAGES = 26
"""Not a multiple of the batch, so that there is a partial one."""
CONFIG = TrainConfig(pretrain_epochs=2, batch_size=8, max_iter=6, update_interval=2, tol=0, drop_last=False)


def require_trains(parts: Callable[[], Sequence[Any]], shape: tuple[int, ...]) -> None:
    """Pretraining and clustering go through, twice the same way.

    Args:
        parts: makes an autoencoder, a head and an augmentation, the same each time.
        shape: of the images.
    """
    results = []
    for _ in range(2):
        autoencoder, head, augment = parts()
        model = Model(autoencoder, head, augment)
        trainer = Trainer(images(N_IMAGES, shape), model, CONFIG.resolved(N_IMAGES), seed=0)
        trainer.run()
        finite = bool(trainer.confidence.isfinite().all())
        require(finite, "after six iterations of clustering the soft assignments are not finite")
        results.append((trainer.labels, trainer.confidence))
    (labels, confidence), (again, confidence_again) = results
    same = torch.equal(labels, again) and torch.equal(confidence, confidence_again)
    require(same, "two trainings with the same seed end in other labels or confidences")
