"""How a phase descends: its optimizer, and how the learning rate moves."""

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from decda.core.config.train_config import TrainConfig
from decda.core.training.optimizer import make_optimizer
from decda.core.training.schedule import make_schedule


def make_descent(
    weights: list[nn.Parameter], config: TrainConfig, phase: str, steps: int, device: torch.device, *, captured: bool
) -> tuple[Optimizer, LRScheduler | None]:
    """Make the optimizer of a phase, and the schedule of its learning rate.

    Args:
        weights: that are trained.
        config: with the settings of both phases.
        phase: `"pretrain"` or `"cluster"`.
        steps: over which the learning rate moves.
        device: of the weights.
        captured: whether steps are replayed as a graph, which reads the rate anew each time.

    Returns:
        The optimizer, and the schedule; None for a constant rate.

    Example:
        >>> weight = nn.Parameter(torch.zeros(3))
        >>> make_descent([weight], TrainConfig(), "pretrain", 10, torch.device("cpu"), captured=False)[1] is None
        True
    """
    name, learning_rate, momentum = config.optimizer(phase)
    curve = config.pretrain_schedule if phase == "pretrain" else config.cluster_schedule
    rate: float | Tensor = learning_rate
    if curve != "constant" and captured:
        rate = torch.tensor(learning_rate, device=device)
    optimizer = make_optimizer(weights, name, rate, momentum, device)
    return optimizer, make_schedule(optimizer, curve, steps)
