"""One descent: the optimizers and the running means, against NumPy."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from decda.core.errors import ContractViolation
from decda.core.optimizer import make_optimizer
from decda.core.step import Step

CPU = torch.device("cpu")
CURVATURE = np.array([0.3, 2.0, 1e-7])
"""The last so flat that Adam's epsilon shows."""
START = np.array([1.0, -2.0, 0.5])
DRAWS = torch.empty(1, 0)


def bowl(name: str, learning_rate: float, momentum: float) -> tuple[nn.Parameter, Step]:
    """Descent on sum of a w^2 / 2, given as two terms."""
    w = nn.Parameter(torch.from_numpy(START.copy()))
    a = torch.from_numpy(CURVATURE)

    def objective(index: Tensor, draws: Tensor) -> dict[str, Tensor]:
        return {"steep": (a[:2] * w[:2] ** 2).sum() / 2, "flat": (a[2:] * w[2:] ** 2).sum() / 2}

    return w, Step(objective, make_optimizer([w], name, learning_rate, momentum, CPU))


@pytest.mark.parametrize(("learning_rate", "momentum"), [(0.1, 0.9), (0.01, 0.9), (0.5, 0.0)])
def test_sgd(learning_rate: float, momentum: float) -> None:
    """SGD moves by a velocity that keeps a share of itself, without damping, Nesterov or weight decay."""
    w, step = bowl("sgd", learning_rate, momentum)
    expected, velocity = START.copy(), np.zeros(3)
    for _ in range(6):
        step(torch.zeros(1, dtype=torch.long), DRAWS)
        velocity = momentum * velocity - learning_rate * CURVATURE * expected
        expected = expected + velocity
        np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("learning_rate", [0.001, 0.1])
def test_adam(learning_rate: float) -> None:
    """Adam has the decays .9 and .999 and the epsilon 1e-7, outside the root of the corrected second moment."""
    w, step = bowl("adam", learning_rate, 0.9)
    expected, first, second = START.copy(), np.zeros(3), np.zeros(3)
    for time in range(1, 7):
        step(torch.zeros(1, dtype=torch.long), DRAWS)
        gradient = CURVATURE * expected
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        move = first / (1 - 0.9**time) / (np.sqrt(second / (1 - 0.999**time)) + 1e-7)
        expected = expected - learning_rate * move
        np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-9)


def test_gradients_do_not_add_up() -> None:
    """A gradient left over from before, or from the step before, has no part in a step."""
    w, step = bowl("sgd", 0.1, 0.0)
    w.grad = torch.full((3,), 1e6, dtype=torch.float64)
    for _ in range(2):
        step(torch.zeros(1, dtype=torch.long), DRAWS)
    np.testing.assert_allclose(w.detach().numpy(), START * (1 - 0.1 * CURVATURE) ** 2, rtol=1e-12)


VALUES = torch.tensor([[1.0, 10.0], [3.0, 20.0], [5.0, 60.0], [4.0, 0.0], [7.0, 5.0]], dtype=torch.float64)


def measuring() -> Step:
    """Two terms, means over the batch of a column each; nothing is learnt."""
    w = nn.Parameter(torch.ones((), dtype=torch.float64))

    def objective(index: Tensor, draws: Tensor) -> Mapping[str, Tensor]:
        first, second = (w * VALUES[index]).mean(0)
        return {"first": first, "second": second} if len(index) > 1 else {"second": second, "first": first}

    return Step(objective, make_optimizer([w], "sgd", 1e-30, 0.0, CPU))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_means(size: int) -> None:
    """Running means weight a partial batch by its images: however split, they are the mean over all images."""
    step = measuring()
    for index in torch.arange(5).split(size):
        step(index, DRAWS)
    means = step.take_means()
    assert {name: float(mean) for name, mean in means.items()} == pytest.approx({"first": 4.0, "second": 19.0})
    assert all(mean.dim() == 0 and not mean.requires_grad for mean in means.values())


def test_take_means_empties() -> None:
    """Taken means start anew, and those in hand do not change any more."""
    step = measuring()
    assert step.take_means() == {}
    step(torch.tensor([0, 1]), DRAWS)
    means = step.take_means()
    assert step.take_means() == {}
    step(torch.tensor([2, 3]), DRAWS)
    assert float(means["first"]) == 2.0
    assert float(step.take_means()["first"]) == 4.5


def test_state_goes_on() -> None:
    """A step taken up from its state, in the middle of a mean, goes on bit for bit."""
    (w, step), (other_w, other) = bowl("adam", 0.1, 0.9), bowl("adam", 0.1, 0.9)
    index = torch.zeros(1, dtype=torch.long)
    for _ in range(3):
        step(index, DRAWS)
    other.load_state_dict(step.state_dict())
    with torch.no_grad():
        other_w.copy_(w)
    for each in (step, other):
        each(index, DRAWS)
    assert torch.equal(w, other_w)
    assert step.take_means() == other.take_means()


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({}, "no terms"),
        ({"kl": torch.ones(2)}, r"'kl' must be a scalar tensor, it is \(2,\)"),
        ({"kl": 1.0}, "'kl' must be a scalar tensor, it is float"),
    ],
)
def test_terms_are_scalars(terms: dict[str, Tensor], says: str) -> None:
    """A loss without terms, or with one that is not a scalar tensor, breaks the contract."""
    w = nn.Parameter(torch.ones(1))
    step = Step(lambda index, draws: terms, make_optimizer([w], "sgd", 0.1, 0.0, CPU))
    with pytest.raises(ContractViolation, match=says):
        step(torch.zeros(1, dtype=torch.long), DRAWS)
