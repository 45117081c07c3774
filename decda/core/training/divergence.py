"""The error for numbers that are no longer finite: it says where training was, and what may help."""

from typing import Literal

from decda.core.errors import TrainingDiverged
from decda.core.events import Phase


def diverged(
    what: str, phase: Phase | Literal["done"], epochs: int, step: int, learning_rate: float
) -> TrainingDiverged:
    """Make the error.

    Args:
        what: was not finite.
        phase: in which that was found.
        epochs: done in pretraining.
        step: of the epoch, or iteration of clustering.
        learning_rate: of the phase.

    Returns:
        The error, to be raised.

    Example:
        >>> print(diverged("the loss term 'kl'", "cluster", 0, 7, 0.01))
        Training diverged: at iteration 7 of clustering the loss term 'kl' was not a finite number. A smaller learning \
rate may help (it is 0.01).
    """
    when = f"at iteration {step} of clustering"
    if phase == "pretrain":
        when = f"in step {step} of epoch {epochs + 1} of pretraining"
    elif phase == "init_centers":
        when = "at the end of pretraining"
    return TrainingDiverged(
        f"Training diverged: {when} {what} was not a finite number. A smaller learning rate may help (it is "
        f"{learning_rate:g})."
    )
