"""What changes while training: parameters and buffers in place, and nothing else."""

import io
import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from decda.testing.kit import Breach, describe, require, require_equal

Call = Callable[..., Tensor]
INTERNAL = frozenset(vars(nn.Module()))
"""Attributes that PyTorch itself keeps in a module, its parameters, buffers and mode among them."""


class Watch:
    """Remembers what a part holds, and tells how that changed.

    Args:
        part: a module, or any object.
    """

    def __init__(self, part: object):
        self.part = part
        self.tensors = _tensors(part)
        self.attributes = _attributes(part)

    def require_kept(self, when: str) -> None:
        """Parameters and buffers are the same tensors, at the same place and of the same shape; the rest is equal.

        Raises:
            Breach: something else changed.
        """
        now = _tensors(self.part)
        gone = sorted(self.tensors.keys() ^ now.keys())
        require(not gone, f"{when} adds or removes the parameter or buffer '{', '.join(gone)}'")
        for name, (former, place, shape) in self.tensors.items():
            tensor, here, now_shape = now[name]
            require(shape == now_shape, f"{when} changes the shape of '{name}' from {shape} to {now_shape}")
            same = tensor is former and here == place
            require(same, f"{when} puts a new tensor in the place of '{name}'; change it in place (copy_, add_)")
        attributes = _attributes(self.part)
        changed = sorted(n for n in self.attributes.keys() | attributes if self.attributes.get(n) != attributes.get(n))
        seen = f"{when} changes the attribute '{', '.join(changed)}', which is neither a parameter nor a buffer"
        require(not changed, f"{seen}; keep what changes in a buffer (register_buffer), changed in place")


def require_stackable(models: Sequence[Sequence[nn.Module]], calls: Sequence[tuple[str, Call, Sequence[Any]]]) -> None:
    """Several seeds stacked by `torch.func` compute what each computes alone: results, gradients, buffers.

    Args:
        models: the modules of each seed.
        calls: one after the other: what it is called, the function of the modules and a batch, and a batch (a tensor or
            a tuple of tensors) for each seed. Of a result that carries a gradient, the mean is descended from.

    Raises:
        Breach: the stack fails, or comes to something else.
    """
    alone = [_Parts(*modules) for modules in models]
    together = deepcopy(alone)
    parameters, buffers = stack_module_state(together)
    base = together[0]
    for what, call, batches in calls:
        plain = [call(*model.parts, *_tuple(batch)) for model, batch in zip(alone, batches, strict=True)]
        stacked_batch = tuple(torch.stack(pieces) for pieces in zip(*map(_tuple, batches), strict=True))

        def one(
            parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor], *batch: Tensor, call: Call = call
        ) -> Tensor:
            result: Tensor = functional_call(base, (parameters, buffers), (call, *batch))  # type: ignore[arg-type]
            return result

        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "There is a performance drop")  # slow is not wrong
                stacked = vmap(one)(parameters, buffers, *stacked_batch)
        except Exception as error:
            raise Breach(f"{what} fails in a stack of several seeds (torch.func.vmap): {describe(error)}") from error
        for seed, result in enumerate(plain):
            require_equal(f"{what} of seed {seed} in a stack and alone", stacked[seed].detach(), result.detach())
        if stacked.requires_grad:
            stacked.flatten(1).mean(1).sum().backward()
            for result in plain:
                result.mean().backward()
        for name, stack in {**parameters, **buffers}.items():
            for seed, model in enumerate(alone):
                single = model.get_parameter(name) if name in parameters else model.get_buffer(name)
                own = name.partition(".")[2].partition(".")[2]  # without parts.0.
                if single.grad is not None:
                    assert stack.grad is not None
                    require_equal(f"the gradient of '{own}' in a stack and alone", stack.grad[seed], single.grad)
                require_equal(
                    f"'{own}' after {what} in a stack and alone", stack[seed].detach().float(), single.detach().float()
                )


class _Parts(nn.Module):
    """Modules behind one `forward`, by which `functional_call` reaches any method of theirs."""

    def __init__(self, *parts: nn.Module):
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, call: Call, *batch: Tensor) -> Tensor:
        return call(*self.parts, *batch)


class _Fingerprint(pickle.Pickler):
    """Pickles what an attribute holds; modules, parameters and buffers in it count by identity alone."""

    def persistent_id(self, value: object) -> int | None:
        return id(value) if isinstance(value, nn.Module | nn.Parameter) else None


def _tensors(part: object) -> dict[str, tuple[Tensor, int, tuple[int, ...]]]:
    if not isinstance(part, nn.Module):
        return {}
    named = {**dict(part.named_parameters()), **dict(part.named_buffers())}
    return {name: (tensor, tensor.data_ptr(), tuple(tensor.shape)) for name, tensor in named.items()}


def _attributes(part: object) -> dict[str, bytes | int]:
    modules = part.named_modules() if isinstance(part, nn.Module) else [("", part)]
    return {
        f"{path}.{name}".lstrip("."): _fingerprint(value)
        for path, module in modules
        for name, value in getattr(module, "__dict__", {}).items()
        if not (isinstance(module, nn.Module) and name in INTERNAL)
    }


def _fingerprint(value: object) -> bytes | int:
    written = io.BytesIO()
    try:
        _Fingerprint(written).dump(value)
    except Exception:  # a function made on the spot, a lock: whether it is another one still shows
        return id(value)
    return written.getvalue()


def _tuple(batch: Any) -> tuple[Tensor, ...]:
    return batch if isinstance(batch, tuple) else (batch,)
