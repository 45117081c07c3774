"""The rule `in place`: training may change only parameters and buffers, and only in place."""

import io
import pickle

from torch import Tensor, nn

from decda.testing.rules import require

MODULE_ATTRIBUTES = frozenset(vars(nn.Module()))
"""Attributes that PyTorch itself keeps in a module, among them its parameters, buffers and mode."""


class StateSnapshot:
    """Records the state of a part, to find out later what changed.

    Args:
        part: a module, or any other object.
    """

    def __init__(self, part: object):
        self.part = part
        self.tensors = _tensors(part)
        self.attributes = _attributes(part)

    def require_only_in_place_changes(self, when: str) -> None:
        """Require that at most the values of parameters and buffers have changed since the snapshot.

        Args:
            when: what happened since, for messages: a method or a phase.

        Raises:
            Violation: a parameter or buffer was added, removed, replaced or reshaped, or another attribute changed.
        """
        now = _tensors(self.part)
        unmatched = sorted(self.tensors.keys() ^ now.keys())
        require(not unmatched, f"{when} adds or removes the parameter or buffer '{', '.join(unmatched)}'")
        for name, (former, former_address, former_shape) in self.tensors.items():
            tensor, address, shape = now[name]
            require(shape == former_shape, f"{when} changes the shape of '{name}' from {former_shape} to {shape}")
            same = tensor is former and address == former_address
            require(same, f"{when} replaces '{name}' with a new tensor; change it in place (copy_, add_)")
        attributes = _attributes(self.part)
        changed = sorted(n for n in self.attributes.keys() | attributes if self.attributes.get(n) != attributes.get(n))
        seen = f"{when} changes the attribute '{', '.join(changed)}', which is neither a parameter nor a buffer"
        require(not changed, f"{seen}; keep changing state in a buffer (register_buffer) and change it in place")


class _Fingerprint(pickle.Pickler):
    """Pickles the value of an attribute; modules and parameters in it are compared by identity alone."""

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
        if not (isinstance(module, nn.Module) and name in MODULE_ATTRIBUTES)
    }


def _fingerprint(value: object) -> bytes | int:
    written = io.BytesIO()
    try:
        _Fingerprint(written).dump(value)
    except Exception:  # a lambda or a lock, say; its identity still shows whether it was replaced
        return id(value)
    return written.getvalue()
