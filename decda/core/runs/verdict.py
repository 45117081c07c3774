"""What a run came to, and what speaks against it, in plain sentences."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from decda.core.report.facts import Curve, Figure
from decda.core.runs.learning_curves import Curves
from decda.core.runs.run import Run

TINY = 0.1
"""A cluster is tiny if it holds less than this share of what it would if all were of one size."""
NAMED = 5
"""Clusters that a sentence names at most."""
WORSE = 0.005
"""By how much `neighbours` must fall from the start to the end before that is told."""
RESTLESS = 0.01
"""Share of labels that changed between the last two refreshes from which on a clustering had not come to rest."""
FALLING = 0.05
"""By which share a loss fell over the last tenth of its epochs, if pretraining ended too early."""
TOGETHER, MOSTLY = 0.7, 0.4
"""From which shares, of what is possible above chance, neighbours are said to lie together, or mostly so."""
STEADY = 0.8
"""Share of augmented copies that should fall into the cluster of their original."""
DOUBTFUL = 0.3
"""Share of uncertain images that is worth a warning."""
EXPLAINED = 0.5
"""Share of the variance of the pixels that a pretrained autoencoder should reconstruct."""


@dataclass(frozen=True)
class Measured:
    """What a report measures of a run, besides what its folder says; each None where it is not known.

    Attributes:
        steady: share of augmented copies that fall into the cluster of their original.
        explained: share of the variance of the pixels that the pretrained autoencoder reconstructs.
    """

    steady: float | None = None
    explained: float | None = None


def describe(run: Run) -> list[str]:
    """What the run came to.

    Args:
        run: a finished run.

    Returns:
        Two or three sentences.
    """
    sizes = [size for size in run.sizes if size]
    among = str(len(run.sizes)) if len(sizes) == len(run.sizes) else f"{len(sizes)} of {len(run.sizes)}"
    extent = f"{min(sizes):,} to {max(sizes):,}" if min(sizes) < max(sizes) else f"{sizes[0]:,}"
    noun = "cluster" if len(run.sizes) == 1 else "clusters"
    sentences = [f"{len(run.labels):,} images fall into {among} {noun} of {extent} images."]
    value = run.judgement.get("neighbours")
    if value is not None:
        share, chance = _neighbours(run, value)
        above = value / (1 - chance) if chance < 1 else 0.0
        how = "lie together" if above >= TOGETHER else "mostly lie together" if above >= MOSTLY else "often lie apart"
        sentences.append(
            f"Images that look alike {how}: {share:.0%} of an image's nearest neighbours, by their pixels, are in its "
            f"cluster. By chance it would be {chance:.0%}."
        )
    if run.metrics.get("acc") is not None:
        sentences.append(
            f"Matched one to one, clusters and known classes agree for {run.metrics['acc']:.1%} of the images."
        )
    return sentences


def warn(run: Run, curves: Curves, measured: Measured) -> list[str]:
    """What speaks against the result.

    Args:
        run: a finished run.
        curves: of its training.
        measured: what was measured besides.

    Returns:
        Sentences; empty if nothing was found.
    """
    found = [*run.warnings, *_tiny(run.sizes), *_no_better(run), *_unfinished(run, curves)]
    doubtful = run.judgement.get("uncertain")
    if doubtful is not None and doubtful > DOUBTFUL:
        found.append(
            f"{doubtful:.0%} of the images are uncertain: no cluster is likelier for them than all others together."
        )
    if measured.explained is not None and measured.explained < EXPLAINED:
        found.append(
            f"The autoencoder reconstructs only {max(measured.explained, 0):.0%} of what distinguishes the images (the "
            "variance of their pixels), and clusters can go by little more than that. More epochs may help, or an "
            "embedding with more dimensions: train.pretrain_epochs, encoder.embedding_dim."
        )
    if measured.steady is not None and measured.steady < STEADY:
        found.append(
            f"Only {measured.steady:.0%} of augmented copies fall into the cluster of their original. The augmentation "
            "may be too strong for these images: see what the model sees, below."
        )
    return found


def figures(run: Run, measured: Measured) -> list[Figure]:
    """The figures that need no classes, each with what it says.

    Args:
        run: a finished run.
        measured: as for `warn`.
    """
    found = []
    judged = run.judgement
    if (value := judged.get("neighbours")) is not None:
        share, chance = _neighbours(run, value)
        found.append(
            Figure(
                "neighbours",
                f"{value:.3f}",
                f"{share:.1%} of the nearest neighbours of an image share its cluster; by chance, {chance:.1%} would. "
                "This is the difference, by which decda judge chooses between runs.",
            )
        )
    if (value := judged.get("neighbours_at_start")) is not None:
        found.append(
            Figure(
                "neighbours at the start", f"{value:.3f}", "The same for the clusters from which clustering started."
            )
        )
    if (value := judged.get("silhouette")) is not None:
        found.append(
            Figure(
                "silhouette",
                f"{value:.3f}",
                "How much nearer an image is to its own cluster than to the next, by pixels, from -1 to 1. It favours "
                "round clusters of one size, and for images it is low even where clusters are right.",
            )
        )
    if (value := judged.get("uncertain")) is not None:
        found.append(
            Figure("uncertain", f"{value:.1%}", "Images for which no cluster is likelier than all others together.")
        )
    if (value := judged.get("smallest")) is not None:
        found.append(Figure("smallest cluster", f"{value:.1%}", "Its share of the images."))
    if measured.explained is not None:
        meaning = "Share of the variance of the pixels that the autoencoder reconstructed at the end of pretraining."
        found.append(Figure("reconstructed", f"{measured.explained:.1%}", meaning))
    if measured.steady is not None:
        meaning = "Augmented copies of images that fall into the cluster of their original."
        found.append(Figure("steady", f"{measured.steady:.1%}", meaning))
    return found


def _neighbours(run: Run, value: float) -> tuple[float, float]:
    """The share of neighbours in one cluster, and what it would be by chance."""
    chance = float(np.square(np.array(run.sizes) / len(run.labels)).sum())
    return min(value + chance, 1.0), chance


def _tiny(sizes: Sequence[int]) -> list[str]:
    even = sum(sizes) / len(sizes)
    tiny = [number for number, size in enumerate(sizes) if 0 < size < TINY * even]
    if not tiny:
        return []
    named = ", ".join(f"{number} ({sizes[number]:,})" for number in tiny[:NAMED])
    more = f" and {len(tiny) - NAMED} more" if len(tiny) > NAMED else ""
    what = "Cluster" if len(tiny) == 1 else "Clusters"
    verb = "is" if len(tiny) == 1 else "are"
    return [
        f"{what} {named}{more} {verb} tiny: less than a tenth of an even share, which would be {even:,.0f} images. "
        "There may be fewer kinds of images than clusters."
    ]


def _no_better(run: Run) -> list[str]:
    if not run.ends.get("iterations") or run.ends.get("kept") == "start":
        return []
    found = []
    end, start = run.judgement.get("neighbours"), run.judgement.get("neighbours_at_start")
    if end is not None and start is not None and end < start - WORSE:
        found.append(
            f"Clustering ended below its own start: images that look alike lay together more often there (neighbours "
            f"{start:.3f}, then {end:.3f}). train.keep=better would have kept the start."
        )
    acc, former = run.metrics.get("acc"), run.start.get("acc")
    if acc is not None and former is not None and acc < former:
        found.append(f"By the known classes, clustering ended below its start (ACC {former:.3f}, then {acc:.3f}).")
    return found


def _unfinished(run: Run, curves: Curves) -> list[str]:
    """Signs that training should have gone on."""
    found = []
    if curves.changed is not None and run.ends.get("stop_reason") == "completed":
        last = _values(curves.changed)[-1]
        if last > RESTLESS:
            found.append(
                f"Clustering had not come to rest: {last:.1%} of the images changed clusters between the last two "
                "refreshes. More iterations may help: train.max_iter."
            )
    if curves.pretrain is not None and run.config.train.pretrain_schedule == "constant":
        values = _values(curves.pretrain)
        tenth = len(values) // 10
        fell = 1 - values[-1] / values[-1 - tenth] if tenth and values[-1 - tenth] > 0 else 0.0
        if fell > FALLING:
            found.append(
                f"Pretraining may have ended too early: its loss fell by {fell:.0%} over the last tenth of the epochs. "
                "More may help: train.pretrain_epochs."
            )
    return found


def _values(curve: Curve) -> Sequence[float]:
    """The values of the first line of a curve."""
    _, values = next(iter(curve.lines.values()))
    return values
