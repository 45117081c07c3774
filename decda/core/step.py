"""One descent on one batch."""

from collections.abc import Callable, Mapping
from copy import deepcopy

import torch
from torch import Tensor
from torch.optim import Optimizer

from decda.core.errors import ContractViolation

Objective = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
"""Indices (B,) and draws (B, P) of a batch -> weighted scalar loss terms by name."""


class Step:
    """Descends on the sum of the objective's terms, and keeps their running means on the device.

    Nothing in a call waits for the device, and what it writes is written in place.
    """

    def __init__(self, objective: Objective, optimizer: Optimizer):
        self.objective = objective
        self.optimizer = optimizer
        self.names: list[str] = []
        self.totals: Tensor | None = None  # (T,), sums over images since the means were last taken
        self.count = 0

    def __call__(self, index: Tensor, draws: Tensor) -> None:
        """Descend once on the batch of these indices (B,) and draws (B, P)."""
        terms = self.objective(index, draws)
        if self.totals is None:
            self._open(terms)
        elif terms.keys() != set(self.names):
            raise ContractViolation(f"The loss terms of the head changed from {self.names} to {list(terms)}.")
        stacked = torch.stack([terms[name] for name in self.names])
        self.optimizer.zero_grad()
        stacked.sum().backward()
        self.optimizer.step()
        assert self.totals is not None
        # By images, so that a partial batch keeps its weight.
        self.totals.add_(stacked.detach(), alpha=len(index))
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
        # Copied: optimizers keep the tensors they are given, and two trainings must not share them.
        self.optimizer.load_state_dict(deepcopy(state["optimizer"]))  # type: ignore[arg-type]
        self.names = list(state["names"])  # type: ignore[call-overload]
        self.totals = state["totals"].clone() if isinstance(state["totals"], Tensor) else None
        self.count = int(state["count"])  # type: ignore[call-overload]

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
