"""One optimization step on one batch: plain, compiled, or captured as a CUDA graph."""

import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from decda.core.errors import ConfigError, ContractViolation
from decda.core.training.failing_part import first_cause
from decda.core.training.graph_capture import GraphCapture
from decda.core.training.peers import ALONE, Peers

Objective = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
"""Maps the indices (B,) and draws (B, P) of a batch to its weighted scalar loss terms, by name."""

StepMode = Literal["plain", "compiled", "graph"]
WARM_UP = 3
"""Plain steps before a capture, as PyTorch recommends; they train like all other steps."""


def resolve_mode(requested: str, device: torch.device) -> StepMode:
    """Choose how steps are executed on a device.

    Args:
        requested: a mode, or `auto`: a graph on a CUDA device, plain steps elsewhere, because compiling takes half a
            minute on a CPU and gains nothing there.
        device: the device to train on.

    Returns:
        The mode.

    Raises:
        ConfigError: a graph was requested but the device is not a CUDA device.

    Example:
        >>> resolve_mode("auto", torch.device("cpu"))
        'plain'
    """
    if requested == "graph" and device.type != "cuda":
        raise ConfigError(
            f"train.step=graph needs a CUDA device, but this run uses '{device.type}'. Leave train.step at auto."
        )
    if requested == "auto":
        return "graph" if device.type == "cuda" else "plain"
    return requested  # type: ignore[return-value]


def ignore_fallback(mode: StepMode, error: BaseException) -> None:
    """Do nothing: training continues silently with plain steps.

    Args:
        mode: the mode that failed.
        error: why it failed.
    """


