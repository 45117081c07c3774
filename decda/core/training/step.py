"""One descent on one batch: plain, compiled, or captured as a CUDA graph."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from decda.core.errors import ConfigError, ContractViolation
from decda.core.training.failing_part import first_cause
from decda.core.training.graph_capture import GraphCapture

Objective = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
"""Indices (B,) and draws (B, P) of a batch -> weighted scalar loss terms by name."""

StepMode = Literal["plain", "compiled", "graph"]
WARM_UP = 3
"""Plain steps before a capture, as PyTorch advises; they are steps of the training like all others."""


def resolve_mode(requested: str, device: torch.device) -> StepMode:
    """The mode in which steps are made on a device.

    Args:
        requested: a mode, or `auto`: a graph on a CUDA device, else plain, because on a CPU compiling costs half a
            minute and gains nothing.
        device: where the training runs.

    Returns:
        The mode.

    Raises:
        ConfigError: a graph was requested where there is no CUDA device.

    Example:
        >>> resolve_mode("auto", torch.device("cpu"))
        'plain'
    """
    if requested == "graph" and device.type != "cuda":
        raise ConfigError(
            f"train.step=graph needs a CUDA device, and this run is on '{device.type}'. Leave train.step at auto."
        )
    if requested == "auto":
        return "graph" if device.type == "cuda" else "plain"
    return requested  # type: ignore[return-value]


def ignore_fallback(mode: StepMode, error: BaseException) -> None:
    """Continue with plain steps without telling anybody.

    Args:
        mode: the one that failed.
        error: why.
    """


class Step:
    """Descends on the sum of the objective's terms, and keeps their running means on the device.

    Nothing in a call waits for the device, and what it writes is written in place. Every mode computes the same from
    the same draws; where a mode fails, plain steps take over.

    Args:
        objective: of a batch.
        optimizer: of the weights.
        mode: `plain`; `compiled` by torch.compile; `graph`: captured as a CUDA graph, one for each batch size, so that
            a partial batch keeps its weight.
        on_fallback: called with the mode that failed and the first cause, before plain steps take over.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Optimizer,
        mode: StepMode = "plain",
        on_fallback: Callable[[StepMode, BaseException], None] = ignore_fallback,
    ):
        self.objective = objective
        self.optimizer = optimizer
        self.mode = mode
        self.on_fallback = on_fallback
        self.names: list[str] = []
        self.totals: Tensor | None = None  # (T,), sums over images since the means were last taken
        self.count = 0
        self._compiled: Objective | None = None
        self._capture: GraphCapture | None = None
        self._captured: dict[int, _Captured] = {}  # by the size of the batch

    def __call__(self, index: Tensor, draws: Tensor) -> None:
        """Descend once.

        Args:
            index: the images of the batch, int64 (B,).
            draws: the random parameters of their augmentation, (B, P).
        """
        if self.mode == "graph":
            self._descend_captured(index, draws)
        elif self.mode == "compiled":
            self._descend_compiled(index, draws)
        else:
            self._descend(self.objective, index, draws)
        self.count += len(index)

    def take_means(self) -> dict[str, Tensor]:
        """Mean of each term over the images since the last call, as 0-dimensional tensors on the device."""
        if self.totals is None or not self.count:
            return {}
        means = self.totals / self.count
        self.totals.zero_()
        self.count = 0
        return dict(zip(self.names, means.unbind(), strict=True))

    def state_dict(self) -> dict[str, object]:
        """All that a step carries over to the next one, the optimizer's state included."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "names": self.names,
            "totals": self.totals,
            "count": self.count,
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on where `state_dict` was taken."""
        # A state from another device names that device's implementation; this one's stays.
        fused = [group.get("fused") for group in self.optimizer.param_groups]
        # Copied: optimizers keep the tensors they are given, and two trainings must not share them.
        self.optimizer.load_state_dict(deepcopy(state["optimizer"]))  # type: ignore[arg-type]
        for group, own in zip(self.optimizer.param_groups, fused, strict=True):
            if "fused" in group:
                group["fused"] = own
        self.names = list(state["names"])  # type: ignore[call-overload]
        self.totals = state["totals"].clone() if isinstance(state["totals"], Tensor) else None
        self.count = int(state["count"])  # type: ignore[call-overload]
        self._captured.clear()  # graphs write to the memory of the former state

    def _descend(self, objective: Objective, index: Tensor, draws: Tensor) -> None:
        terms = objective(index, draws)
        if self.totals is None:
            self._open(terms)
        elif terms.keys() != set(self.names):
            raise ContractViolation(
                f"The loss of the head returned the terms {list(terms)}; before, it returned {self.names}. "
                "It must return the same terms every time."
            )
        stacked = torch.stack([terms[name] for name in self.names])
        self.optimizer.zero_grad()
        stacked.sum().backward()
        self.optimizer.step()
        assert self.totals is not None
        # By images, so that a partial batch keeps its weight.
        self.totals.add_(stacked.detach(), alpha=len(index))

    def _descend_compiled(self, index: Tensor, draws: Tensor) -> None:
        try:
            if self._compiled is None:
                self._compiled = torch.compile(self.objective, dynamic=False)
            # A first call at a size compiles: forward here, backward as it runs. Neither has changed a weight by then.
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
            try:
                captured.replay = self._capture.record(
                    lambda: self._descend(self.objective, captured.index, captured.draws)
                )
            except Exception as error:  # whatever a part does that cannot be recorded
                # What ends a failed capture complains only of "a previous error", which is the one to report.
                self._fall_back(first_cause(error))
                self._descend(self.objective, index, draws)
                return
        captured.replay()

    def _fall_back(self, error: BaseException) -> None:
        self.on_fallback(self.mode, error)
        self.mode = "plain"
        self._captured.clear()

    def _open(self, terms: Mapping[str, Tensor]) -> None:
        if not terms:
            raise ContractViolation("The loss of the head has no terms; it must return a dict of scalar tensors.")
        for name, term in terms.items():
            if not isinstance(term, Tensor) or term.dim():
                seen = tuple(term.shape) if isinstance(term, Tensor) else type(term).__name__
                raise ContractViolation(f"The loss term '{name}' must be a scalar tensor, it is {seen}.")
        self.names = list(terms)
        first = terms[self.names[0]]
        self.totals = torch.zeros(len(terms), device=first.device, dtype=first.dtype)


class _Captured:
    """The graph of one size of a batch, and the buffers that it reads."""

    def __init__(self, index: Tensor, draws: Tensor):
        self.index = index
        self.draws = draws
        self.warmed = 0
        self.replay: Callable[[], None] | None = None
