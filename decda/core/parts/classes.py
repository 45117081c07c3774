"""What a class shows of a part before there is an object of it."""

import inspect
from typing import Any


def class_defect(kind: str, factory: Any) -> str | None:
    """Why objects of a class cannot be a part of that kind, where the class alone makes that certain; else None.

    Args:
        kind: of the part; encoders and heads have a base class.
        factory: the class, or a function, which shows nothing.
    """
    if kind not in ("encoder", "head") or not inspect.isclass(factory):
        return None
    from decda.core.contracts import Autoencoder, ClusteringHead  # here, for it imports torch, and listing must not

    base = Autoencoder if kind == "encoder" else ClusteringHead
    if not issubclass(factory, base):
        # Its `__new__` may make an object of another class.
        return None if "__new__" in vars(factory) else f"it must be derived from decda.core.contracts.{base.__name__}"
    missing = sorted(getattr(factory, "__abstractmethods__", ()))
    return f"it lacks the method {', '.join(missing)}" if missing else None
