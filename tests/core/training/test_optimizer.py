"""The step count and the state of Keras's Adam; `test_step.py` and `test_golden.py` check its updates."""

from copy import deepcopy

import torch
from torch import nn

from decda.core.training.optimizer import KerasAdam


def weights(*values: float) -> list[nn.Parameter]:
    return [nn.Parameter(torch.tensor([value])) for value in values]


def pull(optimizer: KerasAdam, *gradients: float | None) -> None:
    """Make one step with these gradients."""
    for weight, gradient in zip(optimizer.param_groups[0]["params"], gradients, strict=True):
        weight.grad = None if gradient is None else torch.tensor([gradient])
    optimizer.step()


def test_all_weights_count_the_same_steps() -> None:
    """As in Keras, the bias correction of a weight whose first gradient comes late uses the common step count."""
    w = weights(0.0, 0.0)
    optimizer = KerasAdam(w, 0.1)
    for _ in range(5):
        pull(optimizer, 1.0, None)
    assert w[1].item() == 0
    pull(optimizer, 1.0, 1.0)
    # m = .1 and v = .001 after a first gradient of 1, corrected with t = 6
    expected = -0.1 * (1 - 0.999**6) ** 0.5 / (1 - 0.9**6) * 0.1 / (0.001**0.5 + 1e-7)
    assert abs(w[1].item() - expected) < 1e-7


def test_a_restored_state_continues() -> None:
    """After loading a state, steps are bit-identical, even if a weight has had no gradient yet."""
    w, other_w = weights(1.0, 2.0), weights(1.0, 2.0)
    one, other = KerasAdam(w, 0.1), KerasAdam(other_w, 0.1)
    for step in range(3):
        pull(one, 0.5 + step, None)
    other.load_state_dict(deepcopy(one.state_dict()))  # PyTorch does not copy the tensors
    with torch.no_grad():
        other_w[0].copy_(w[0])
    for optimizer in (one, other):
        pull(optimizer, 0.3, -0.7)
    assert torch.equal(w[0], other_w[0])
    assert torch.equal(w[1], other_w[1])