class Step:
    """Takes gradient steps on the sum of the loss terms, and accumulates the means of the terms on the device.

    A call never waits for the device and writes all its results in place. Every mode computes the same function of the
    same draws. If a mode fails, plain steps replace it.

    Args:
        objective: computes the loss terms of a batch.
        optimizer: updates the weights.
        mode: `plain`; `compiled`, by torch.compile; `graph`, captured as a CUDA graph, one per batch size, so that the
            mean over a partial batch is taken over its own images.
        on_fallback: called with the failed mode and the first cause before plain steps replace it.
        schedule: moves the learning rate after each step. None: it stays as it is.
        peers: the processes that share a step: their gradients are summed, weighted by images. Of several, steps are
            plain.

    Attributes:
        mode: how the next step is executed.
        names: names of the loss terms, in the order of `totals`; empty before the first step.
        totals: each term summed over the images seen since the last `take_means`, (T,); None before the first step.
        count: number of those images.
        steps: number of steps since the last `take_means`.

    Example:
        >>> w = torch.nn.Parameter(torch.tensor(3.0))
        >>> step = Step(lambda index, draws: {"square": w.square()}, torch.optim.SGD([w], lr=0.25))
        >>> step(torch.zeros(1, dtype=torch.long), torch.zeros(1, 0))
        >>> w.item()
        1.5
        >>> step.take_means()
        {'square': tensor(9.)}
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        mode: StepMode = "plain",
        on_fallback: Callable[[StepMode, BaseException], None] = ignore_fallback,
        schedule: LRScheduler | None = None,
        peers: Peers = ALONE,
    ):
        self.peers = peers
        self.objective = objective
        self.optimizer = optimizer
        self.mode = mode
        self.on_fallback = on_fallback
        self.schedule = schedule
        self.names: list[str] = []
        self.totals: Tensor | None = None  # (T,)
        self.sound: Tensor | None = None  # (T,), in how many of `steps` the total of each term was finite
        self.count = self.steps = 0
        self._compiled: Objective | None = None
        self._capture: GraphCapture | None = None
        self._captured: dict[int, _Captured] = {}  # by batch size

    def __call__(self, index: Tensor, draws: Tensor, total: int | None = None, weight: float = 1.0) -> None:
        """Take one step.

        Args:
            index: indices of the images in the batch, int64 (B,).
            draws: the random parameters of their augmentation, (B, P).
            total: images in the batch of all processes. None: these.
            weight: the share of that batch that these images are.

        Raises:
            ContractViolation: the loss terms are not scalar tensors, there are none, or their names have changed.
        """
        if self.mode == "graph":
            self._descend_captured(index, draws)
        elif self.mode == "compiled":
            self._descend_compiled(index, draws)
        elif self.peers.size > 1:
            self._descend_together(index, draws, total or len(index), weight)
        else:
            self._descend(self.objective, index, draws)
        if self.schedule is not None:
            self.schedule.step()
        self.count += total or len(index)
        self.steps += 1

    def take_means(self) -> dict[str, Tensor]:
        """Read and reset the running means of the loss terms.

        Returns:
            The mean of each term over the images since the last call, as 0-dimensional tensors on the device, by name;
            empty if there were none.
        """
        if self.totals is None or self.sound is None or not self.count:
            return {}
        means = self.totals / self.count
        self.totals.zero_()
        self.sound.zero_()
        self.count = self.steps = 0
        return dict(zip(self.names, means.unbind(), strict=True))

    def find_divergence(self) -> tuple[str, int] | None:
        """Find the first loss term that was not finite since the last `take_means`. Waits for the device.

        Returns:
            Its name, and how many steps have been taken since; None if all terms were finite.

        Example:
            >>> w = torch.nn.Parameter(torch.tensor(-1.0))
            >>> step = Step(lambda index, draws: {"log": w.log()}, torch.optim.SGD([w], lr=0.25))
            >>> step(torch.zeros(1, dtype=torch.long), torch.zeros(1, 0))
            >>> step.find_divergence()
            ('log', 0)
        """
        if self.totals is None or self.sound is None or bool(self.totals.isfinite().all()):
            return None
        sound, name = min(zip(self.sound.tolist(), self.names, strict=True))
        return name, self.steps - 1 - sound

    def state_dict(self) -> dict[str, object]:
        """Everything that one step carries over to the next.

        Returns:
            The state of the optimizer (`optimizer`), of the schedule of its learning rate, if there is one
            (`schedule`), and of the running means (all others). The tensors are not copied.
        """
        schedule = {} if self.schedule is None else {"schedule": self.schedule.state_dict()}
        return {
            **schedule,
            "optimizer": self.optimizer.state_dict(),
            "names": self.names,
            "totals": self.totals,
            "sound": self.sound,
            "count": self.count,
            "steps": self.steps,
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Restore a state.

        Args:
            state: from `state_dict`.
        """
        # The state may come from another device, where another implementation is used; keep this device's.
        fused = [group.get("fused") for group in self.optimizer.param_groups]
        rates = [group["lr"] for group in self.optimizer.param_groups]
        # Copied, because optimizers keep the tensors they are given, and two trainings must not share them.
        self.optimizer.load_state_dict(deepcopy(state["optimizer"]))  # type: ignore[arg-type]
        for group, own in zip(self.optimizer.param_groups, fused, strict=True):
            if "fused" in group:
                group["fused"] = own
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            # A captured graph reads the rate from this very tensor.
            group["lr"] = rate.fill_(group["lr"]) if isinstance(rate, Tensor) else float(group["lr"])
        # In the memory layout of its weight and in its own number type, as if it had been made here: another layout may
        # round otherwise, and PyTorch casts what it loads to the type of the weight.
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        for number, values in state["optimizer"]["state"].items():  # type: ignore[index]
            for name, value in values.items():
                if isinstance(value, Tensor):
                    like = weights[number] if value.shape == weights[number].shape else value
                    own = torch.empty_like(like, dtype=value.dtype, device=weights[number].device)
                    self.optimizer.state[weights[number]][name] = own.copy_(value)
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])  # type: ignore[arg-type]
        self.names = list(state["names"])  # type: ignore[call-overload]
        device = self.optimizer.param_groups[0]["params"][0].device
        self.totals, self.sound = (
            value.to(device, copy=True) if isinstance(value, Tensor) else None
            for value in (state["totals"], state["sound"])
        )
        self.count, self.steps = int(state["count"]), int(state["steps"])  # type: ignore[call-overload]
        self._captured.clear()  # their graphs write to the memory of the previous state

    def _descend(self, objective: Objective, index: Tensor, draws: Tensor) -> None:
        terms = self._evaluate(objective, index, draws)
        self.optimizer.zero_grad()
        terms.sum().backward()
        self.optimizer.step()
        self._add(terms.detach(), len(index))

    def _descend_together(self, index: Tensor, draws: Tensor, total: int, weight: float) -> None:
        """The same step as one process would take on the whole batch: each term is a mean over images."""
        terms = self._evaluate(self.objective, index, draws) * weight
        self.optimizer.zero_grad()
        terms.sum().backward()
        means = terms.detach()
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        self.peers.sum([*(weight.grad for weight in weights if weight.grad is not None), means])
        self.optimizer.step()
        self._add(means, total)

    def _evaluate(self, objective: Objective, index: Tensor, draws: Tensor) -> Tensor:
        """The loss terms (T,), in the order of their names."""
        terms = objective(index, draws)
        if self.totals is None:
            self._open(terms)
        elif terms.keys() != set(self.names):
            raise ContractViolation(
                f"The loss of the head returned the terms {list(terms)} after returning {self.names} before. "
                "It must return the same terms every time."
            )
        return torch.stack([terms[name] for name in self.names])

    def _add(self, terms: Tensor, n: int) -> None:
        assert self.totals is not None
        assert self.sound is not None
        # Weighted by batch size, so that each image counts the same, also in a partial batch.
        self.totals.add_(terms, alpha=n)
        self.sound.add_(self.totals.isfinite())  # once not finite, a total stays so

    def _descend_compiled(self, index: Tensor, draws: Tensor) -> None:
        try:
            if self._compiled is None:
                self._compiled = torch.compile(self.objective, dynamic=False)
            # The first call with each batch size compiles the forward pass, and the backward pass when that runs. No
            # weight has changed by then, so a step that fails to compile can be repeated.
            self._descend(self._compiled, index, draws)
        except ContractViolation:
            raise
        except Exception as error:
            self._fall_back(error)
            self._descend(self.objective, index, draws)

    def _descend_captured(self, index: Tensor, draws: Tensor) -> None:
        if self._capture is None:
            self._capture = GraphCapture()
        captured = self._captured.get(len(index))
        if captured is None:
            captured = self._captured[len(index)] = _Captured(index.clone(), draws.clone())
        if captured.warmed < WARM_UP:
            captured.warmed += 1
            with self._capture.warming_up():
                self._descend(self.objective, index, draws)
            return
        captured.index.copy_(index)
        captured.draws.copy_(draws)
        if captured.replay is None:
            handled = sys.exception()
            try:
                captured.replay = self._capture.record(
                    lambda: self._descend(self.objective, captured.index, captured.draws)
                )
            except Exception as error:  # a part may do anything that cannot be captured
                # The last exception of a failed capture only mentions "a previous error"; report that one.
                self._fall_back(first_cause(error, handled))
                self._descend(self.objective, index, draws)
                return
        captured.replay()

    def _fall_back(self, error: BaseException) -> None:
        self.on_fallback(self.mode, error)
        self.mode = "plain"
        self._captured.clear()

    def _open(self, terms: Mapping[str, Tensor]) -> None:
        if not terms:
            raise ContractViolation("The loss of the head returned no terms; it must return a dict of scalar tensors.")
        for name, term in terms.items():
            if not isinstance(term, Tensor) or term.dim():
                seen = f"of shape {tuple(term.shape)}" if isinstance(term, Tensor) else type(term).__name__
                raise ContractViolation(f"The loss term '{name}' must be a scalar tensor, not {seen}.")
        self.names = list(terms)
        first = terms[self.names[0]]
        self.totals = torch.zeros(len(terms), device=first.device, dtype=first.dtype)
        self.sound = torch.zeros(len(terms), device=first.device, dtype=torch.int64)


class _Captured:
    """The graph for one batch size, and the buffers that it reads."""

    def __init__(self, index: Tensor, draws: Tensor):
        self.index = index
        self.draws = draws
        self.warmed = 0
        self.replay: Callable[[], None] | None = None
