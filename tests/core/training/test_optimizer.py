"""The step count and the state of Keras's Adam; `test_step.py` and `test_golden.py` check its updates."""

import subprocess
import sys
from copy import deepcopy

import torch
from torch import nn

from decda.core.training.optimizer import KerasAdam, make_optimizer


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


def test_sgd_is_that_of_pytorch() -> None:
    """Its steps, with momentum, are bit-identical, and so is a state that goes from one to the other."""
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(50, generator=generator)
    w, other_w = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    one = make_optimizer([w], "sgd", 0.1, 0.9, torch.device("cpu"))
    other = torch.optim.SGD([other_w], 0.1, 0.9, fused=True)
    for step in range(6):
        if step == 3:
            other.load_state_dict(deepcopy(one.state_dict()))
        for weight, optimizer in ((w, one), (other_w, other)):
            optimizer.zero_grad()
            (weight.square().sum() * (1 + step)).backward()
            optimizer.step()
        assert torch.equal(w, other_w)


WHOLE_LIFE = """
import sys, torch
from decda.core.training.optimizer import make_optimizer
from decda.core.training.schedule import make_schedule

for name in ("sgd", "adam"):
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = make_optimizer([weight], name, 0.1, 0.9, torch.device("cpu"))
    schedule = make_schedule(optimizer, "onecycle", 10)
    optimizer.zero_grad()
    weight.sum().backward()
    optimizer.step()
    schedule.step()
    optimizer.load_state_dict(optimizer.state_dict())
    assert not torch.equal(weight, torch.ones(3))
print("torch._dynamo" in sys.modules)
"""


def test_no_optimizer_loads_the_compiler() -> None:
    """It takes a second or two at the start of every run, and of every process of several seeds."""
    assert subprocess.check_output([sys.executable, "-c", WHOLE_LIFE], text=True) == "False\n"
