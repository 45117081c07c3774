"""What a failure in training or in use means: which part it came from, or that memory ran out."""

from collections.abc import Mapping

from decda.core.config.run_config import RunConfig
from decda.core.errors import BrokenComponent, DecdaError, OutOfMemory, in_a_line, is_out_of_memory
from decda.core.parts.registry import Component
from decda.core.training.failing_part import failing_part
from decda.core.training.model import Model


def explain_failure(
    error: BaseException,
    model: Model,
    parts: Mapping[str, Component],
    config: RunConfig,
    images: tuple[int, ...],
    when: str = "during training",
) -> DecdaError | None:
    """The error that users should see instead of an exception from within.

    Args:
        error: what was raised.
        model: the parts that were at work.
        parts: their components, by kind.
        config: of the run.
        images: shape of the set, (N, C, H, W).
        when: `"during training"`.

    Returns:
        OutOfMemory or BrokenComponent; None where the exception is nobody's in particular.
    """
    if is_out_of_memory(error):
        n, *shape = images
        return OutOfMemory(
            f"Out of memory {when}: {n} images of {'x'.join(str(side) for side in shape)}, in batches of "
            f"{min(config.train.batch_size, n)} ({in_a_line(error)}). Lower train.batch_size, use smaller images, or "
            "run fewer jobs at once.",
        )
    kind = failing_part(error, model)
    if kind is not None:
        entry = parts[kind].entry
        return BrokenComponent(f"The {kind} '{entry.name}' of {entry.owner} failed {when}: {in_a_line(error)}")
    if isinstance(error, SystemExit):  # from code that belongs to no object of a part; never a silent success
        return BrokenComponent(f"A part tried to exit the program {when} (SystemExit: {error}).")
    return None
