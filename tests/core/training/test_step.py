"""A training step: optimizers and running means compared with NumPy, and the step modes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from decda.core.errors import ConfigError, ContractViolation
from decda.core.training import step as step_module
from decda.core.training.optimizer import make_optimizer
from decda.core.training.step import WARM_UP, Step, StepMode, resolve_mode
from tests.core.training.tape import TapeCapture

CPU = torch.device("cpu")
CURVATURE = np.array([0.3, 2.0, 1e-7])
"""The last one is so flat that Adam's epsilon matters."""
START = np.array([1.0, -2.0, 0.5])
DRAWS = torch.empty(1, 0)


def bowl(name: str, learning_rate: float, momentum: float) -> tuple[nn.Parameter, Step]:
    """A step on the sum of a w^2 / 2, split into two terms."""
    w = nn.Parameter(torch.from_numpy(START.copy()))
    a = torch.from_numpy(CURVATURE)

    def objective(index: Tensor, draws: Tensor) -> dict[str, Tensor]:
        return {"steep": (a[:2] * w[:2] ** 2).sum() / 2, "flat": (a[2:] * w[2:] ** 2).sum() / 2}

    return w, Step(objective, make_optimizer([w], name, learning_rate, momentum, CPU))


@pytest.mark.parametrize(("learning_rate", "momentum"), [(0.1, 0.9), (0.01, 0.9), (0.5, 0.0)])
def test_sgd(learning_rate: float, momentum: float) -> None:
    """SGD has classical momentum, without dampening, Nesterov or weight decay."""
    w, step = bowl("sgd", learning_rate, momentum)
    expected, velocity = START.copy(), np.zeros(3)
    for _ in range(6):
        step(torch.zeros(1, dtype=torch.long), DRAWS)
        velocity = momentum * velocity - learning_rate * CURVATURE * expected
        expected = expected + velocity
        np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("learning_rate", [0.001, 0.1])
def test_adam(learning_rate: float) -> None:
    """Adam has the decays .9 and .999, and adds epsilon 1e-7 to the root before bias correction, as Keras does."""
    w, step = bowl("adam", learning_rate, 0.9)
    expected, first, second = START.copy(), np.zeros(3), np.zeros(3)
    for time in range(1, 7):
        step(torch.zeros(1, dtype=torch.long), DRAWS)
        gradient = CURVATURE * expected
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        rate = learning_rate * np.sqrt(1 - 0.999**time) / (1 - 0.9**time)
        expected = expected - rate * first / (np.sqrt(second) + 1e-7)
        np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-9)


def test_gradients_do_not_accumulate() -> None:
    """Gradients left from a previous step or from elsewhere do not affect a step."""
    w, step = bowl("sgd", 0.1, 0.0)
    w.grad = torch.full((3,), 1e6, dtype=torch.float64)
    for _ in range(2):
        step(torch.zeros(1, dtype=torch.long), DRAWS)
    np.testing.assert_allclose(w.detach().numpy(), START * (1 - 0.1 * CURVATURE) ** 2, rtol=1e-12)


VALUES = torch.tensor([[1.0, 10.0], [3.0, 20.0], [5.0, 60.0], [4.0, 0.0], [7.0, 5.0]], dtype=torch.float64)


def measuring() -> Step:
    """A step with two terms, each the mean of a column over the batch; nothing is learnt."""
    w = nn.Parameter(torch.ones((), dtype=torch.float64))

    def objective(index: Tensor, draws: Tensor) -> Mapping[str, Tensor]:
        first, second = (w * VALUES[index]).mean(0)
        return {"first": first, "second": second} if len(index) > 1 else {"second": second, "first": first}

    return Step(objective, make_optimizer([w], "sgd", 1e-30, 0.0, CPU))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_means(size: int) -> None:
    """Running means weight each batch by its size, so that any split results in the mean over all images."""
    step = measuring()
    for index in torch.arange(5).split(size):
        step(index, DRAWS)
    means = step.take_means()
    assert {name: float(mean) for name, mean in means.items()} == pytest.approx({"first": 4.0, "second": 19.0})
    assert all(mean.dim() == 0 and not mean.requires_grad for mean in means.values())


def test_take_means_resets() -> None:
    """`take_means` resets the running means, and later steps do not change the returned ones."""
    step = measuring()
    assert step.take_means() == {}
    step(torch.tensor([0, 1]), DRAWS)
    means = step.take_means()
    assert step.take_means() == {}
    step(torch.tensor([2, 3]), DRAWS)
    assert float(means["first"]) == 2.0
    assert float(step.take_means()["first"]) == 4.5


