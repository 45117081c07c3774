"""Lines for what a run has to say beside its progress: where it goes on, and what went wrong without stopping it."""

from decda.core.config.run_config import RunConfig
from decda.core.events import (
    CheckpointRejected,
    ClustersCounted,
    ClustersLost,
    EmbeddingsSampled,
    Event,
    ImagesSkipped,
    ListenerFailed,
    Resumed,
    StepFallback,
)
from decda.core.runs.naming import printable

MODES = {"graph": "captured as a CUDA graph", "compiled": "compiled"}
"""How messages describe the modes of a training step."""
PLACES = {
    "pretrain": "in pretraining, after epoch {step}",
    "init_centers": "after pretraining",
    "cluster": "in clustering, after iteration {step}",
    "done": "after clustering",
}
"""How messages describe where a run goes on."""


def notices(event: Event, config: RunConfig) -> list[tuple[str, str]]:
    """What is to be printed at once about an event.

    Args:
        event: of a run.
        config: of the run.

    Returns:
        Lines, each with a style of rich; none for most events.

    Example:
        >>> from decda.core.config.run_config import PART_KINDS, PartConfig
        >>> config = RunConfig(**{kind: PartConfig("mine:x") for kind in PART_KINDS})
        >>> notices(Resumed("pretrain", 12), config)
        [('Resumed in pretraining, after epoch 12.', 'green')]
    """
    if isinstance(event, StepFallback):
        part = f"{event.kind} '{config.part(event.kind).short}': " if event.kind else ""
        mode = MODES.get(event.mode, event.mode)
        return [(f"Steps could not be {mode} ({part}{event.reason}). Training continues with plain steps.", "yellow")]
    if isinstance(event, CheckpointRejected):
        return [(f"The checkpoint {event.name} cannot be used: {event.reason}.", "yellow")]
    if isinstance(event, Resumed):
        if event.phase == "finished":
            return [("The run has already finished; nothing was changed.", "green")]
        if event.phase == "start":
            return [("No checkpoint had been written: the run begins again.", "yellow")]
        lines = [(f"Resumed {PLACES[event.phase].format(step=event.step)}.", "green")]
        if event.cautions:
            differences = "; ".join(event.cautions)
            text = f"The result may differ in rounding from that of a run without interruption ({differences})."
            lines.append((text, "yellow"))
        return lines
    if isinstance(event, ImagesSkipped):
        return skipped_notice(event)
    if isinstance(event, ClustersCounted):
        return [(f"Counted {event.n_clusters} cluster{'' if event.n_clusters == 1 else 's'}{_nearly(event)}.", "green")]
    if isinstance(event, EmbeddingsSampled):
        sample = f"a sample of {event.drawn:,} of the {event.total:,} embeddings"
        return [(f"The start clustered {sample}; the others joined the clusters.", "green")]
    if isinstance(event, ListenerFailed):
        text = f"The listener {event.name} ({event.owner}) failed and was left out: {event.reason.rstrip('.')}."
        return [(f"{text} The result does not depend on it.", "yellow")]
    if isinstance(event, ClustersLost):
        one = len(event.clusters) == 1
        which = ", ".join(str(cluster) for cluster in event.clusters)
        text = f"Cluster{'' if one else 's'} {which} lost {'its' if one else 'their'} last image by iteration "
        return [(f"{text}{event.iteration}.", "yellow")]
    return []


def _nearly(event: ClustersCounted) -> str:
    """The other numbers that speak for themselves as well as the one that was found, and where the edge was reached."""
    figures = dict(event.curve)
    least = max(figures.values()) - event.tolerance
    others = [str(k) for k, figure in figures.items() if figure >= least and k != event.n_clusters]
    text = f"; {', '.join(others)} would do as well" if others else ""
    if len(figures) > 1 and event.n_clusters == max(figures):
        text += "; the range ends there, and may be too short"
    return text


def skipped_notice(event: ImagesSkipped) -> list[tuple[str, str]]:
    """What is to be printed about images that were left out.

    Args:
        event: which they are.

    Returns:
        A line with a style of rich.

    Example:
        >>> skipped_notice(ImagesSkipped([("a.jpg", "it is truncated")], 20))[0][0]
        '1 of 20 images cannot be read and is left out (a.jpg: it is truncated); see skipped.csv.'
    """
    count = len(event.skipped)
    first = "; ".join(f"{printable(name)[:80]}: {printable(reason)[:120]}" for name, reason in event.skipped[:3])
    more = "; ..." if count > 3 else ""
    verb = "is" if count == 1 else "are"
    text = f"{count} of {event.total} images cannot be read and {verb} left out ({first}{more}); see skipped.csv."
    return [(text, "yellow")]
