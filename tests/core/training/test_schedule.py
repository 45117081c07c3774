"""Schedules of the learning rate, against their formulas, and through a run that is resumed."""

import math
from typing import Any

import pytest
import torch
from torch import nn

from decda.core.training.optimizer import make_optimizer
from decda.core.training.schedule import make_schedule
from decda.core.training.step import Step
from tests.core.training.test_trainer import as_file, make, weights

TOTAL = 10
FORMULAS = {
    "cosine": lambda i: 0.5 * (1 + math.cos(math.pi * i / TOTAL)),
    "linear": lambda i: 1 - i / TOTAL,
    # Up along a cosine for the first 30 % of the steps, from 1/25; then down along a cosine to 1/25 of 1e-4.
    "onecycle": lambda i: (
        1 + (1 / 25 - 1) * 0.5 * (1 + math.cos(math.pi * i / 2))
        if i <= 2
        else 1 / 25e4 + (1 - 1 / 25e4) * 0.5 * (1 + math.cos(math.pi * (i - 2) / 7))
    ),
}


def rates(name: str, optimizer: torch.optim.Optimizer) -> list[float]:
    """The learning rate of each of 10 steps."""
    weight = optimizer.param_groups[0]["params"][0]
    schedule, seen = make_schedule(optimizer, name, TOTAL), []
    assert schedule is not None
    for _ in range(TOTAL):
        seen.append(float(optimizer.param_groups[0]["lr"]))
        weight.grad = torch.ones(1)
        optimizer.step()
        schedule.step()
    return seen


@pytest.mark.parametrize("kind", ["sgd", "adam"])
@pytest.mark.parametrize("name", list(FORMULAS))
def test_the_curve(name: str, kind: str) -> None:
    """The learning rate follows the formula of its schedule; the one that is set is its peak."""
    optimizer = make_optimizer([nn.Parameter(torch.zeros(1))], kind, 0.5, 0.9, torch.device("cpu"))
    assert rates(name, optimizer) == pytest.approx([0.5 * FORMULAS[name](i) for i in range(TOTAL)], abs=1e-9)


@pytest.mark.parametrize("name", list(FORMULAS))
def test_a_rate_in_a_tensor_is_changed_in_place(name: str) -> None:
    """A captured graph reads the rate from one tensor, which must stay the same one."""
    rate = torch.tensor(0.5)
    optimizer = make_optimizer([nn.Parameter(torch.zeros(1))], "adam", rate, 0.9, torch.device("cpu"))
    assert rates(name, optimizer) == pytest.approx([0.5 * FORMULAS[name](i) for i in range(TOTAL)], abs=1e-6)
    assert optimizer.param_groups[0]["lr"] is rate


def test_constant_needs_no_schedule() -> None:
    """A constant rate has no scheduler, and neither has a phase of fewer than two steps."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    assert make_schedule(optimizer, "constant", 10) is None
    assert make_schedule(optimizer, "onecycle", 1) is None


def test_each_step_moves_the_rate_once() -> None:
    """The first step of a linear schedule over four has the whole rate, the second three quarters of it."""
    w = nn.Parameter(torch.tensor(0.0))
    optimizer = torch.optim.SGD([w], lr=1.0)
    step = Step(lambda index, draws: {"w": w}, optimizer, schedule=make_schedule(optimizer, "linear", 4))
    seen = []
    for _ in range(4):
        step(torch.zeros(1, dtype=torch.long), torch.zeros(1, 0))
        seen.append(w.item())
    assert seen == [-1.0, -1.75, -2.25, -2.5]


@pytest.mark.parametrize("settings", [{"pretrain_schedule": "onecycle"}, {"cluster_schedule": "cosine"}])
def test_a_schedule_matters_and_is_resumed(settings: dict[str, Any]) -> None:
    """A run with a schedule ends elsewhere than one without, and, stopped after any step, in the very same bytes."""
    whole, states = make(**settings), []
    for _ in whole.steps():
        states.append(as_file(whole.state_dict()))
    plain = make()
    plain.run()
    assert weights(whole) != weights(plain)
    for state in states[:-1]:
        again = make(**settings)
        again.load_state_dict(torch.load(state))
        again.run()
        assert weights(again) == weights(whole)


def test_drop_last_is_counted() -> None:
    """The schedule of pretraining ends with the last batch, whether or not partial batches are dropped."""
    for drop_last, per_epoch in ((True, 2), (False, 3)):
        trainer = make(pretrain_schedule="linear", drop_last=drop_last)
        assert trainer.batches.in_epoch == per_epoch
        step = trainer._make_step("pretrain")
        assert step.schedule is not None
        assert step.schedule.total_iters == 3 * per_epoch  # type: ignore[attr-defined]