def test_a_restored_state_continues() -> None:
    """A step that is restored in the middle of a running mean continues bit for bit."""
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


def test_a_state_of_another_optimizer_mode() -> None:
    """Loading the state of an optimizer that was not fused keeps this optimizer fused."""
    (w, step), (other_w, other) = bowl("sgd", 0.1, 0.9), bowl("sgd", 0.1, 0.9)
    index = torch.zeros(1, dtype=torch.long)
    step(index, DRAWS)
    state = step.state_dict()
    state["optimizer"]["param_groups"][0]["fused"] = False  # type: ignore[index]
    other.load_state_dict(state)
    with torch.no_grad():
        other_w.copy_(w)
    for each in (step, other):
        each(index, DRAWS)
    assert torch.equal(w, other_w)
    assert other.optimizer.param_groups[0]["fused"]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({}, "returned no terms"),
        ({"kl": torch.ones(2)}, r"'kl' must be a scalar tensor, not of shape \(2,\)"),
        ({"kl": 1.0}, "'kl' must be a scalar tensor, not float"),
    ],
)
def test_terms_are_scalars(terms: dict[str, Tensor], says: str) -> None:
    """A loss without terms, or with one that is not a scalar tensor, breaks the contract."""
    w = nn.Parameter(torch.ones(1))
    step = Step(lambda index, draws: terms, make_optimizer([w], "sgd", 0.1, 0.0, CPU))
    with pytest.raises(ContractViolation, match=says):
        step(torch.zeros(1, dtype=torch.long), DRAWS)


class FakeCapture:
    """A fake capture that counts recordings and replays."""

    recorded = 0
    replayed = 0

    @contextmanager
    def warming_up(self) -> Iterator[None]:
        yield

    def record(self, function: Callable[[], None]) -> Callable[[], None]:
        type(self).recorded += 1

        def replay() -> None:
            type(self).replayed += 1
            function()

        return replay


class FailingCapture(FakeCapture):
    """Fails as PyTorch does: an operation cannot be captured, and while its error is handled, the capture raises."""

    cause: Exception = RuntimeError("operation not permitted when stream is capturing")

    def record(self, function: Callable[[], None]) -> Callable[[], None]:
        try:
            raise self.cause
        finally:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


POINTS = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
WALK = [index for _ in range(6) for index in torch.arange(7).split(3)]
"""Batches of 3, 3 and 1, six times."""


def regression(mode: StepMode, fallbacks: list[tuple[StepMode, BaseException]]) -> tuple[nn.Linear, Step]:
    """A layer, and the step that fits it to points shifted by random draws."""
    torch.manual_seed(0)
    layer = nn.Linear(3, 1)

    def objective(index: Tensor, draws: Tensor) -> dict[str, Tensor]:
        x = POINTS[index] + draws
        return {"error": (layer(x).squeeze(1) - x.sum(1)).square().mean(), "size": layer.weight.square().sum()}

    optimizer = make_optimizer(list(layer.parameters()), "adam", 0.01, 0.9, CPU)
    return layer, Step(objective, optimizer, mode, lambda mode, error: fallbacks.append((mode, error)))


def walk(mode: StepMode) -> tuple[list[float], Tensor, list[tuple[StepMode, BaseException]]]:
    """Mean losses of each round, final weights, and the reported fallbacks."""
    fallbacks: list[tuple[StepMode, BaseException]] = []
    layer, step = regression(mode, fallbacks)
    generator = torch.Generator().manual_seed(1)
    means = []
    for number, index in enumerate(WALK):
        step(index, torch.randn(len(index), 3, generator=generator))
        if number % 3 == 2:
            means += [float(mean) for mean in step.take_means().values()]
    return means, layer.weight.detach(), fallbacks


