"""Assertions that the rules are made of: each raises `Violation` with a message that says what was seen."""

import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout

import torch
from torch import Tensor, nn

from decda.testing.generators import generator_states
from decda.testing.rules import Violation, require


def require_tensor(what: str, value: object, shape: tuple[int | None, ...], dtype: torch.dtype = torch.float32) -> None:
    """Require a finite tensor of a given shape and dtype.

    Args:
        what: how messages refer to the value.
        value: what a part returned.
        shape: the required shape; None stands for any length.
        dtype: the required dtype.

    Raises:
        Violation: the value is something else.
    """
    wanted = f"{_dtype_name(dtype)} of shape {_shape_text(shape)}"
    require(isinstance(value, Tensor), f"{what} must be a tensor, {wanted}; it is of type {type(value).__name__}")
    assert isinstance(value, Tensor)
    fits = value.dim() == len(shape) and all(s in (None, v) for s, v in zip(shape, value.shape, strict=True))
    seen = f"{_dtype_name(value.dtype)} of shape {_shape_text(tuple(value.shape))}"
    require(fits and value.dtype == dtype, f"{what} must be {wanted}; it is {seen}")
    if value.device.type != "meta":
        require(bool(value.isfinite().all()), f"{what} contains values that are not finite: {_first_values(value)}")


def require_equal(what: str, first: Tensor, second: Tensor) -> None:
    """Require two tensors to be equal up to float32 rounding in a different order of summation.

    Args:
        what: how messages refer to the pair.
        first: a tensor.
        second: another one of the same shape.

    Raises:
        Violation: their shapes or values differ.
    """
    comparable = first.shape == second.shape
    if not (comparable and torch.allclose(first, second, rtol=1e-3, atol=1e-4)):
        largest = f", with a largest difference of {(first - second).abs().max():.3g}" if comparable else ""
        raise Violation(f"{what} differ: {_first_values(first)} and {_first_values(second)}{largest}")


def require_probabilities(what: str, rows: Tensor) -> None:
    """Require that entries are not negative and that each row sums to 1.

    Args:
        what: how messages refer to the rows.
        rows: soft assignments or targets (B, K).

    Raises:
        Violation: an entry is negative, or the sum of a row is off by 1e-3 or more.
    """
    require(bool((rows >= 0).all()), f"{what} has negative entries, the smallest is {rows.min():.3g}")
    worst = rows.sum(1)[(rows.sum(1) - 1).abs().argmax()]
    require(bool((worst - 1).abs() < 1e-3), f"each row of {what} must sum to 1; one sums to {worst:.6g}")


def require_gradients(what: str, module: nn.Module) -> None:
    """Require, after a backward pass, that every parameter that requires a gradient has a finite one.

    Args:
        what: how messages refer to the loss.
        module: the module whose parameters are looked at.

    Raises:
        Violation: a gradient is missing or not finite.
    """
    for name, weight in module.named_parameters():
        if weight.requires_grad:
            seen = f"the parameter '{name}' gets no gradient from {what}"
            require(weight.grad is not None, f"{seen}; use it, or set requires_grad=False")
            assert weight.grad is not None
            finite = bool(weight.grad.isfinite().all())
            require(finite, f"the gradient of the parameter '{name}' from {what} is not finite")


def require_tensor_state(module: nn.Module) -> None:
    """Require that the state_dict of a module contains only tensors, because runs save nothing else.

    Args:
        module: the module to look at.

    Raises:
        Violation: an entry is not a tensor.
    """
    strange = [name for name, value in module.state_dict().items() if not isinstance(value, Tensor)]
    require(not strange, f"'{', '.join(strange)}' in its state_dict is not a tensor; keep changing state in a buffer")


def require_unchanged(what: str, inputs: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> None:
    """Require that a call left its inputs unchanged.

    Args:
        what: the method that was called.
        inputs: its inputs, by name.
        before: copies of them from before the call.

    Raises:
        Violation: an input was modified.
    """
    changed = [name for name, value in inputs.items() if not torch.equal(value, before[name])]
    require(not changed, f"{what} changes its input {', '.join(changed)} in place")


def require_generators_unmoved(what: str, before: Mapping[str, bytes]) -> None:
    """Require that the global generators are in the states that `advance_generators` returned.

    Args:
        what: the method that was called.
        before: the states before the call, by name.

    Raises:
        Violation: a generator was drawn from or reseeded.
    """
    moved = [name for name, state in generator_states().items() if state != before[name]]
    seen = f"{what} draws from or reseeds the global generator of {', '.join(moved)}"
    require(not moved, f"{seen}; draw only from the generator or seed that the method gets, if it gets one")


@contextmanager
def require_quiet_stdout(what: str) -> Iterator[None]:
    """Require that nothing is written to stdout within the block, by Python or directly to the file descriptor.

    Args:
        what: what happens in the block, for messages.

    Yields:
        Nothing.

    Raises:
        Violation: something was written.
    """
    with redirect_stdout(io.StringIO()) as written, tempfile.TemporaryFile() as below:
        kept = os.dup(1)
        os.dup2(below.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        below.seek(0)
        text = written.getvalue() + below.read().decode(errors="replace")
    seen = f"{what} writes {text[:60]!r} to stdout, which is reserved for results"
    require(not text, f"{seen}; write to stderr, or use logging or warnings")


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _shape_text(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if side is None else str(side) for side in shape) + ")"


def _first_values(value: Tensor) -> str:
    numbers = ", ".join(f"{number:.4g}" for number in value.detach().flatten()[:4].tolist())
    return f"[{numbers}{', ...' if value.numel() > 4 else ''}]"
