"""What a class shows of a part before there is an object of it."""

import inspect
from typing import Any

VERSION_1_LOSS = (
    "its loss{signature} is that of version 1 of the contract; since version 2 it takes one argument, "
    "loss(self, batch), with batch.z, batch.target, batch.x, batch.decode and batch.index"
)
"""Why a head of an older contract is refused, and how to change it."""


def class_defect(kind: str, factory: Any) -> str | None:
    """Why objects of a class cannot be a part of that kind, where the class alone makes that certain.

    Args:
        kind: of the part; encoders and heads have a base class.
        factory: the class, or a function, which shows nothing.

    Returns:
        The reason, or None.
    """
    if kind not in ("encoder", "head") or not inspect.isclass(factory):
        return None
    from decda.core.contracts import Autoencoder, ClusteringHead  # imports torch, which listing parts must not

    base = Autoencoder if kind == "encoder" else ClusteringHead
    if not issubclass(factory, base):
        # Its `__new__` may make an object of another class.
        return None if "__new__" in vars(factory) else f"it must be derived from decda.core.contracts.{base.__name__}"
    missing = sorted(getattr(factory, "__abstractmethods__", ()))
    if missing:
        return f"it lacks the method {', '.join(missing)}"
    return loss_defect(factory) if kind == "head" else None


def loss_defect(head: Any) -> str | None:
    """Why the loss of a head cannot be called with one batch.

    Args:
        head: the class.

    Returns:
        The reason, or None.
    """
    try:
        signature = inspect.signature(head.loss)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(object(), object())  # self and the batch
    except TypeError:
        return VERSION_1_LOSS.format(signature=f"({', '.join(signature.parameters)})")
    return None
