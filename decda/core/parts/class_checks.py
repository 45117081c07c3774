"""Contract violations that show in the class of a part, before it is instantiated."""

import inspect
from typing import Any

VERSION_1_LOSS = (
    "its loss{signature} follows version 1 of the contract; since version 2 it takes one argument, "
    "loss(self, batch), with batch.z, batch.target, batch.x, batch.decode and batch.index"
)
"""Why a head written for version 1 of the contract is refused, and how to update it."""


def class_defect(kind: str, factory: Any) -> str | None:
    """Explain why instances of a class cannot be a part of a kind, if the class alone proves it.

    Args:
        kind: the kind of the part. Only encoders and heads are checked; they have a base class.
        factory: the class of the part. A function that makes the part is accepted, because it proves nothing.

    Returns:
        The reason, or None if there is none.

    Example:
        >>> class_defect("head", type("Mine", (), {}))
        'it must be derived from decda.core.contracts.ClusteringHead'
    """
    if kind not in ("encoder", "head") or not inspect.isclass(factory):
        return None
    from decda.core.contracts import Autoencoder, ClusteringHead  # imports torch, which listing parts must not

    base = Autoencoder if kind == "encoder" else ClusteringHead
    if not issubclass(factory, base):
        # A `__new__` of its own may return an object of another class.
        return None if "__new__" in vars(factory) else f"it must be derived from decda.core.contracts.{base.__name__}"
    missing = sorted(getattr(factory, "__abstractmethods__", ()))
    if missing:
        return f"it lacks the method {', '.join(missing)}"
    return loss_defect(factory) if kind == "head" else None


def loss_defect(head: Any) -> str | None:
    """Explain why the loss of a head cannot be called with a batch as its only argument.

    Args:
        head: the class of the head.

    Returns:
        The reason, or None if it can.
    """
    try:
        signature = inspect.signature(head.loss)
    except (TypeError, ValueError):
        return None
    bound = isinstance(inspect.getattr_static(head, "loss", None), staticmethod | classmethod)
    try:
        signature.bind(*(object() for _ in range(1 if bound else 2)))  # self, unless it is bound, and the batch
        fits = not {"target", "decode"} & set(signature.parameters)
    except TypeError:
        fits = False
    if not fits:
        return VERSION_1_LOSS.format(signature=f"({', '.join(signature.parameters)})")
    return None
