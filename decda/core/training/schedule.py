"""How the learning rate moves during a phase: PyTorch's own schedulers, one step of theirs for each of ours."""

import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, OneCycleLR


def make_schedule(optimizer: torch.optim.Optimizer, name: str, total: int) -> LRScheduler | None:
    """Let the learning rate of an optimizer follow a curve over the steps of a phase.

    Args:
        optimizer: whose learning rate it is; the highest one that the curve reaches.
        name: `constant`; `onecycle`, up from 1/25 of it during the first 30 % of the steps, then down to almost nothing
            along a cosine; `cosine`, down from it along a cosine; `linear`, down from it in a straight line.
        total: steps in the phase.

    Returns:
        The scheduler, of which `step` is to be called after each step; None where the rate stays as it is.

    Reference:
        Smith, Topin: Super-Convergence, 2018 (onecycle); Loshchilov, Hutter: SGDR, ICLR 2017 (cosine).

    Example:
        >>> weight = torch.nn.Parameter(torch.zeros(1))
        >>> schedule = make_schedule(torch.optim.SGD([weight], lr=1.0), "onecycle", total=10)
        >>> round(schedule.get_last_lr()[0], 6)
        0.04
    """
    if name == "constant" or total < 2:
        return None
    if name == "onecycle":
        peaks = [float(group["lr"]) for group in optimizer.param_groups]
        return OneCycleLR(optimizer, peaks, total_steps=total, cycle_momentum=False)
    if name == "cosine":
        return CosineAnnealingLR(optimizer, total)
    return LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=total)
