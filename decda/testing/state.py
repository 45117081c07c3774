"""What changes while training: parameters and buffers in place, and nothing else."""

import io
import pickle
from collections.abc import Callable

from torch import Tensor, nn

from decda.testing.kit import require

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
