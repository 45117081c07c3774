"""Rules that parts of several kinds share."""

import inspect
import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from decda.core.errors import ContractViolation, in_a_line
from decda.core.parts.parameters import read_parameters, supplied_names
from decda.testing.kit import Breach, Subject, require

SHAPES = {
    "gray": ((1, 16, 16), (1, 28, 28), (1, 32, 32), (1, 64, 64), (1, 128, 128)),
    "colour": ((3, 16, 16), (3, 32, 32), (3, 64, 64), (3, 128, 128)),
    "odd": ((1, 17, 17), (1, 13, 13), (3, 33, 33), (1, 65, 65), (3, 129, 129)),
    "non-square": ((1, 13, 24), (3, 20, 12), (1, 48, 33), (1, 96, 64), (3, 160, 128)),
}
"""What images may look like (C, H, W): of each sort one that a part takes, which may refuse others by ValueError."""


def check_signature(subject: Subject, supplied: tuple[str, ...], *, all_of_them: bool) -> None:
    """Before the star what assembly supplies, after it what users may set: with type, help and a fitting default.

    Raises:
        Breach: otherwise.
    """
    try:
        parameters = read_parameters(subject.factory)
    except ContractViolation as violation:
        raise Breach(str(violation)) from violation
    wanted = supplied_names(subject.factory)
    listed = ", ".join(supplied) or "nothing"
    strange = [name for name in wanted if name not in supplied]
    require(not strange, f"'{', '.join(strange)}' stands before the star, where only {listed} may; put '*' before it")
    missing = [name for name in supplied if all_of_them and name not in wanted]
    require(not missing, f"'{', '.join(missing)}' is missing from the signature {inspect.signature(subject.factory)}")
    helpless = [parameter.name for parameter in parameters if not parameter.help.strip()]
    seen = f"the parameter '{', '.join(helpless)}' has no help"
    require(not helpless, f'{seen}; declare it as {"".join(helpless[:1])}: Annotated[type, "what it is"]')
    open_ones = [p.name for p in parameters if p.required and p.name not in subject.parameters]
    required = ", ".join(open_ones)
    require(
        not open_ones, f"'{required}' has no default, so that the other rules cannot be tried: give the kit a value"
    )


def choose_shape(subject: Subject, sort: str, build: Callable[[Subject, tuple[int, ...]], object]) -> tuple[int, ...]:
    """The first shape of that sort which a part takes.

    Raises:
        Breach: it refuses all of them.
    """
    reasons = []
    for shape in SHAPES[sort]:
        try:
            build(subject, shape)
        except ValueError as error:
            reasons.append(f"{shape}: {error}")
        else:
            return shape
    raise Breach(f"it takes no {sort} images: {'; '.join(reasons)}")


def any_shape(subject: Subject, build: Callable[[Subject, tuple[int, ...]], object]) -> tuple[int, ...]:
    """A shape of any sort which a part takes, gray and square where that is possible.

    Raises:
        Breach: it takes none.
    """
    for sort in SHAPES:
        try:
            return choose_shape(subject, sort, build)
        except Breach:
            continue
    raise Breach(f"it takes images of none of these shapes: {[s for shapes in SHAPES.values() for s in shapes]}")


def copies(part: object) -> dict[str, Any]:
    """A deep copy and a pickled one.

    Raises:
        Breach: one cannot be made.
    """
    made = {}
    ways: dict[str, Callable[[Any], Any]] = {"deepcopy": deepcopy, "pickle": lambda it: pickle.loads(pickle.dumps(it))}
    for how, copy in ways.items():
        try:
            made[how] = copy(part)
        except Exception as error:
            raise Breach(f"{how} fails: {in_a_line(error)}") from error
    return made


def require_gradients(what: str, module: nn.Module) -> None:
    """After a backward pass: every parameter that asks for a gradient has a finite one."""
    for name, weight in module.named_parameters():
        if weight.requires_grad:
            seen = f"the parameter '{name}' gets no gradient from {what}"
            require(weight.grad is not None, f"{seen}; use it, or set requires_grad=False")
            assert weight.grad is not None
            finite = bool(weight.grad.isfinite().all())
            require(finite, f"the gradient of the parameter '{name}' from {what} is not finite")


def require_tensors(module: nn.Module) -> None:
    """Its state is made of tensors alone, as the files of a run are."""
    strange = [name for name, value in module.state_dict().items() if not isinstance(value, Tensor)]
    require(not strange, f"'{', '.join(strange)}' in its state_dict is no tensor; keep what changes in a buffer")


def require_unchanged(what: str, inputs: dict[str, Tensor], before: dict[str, Tensor]) -> None:
    """Inputs are as they were."""
    changed = [name for name, value in inputs.items() if not torch.equal(value, before[name])]
    require(not changed, f"{what} changes its input {', '.join(changed)} in place")


def devices() -> list[str]:
    """Where parts are tried: on `meta`, which computes shapes alone and refuses what a CUDA graph would; on a GPU."""
    return ["meta", *(["cuda"] if torch.cuda.is_available() else [])]


def descend(weights: list[nn.Parameter], loss: Tensor, rate: float = 0.01) -> None:
    """One step of plain gradient descent, in place; what asks for no gradient stays."""
    weights = [weight for weight in weights if weight.requires_grad]
    gradients = torch.autograd.grad(loss, weights, allow_unused=True)
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=True):
            if gradient is not None:
                weight.sub_(rate * gradient)
