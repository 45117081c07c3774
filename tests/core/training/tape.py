"""A CUDA graph on the CPU: operations are recorded once and replayed on the same memory, without the Python code."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Recording(TorchDispatchMode):
    """Records every operation with its inputs and outputs, and the values of tensors before they were overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self.before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        values = [*zip(function._schema.arguments, args, strict=False)]
        values += [(each, kwargs[each.name]) for each in function._schema.arguments if each.name in kwargs]
        for argument, value in values:
            if argument.alias_info is not None and argument.alias_info.is_write:
                for tensor in tree_leaves(value):
                    self.before.setdefault(id(tensor), (tensor, tensor.detach().clone()))
        result = function(*args, **kwargs)
        made = [value for value in tree_leaves(result) if isinstance(value, Tensor)]
        self.operations.append((function, args, kwargs, made))
        return result


class TapeCapture:
    """Stands in for `GraphCapture`: as on a GPU, recording does no work, and a replay runs no Python of the step."""

    recorded: ClassVar[int] = 0
    replayed: ClassVar[int] = 0

    @contextmanager
    def warming_up(self) -> Iterator[None]:
        yield

    def record(self, function: Callable[[], None]) -> Callable[[], None]:
        type(self).recorded += 1
        with _Recording() as recording:
            function()
        with torch.no_grad():
            for tensor, before in recording.before.values():
                tensor.copy_(before)

        @torch.no_grad()
        def replay() -> None:
            type(self).replayed += 1
            for operation, args, kwargs, made in recording.operations:
                result = operation(*args, **kwargs)
                for former, new in zip(made, (v for v in tree_leaves(result) if isinstance(v, Tensor)), strict=True):
                    if former.data_ptr() != new.data_ptr():
                        former.copy_(new)

        return replay
