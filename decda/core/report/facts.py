"""What a report shows, as plain data: no file, no model and no page is known here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""Pictures (n, h, w), or (n, h, w, 3) in colour."""


@dataclass(frozen=True)
class Setting:
    """A setting that is not the default.

    Attributes:
        name: `part.parameter`.
        value: as text.
        default: as text.
    """

    name: str
    value: str
    default: str


@dataclass(frozen=True)
class Score:
    """Agreement with the known classes.

    Attributes:
        name: of the score.
        meaning: a sentence.
        end: of the clusters of the run.
        start: of those from which clustering started.
        baseline: of k-means on the pretrained embedding.
    """

    name: str
    meaning: str
    end: float
    start: float | None
    baseline: float | None


@dataclass(frozen=True)
class Figure:
    """A figure that needs no classes.

    Attributes:
        name: what it is called.
        value: as text.
        meaning: a sentence on what it says.
    """

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Curve:
    """Lines over the steps of a phase.

    Attributes:
        title: what is drawn.
        across: what the steps are.
        lines: by name, their steps and values.
        logarithmic: whether the values are drawn on a logarithmic scale.
        percent: whether the values are shares.
    """

    title: str
    across: str
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]]
    logarithmic: bool = False
    percent: bool = False


@dataclass(frozen=True)
class Map:
    """Embeddings in the plane.

    Attributes:
        name: how they were laid out.
        positions: (M, 2).
    """

    name: str
    positions: NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """The images that the maps show.

    Attributes:
        index: their positions in the set (M,).
        labels: the cluster of each (M,).
        confidence: of each (M,).
        names: of each; None where they have none.
        pictures: of each; None where they are no images.
        maps: the layouts.
    """

    index: NDArray[np.int64]
    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    names: Sequence[str] | None
    pictures: Pixels | None
    maps: Sequence[Map]


@dataclass(frozen=True)
class Row:
    """Some images side by side.

    Attributes:
        title: what they are.
        names: of each.
        pictures: of each; None where they are no images.
    """

    title: str
    names: Sequence[str]
    pictures: Pixels | None


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Attributes:
        number: from 0.
        size: images in it.
        share: of all images.
        confidence: mean confidence of its images; None if it is empty.
        center: its decoded center, a single picture; None where that is no image.
        rows: its members, most typical first and least certain first.
        classes: the most frequent known classes in it, each with its share; empty where none are known.
    """

    number: int
    size: int
    share: float
    confidence: float | None
    center: Pixels | None
    rows: Sequence[Row]
    classes: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class Pair:
    """Two clusters with images between them.

    Attributes:
        first: the number of one.
        second: the number of the other.
        between: images that lean to one of them by less than two to one.
        row: the images that are most undecided.
    """

    first: int
    second: int
    between: int
    row: Row


@dataclass(frozen=True)
class Confusion:
    """Clusters beside the known classes.

    Attributes:
        clusters: numbers of the rows; each stands where the class that it matches best one to one stands.
        classes: names of the columns.
        counts: images (rows, columns).
    """

    clusters: Sequence[int]
    classes: Sequence[str]
    counts: NDArray[np.int64]

    def shade(self, count: int) -> int:
        """How dark the cell of a count is.

        Args:
            count: images.

        Returns:
            From 0 to 4, by its share of the largest count.
        """
        return 0 if count == 0 else min(1 + int(4 * count / self.counts.max()), 4)


@dataclass(frozen=True)
class Comparison:
    """Images beside what was made of them.

    Attributes:
        title: of the section.
        sentence: what to look for.
        rows: originals first.
    """

    title: str
    sentence: str
    rows: Sequence[Row]


@dataclass(frozen=True)
class RunFacts:
    """Everything that the report of a run shows.

    Attributes:
        title: the run as a sentence of names.
        about: images, clusters and seed in a line.
        verdict: what the run came to, in sentences.
        warnings: what speaks against it, in sentences.
        settings: those that are not the defaults.
        scores: against known classes; empty where there are none.
        figures: that need no classes.
        curves: of both phases.
        points: embeddings in the plane; None without images.
        clusters: by number; of very many, the largest.
        n_clusters: how many there are.
        n_images: how many there are.
        pairs: of clusters, those with most images between them first.
        confusion: with the known classes.
        comparisons: reconstructions and augmented copies.
        notes: what is missing, and why.
        repeat: commands that make the run again and use it.
        facts: versions and the like, by name.
    """

    title: str
    about: str
    verdict: Sequence[str]
    warnings: Sequence[str]
    settings: Sequence[Setting]
    scores: Sequence[Score]
    figures: Sequence[Figure]
    curves: Sequence[Curve]
    points: Points | None
    clusters: Sequence[Cluster]
    n_clusters: int
    n_images: int
    pairs: Sequence[Pair]
    confusion: Confusion | None
    comparisons: Sequence[Comparison] = ()
    notes: Sequence[str] = ()
    repeat: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparisonFacts:
    """Everything that a comparison shows.

    Attributes:
        title: what is compared.
        about: in a line.
        verdict: in sentences.
        warnings: in sentences.
        names: of what is compared.
        figures: by name, the text of each; "" where it is not known.
        agreement: of each with each, in [-1, 1]; None where there is none.
        settings: those that differ, by name, with the text of each.
        curves: over one another.
    """

    title: str
    about: str
    verdict: Sequence[str]
    warnings: Sequence[str]
    names: Sequence[str]
    figures: Mapping[str, Sequence[str]]
    agreement: Sequence[Sequence[float | None]]
    settings: Mapping[str, Sequence[str]]
    curves: Sequence[Curve]