def test_captured_steps_equal_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few plain steps, one graph per batch size is captured, and computes the same as plain steps."""
    monkeypatch.setattr(step_module, "GraphCapture", TapeCapture)
    TapeCapture.recorded = TapeCapture.replayed = 0
    means, weight, fallbacks = walk("graph")
    plain_means, plain_weight, _ = walk("plain")
    assert means == plain_means
    assert torch.equal(weight, plain_weight)
    assert fallbacks == []
    assert TapeCapture.recorded == 2
    assert TapeCapture.replayed == len(WALK) - 2 * WARM_UP


@pytest.mark.parametrize("mode", ["graph", "compiled"])
def test_a_mode_that_fails_falls_back_to_plain(mode: StepMode, monkeypatch: pytest.MonkeyPatch) -> None:
    """If capture or compilation fails, that is reported once, and plain steps follow, none lost or made twice."""

    def refuse(objective: object, **options: object) -> object:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(step_module, "GraphCapture", FailingCapture)
    monkeypatch.setattr(torch, "compile", refuse)
    means, weight, fallbacks = walk(mode)
    plain_means, plain_weight, _ = walk("plain")
    assert means == plain_means
    assert torch.equal(weight, plain_weight)
    assert [failed for failed, _ in fallbacks] == [mode]
    # The first cause is reported, not the "previous error" message that ends a failed capture.
    assert str(fallbacks[0][1]) == ("no compiler" if mode == "compiled" else str(FailingCapture.cause))


def test_compiled_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The objective is compiled once, and compiled steps compute the same as plain ones."""
    made: list[object] = []

    def compiler(objective: Callable[..., object], **options: object) -> object:
        made.append(options)
        return objective

    monkeypatch.setattr(torch, "compile", compiler)
    assert walk("compiled")[0] == walk("plain")[0]
    assert made == [{"dynamic": False}]


def test_a_fallback_does_not_hide_a_broken_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the plain step fails as well, the exception of the part itself propagates."""
    monkeypatch.setattr(step_module, "GraphCapture", FakeCapture)

    def objective(index: Tensor, draws: Tensor) -> dict[str, Tensor]:
        raise ZeroDivisionError("of the part")

    step = Step(objective, make_optimizer([nn.Parameter(torch.ones(1))], "sgd", 0.1, 0.0, CPU), "graph")
    with pytest.raises(ZeroDivisionError, match="of the part"):
        step(torch.zeros(1, dtype=torch.long), DRAWS)


def test_a_restored_state_is_captured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs write to the memory of the state they were recorded with, so loading another state drops them."""
    monkeypatch.setattr(step_module, "GraphCapture", FakeCapture)
    FakeCapture.recorded = 0
    _, step = regression("graph", [])
    for _ in range(WARM_UP + 1):
        step(torch.arange(3), torch.zeros(3, 3))
    assert FakeCapture.recorded == 1
    step.load_state_dict(step.state_dict())
    for _ in range(WARM_UP + 1):
        step(torch.arange(3), torch.zeros(3, 3))
    assert FakeCapture.recorded == 2


def test_resolving_modes() -> None:
    """`auto` means a graph on a CUDA device and plain steps elsewhere, where a graph is refused."""
    cuda = torch.device("cuda")
    assert (resolve_mode("auto", CPU), resolve_mode("auto", cuda)) == ("plain", "graph")
    assert resolve_mode("compiled", CPU) == "compiled"
    assert resolve_mode("graph", cuda) == "graph"
    with pytest.raises(ConfigError, match="needs a CUDA device"):
        resolve_mode("graph", CPU)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_real_graph() -> None:
    """On a CUDA device captured steps compute the same as plain ones, up to rounding."""
    points = POINTS.cuda()
    results = []
    for mode in ("plain", "graph"):
        torch.manual_seed(0)
        layer = nn.Linear(3, 1).cuda()

        def objective(index: Tensor, draws: Tensor, layer: nn.Linear = layer) -> dict[str, Tensor]:
            x = points[index] + draws
            return {"error": (layer(x).squeeze(1) - x.sum(1)).square().mean()}

        optimizer = make_optimizer(list(layer.parameters()), "adam", 0.01, 0.9, torch.device("cuda"))
        failed: list[Exception] = []
        step = Step(objective, optimizer, mode, lambda mode, error, failed=failed: failed.append(error))  # type: ignore[arg-type]
        for index in WALK * 10:
            step(index.cuda(), torch.zeros(len(index), 3, device="cuda"))
        assert failed == []
        results.append((float(step.take_means()["error"]), layer.weight.detach().cpu()))
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-5)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=1e-5, atol=1e-6)


def test_a_restored_optimizer_keeps_its_number_types() -> None:
    """Adam counts its steps in float32 also for bfloat16 weights, before and after its state was restored."""
    steps = []
    for _ in range(2):
        weight = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
        optimizer = make_optimizer([weight], "adam", 0.1, 0.0, torch.device("cpu"))
        steps.append((Step(lambda index, draws, weight=weight: {"sum": weight.sum()}, optimizer), optimizer, weight))
    (first, former, weight), (second, restored, again) = steps
    first(torch.zeros(1, dtype=torch.long), torch.zeros(1, 0))
    second.load_state_dict(first.state_dict())
    for name, value in former.state[weight].items():
        assert restored.state[again][name].dtype == value.dtype, name
    assert restored.state[again]["count"].dtype == torch.float32
