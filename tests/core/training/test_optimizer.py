"""Keras's Adam beyond its steps, which `test_step.py` and `test_golden.py` check: what it counts and what it keeps."""

from copy import deepcopy

import torch
from torch import nn

from decda.core.training.optimizer import KerasAdam


def weights(*values: float) -> list[nn.Parameter]:
    return [nn.Parameter(torch.tensor([value])) for value in values]


def pull(optimizer: KerasAdam, *gradients: float | None) -> None:
    """One step by these gradients."""
    for weight, gradient in zip(optimizer.param_groups[0]["params"], gradients, strict=True):
        weight.grad = None if gradient is None else torch.tensor([gradient])
    optimizer.step()


def test_all_weights_count_the_same_steps() -> None:
    """A weight whose first gradient comes late is corrected by the steps of all: Keras has one count."""
    w = weights(0.0, 0.0)
    optimizer = KerasAdam(w, 0.1)
    for _ in range(5):
        pull(optimizer, 1.0, None)
    assert w[1].item() == 0
    pull(optimizer, 1.0, 1.0)
    # m = .1, v = .001 of a first gradient of 1, corrected by t = 6
    expected = -0.1 * (1 - 0.999**6) ** 0.5 / (1 - 0.9**6) * 0.1 / (0.001**0.5 + 1e-7)
    assert abs(w[1].item() - expected) < 1e-7


def test_a_state_taken_up_goes_on() -> None:
    """With several weights, one of which has had no gradient yet, later steps are the same bit for bit."""
    w, other_w = weights(1.0, 2.0), weights(1.0, 2.0)
    one, other = KerasAdam(w, 0.1), KerasAdam(other_w, 0.1)
    for step in range(3):
        pull(one, 0.5 + step, None)
    other.load_state_dict(deepcopy(one.state_dict()))  # PyTorch copies nothing
    with torch.no_grad():
        other_w[0].copy_(w[0])
    for optimizer in (one, other):
        pull(optimizer, 0.3, -0.7)
    assert torch.equal(w[0], other_w[0])
    assert torch.equal(w[1], other_w[1])
