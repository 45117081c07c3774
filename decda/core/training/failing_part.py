"""Which part an exception came from."""

from traceback import walk_tb

from decda.core.training.model import Model


def failing_part(error: BaseException, model: Model) -> str | None:
    """The kind of the part in whose method an exception was raised.

    A method of a layer counts as one of the part that holds the layer; of nested calls the innermost counts.

    Args:
        error: the exception, with its traceback.
        model: the parts in question.

    Returns:
        `"encoder"`, `"head"` or `"augment"`; None if no method of a part was on the way.
    """
    owners: dict[int, str] = {id(model.augment): "augment"}
    for kind, module in (("encoder", model.autoencoder), ("head", model.head)):
        owners |= {id(layer): kind for layer in module.modules()}
    for frame, _ in reversed(list(walk_tb(error.__traceback__))):
        found = owners.get(id(frame.f_locals.get("self")))
        if found is not None:
            return found
    # A generator replaces a StopIteration that leaves it by an exception of its own.
    return failing_part(error.__cause__, model) if error.__cause__ is not None else None


def first_cause(error: BaseException, handled: BaseException | None = None) -> BaseException:
    """The exception that came first, of those that were raised while handling one another.

    Args:
        error: the last of them.
        handled: what the caller was handling already when all of them were raised.

    Returns:
        The innermost `__context__`.

    Example:
        >>> first_cause(ValueError("alone"))
        ValueError('alone')
    """
    while (earlier := error.__context__) is not None and earlier is not handled:
        error = earlier
    return error
