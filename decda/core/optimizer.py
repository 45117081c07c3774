"""The two optimizers of the paper."""

import torch
from torch import nn


def make_optimizer(
    weights: list[nn.Parameter],
    name: str,
    learning_rate: float,
    momentum: float,
    device: torch.device,
    *,
    captured: bool = False,
) -> torch.optim.Optimizer:
    """`sgd` or `adam`, Adam with Keras's epsilon, 1e-7; one kernel for all weights where the device has it.

    Keras adds epsilon before the bias of the second moment is corrected, PyTorch after. Keras's epsilon thus weighs 30
    times as much at the first step, and the same from some thousand on. `captured` has it count its steps on the
    device, where a CUDA graph counts on.
    """
    fused = device.type in ("cpu", "cuda")
    if name == "sgd":
        return torch.optim.SGD(weights, learning_rate, momentum, fused=fused)
    return torch.optim.Adam(weights, learning_rate, eps=1e-7, fused=fused, capturable=captured)
