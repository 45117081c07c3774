"""What a report shows of the images of a run: its members, maps, reconstructions and augmented copies."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.contracts import ImageSet, as_float
from decda.core.random_keys import keyed_generator
from decda.core.report.facts import Cluster, Comparison, Pair, Pixels, Points, Row
from decda.core.report.pictures import as_pixels
from decda.core.runs.layouts import SHOWN, draw_sample, lay_out
from decda.core.runs.members import Undecided, between, top_two, typical, uncertain
from decda.core.runs.naming import printable
from decda.core.runs.run import Run

COMPARED = 10
"""Images that are shown beside what was made of them."""
VIEWS = 3
"""Augmented copies of each of them."""
TRIED = 1000
"""Images of which one augmented copy is assigned to a cluster."""
MOST_CLASSES = 3
"""Known classes that are named for a cluster, at most."""
LEAST_SHARE = 0.005
"""Of a class that is named: less would be shown as 0 %."""
CHUNK = 2**16
"""Images that are assigned together, at most."""
NUMBERS = 2**22
"""The most soft assignments held at once."""
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Exhibits:
    """A run beside its images.

    Attributes:
        run: a finished run.
        images: that it was made of, in the order of its labels; None: they are not at hand.
    """

    run: Run
    images: ImageSet | None

    @property
    def n_clusters(self) -> int:
        """How many clusters the run has."""
        return self.run.config.known_clusters

    @cached_property  # rounding millions of numbers anew for each cluster would take longer than all the rest
    def confidence(self) -> NDArray[np.float32]:
        """The confidence of each image (N,), as exact as the folder of a run holds it: a report can be made again."""
        return self.run.confidence.astype(np.float64).round(6).astype(np.float32)

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """The known class of each image (N,), None where there are none."""
        return None if self.images is None or self.images.y is None else self.images.y.numpy()

    def show(self, index: Index) -> Pixels | None:
        """Some of the images.

        Args:
            index: their positions.

        Returns:
            Their pictures; None where there is none to show: they are rows of a table, or not at hand.
        """
        images = self.images
        if images is None or images.value_range is None or images.x.shape[1:3] == (1, 1) or not len(index):
            return None
        return as_pixels(images.x[torch.from_numpy(index)])

    def names(self, index: Index) -> list[str]:
        """What some of the images are called.

        Args:
            index: their positions.
        """
        names = self.run.names
        return [f"image {i}" if names is None else printable(names[i]) for i in index.tolist()]

    def row(self, title: str, index: Index) -> Row:
        """Some of the images side by side.

        Args:
            title: what they are.
            index: their positions.
        """
        return Row(title, self.names(index), self.show(index))

    def cluster(self, number: int) -> Cluster:
        """A cluster and its members.

        Args:
            number: from 0.
        """
        run = self.run
        members = run.labels == number
        size = int(members.sum())
        rows: list[Row] = []
        found: Sequence[tuple[str, float]] = ()
        if size:
            rows.append(self.row("most typical", typical(run.labels, self.confidence, number)))
            rows.append(self.row("least certain", uncertain(run.labels, self.confidence, number)))
            if self.classes is not None:
                values, counts = np.unique(self.classes[members], return_counts=True)
                most = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
                found = [(str(values[i]), float(counts[i] / size)) for i in most if counts[i] >= LEAST_SHARE * size]
        center = None
        if self.show(np.array([0])) is not None:
            decoded = run.apply(run.model.decode, run.model.head.centers[number : number + 1])
            center = as_pixels(torch.from_numpy(decoded))
        confidence = float(self.confidence[members].mean()) if size else None
        return Cluster(number, size, size / len(run.labels), confidence, center, rows, found)

    def embeddings(self) -> NDArray[np.float32] | None:
        """The embeddings of all images (N, D), None where they are not at hand."""
        return None if self.images is None else self.run.apply(self.run.model.embed, self.images.x)

    def points(self, z: NDArray[np.float32]) -> Points:
        """A sample of the images on maps.

        Args:
            z: embeddings of all images (N, D).
        """
        run = self.run
        index = draw_sample(run.labels, self.n_clusters, SHOWN)
        names = None if run.names is None else self.names(index)
        return Points(index, run.labels[index], self.confidence[index], names, self.show(index), lay_out(z[index]))

    def pairs(self, z: NDArray[np.float32]) -> list[Pair]:
        """The pairs of clusters with most images between them.

        Args:
            z: embeddings of all images (N, D).
        """
        if self.n_clusters < 2:
            return []
        parts = []
        rows = max(min(CHUNK, NUMBERS // self.n_clusters), 1)
        for start in range(0, len(z), rows):
            part = torch.from_numpy(z[start : start + rows]).to(self.run.model.device)
            parts.append(top_two(self.run.apply(self.run.model.head.soft_assign, part)))
        joined = Undecided(
            *(np.concatenate([getattr(p, name) for p in parts]) for name in ("first", "second", "ratio"))
        )
        return [
            Pair(each.first, each.second, each.count, self.row("the most undecided first", each.index))
            for each in between(joined, self.n_clusters)
        ]

    def steady(self) -> float | None:
        """The share of augmented copies that fall into the cluster of their original; None without augmentation."""
        if self.images is None:
            return None
        index = draw_sample(self.run.labels, self.n_clusters, TRIED)
        x = self.images.x[torch.from_numpy(index)]
        draws = self._draws(len(x), 0)
        if draws is None:
            return None
        model = self.run.model
        q = self.run.apply(lambda x: model.head.soft_assign(model.embed(x, draws)), x)
        return float((q.argmax(1) == self.run.labels[index]).mean())

    def explained(self, loss: float) -> float | None:
        """The share of the variance of the pixels that is reconstructed.

        Args:
            loss: mean squared error of the reconstruction, by pixel.

        Returns:
            1 for a perfect reconstruction, 0 for one that is no better than the mean of all images; None where the
            images are not at hand, or all alike.
        """
        if self.images is None:
            return None
        index = draw_sample(self.run.labels, self.n_clusters, TRIED)
        variance = float(as_float(self.images.x[torch.from_numpy(index)]).var(0, correction=0).mean())
        return 1 - loss / variance if variance > 0 else None

    def comparisons(self) -> list[Comparison]:
        """Images beside their reconstructions, and beside augmented copies; empty where there are no pictures."""
        run = self.run
        index = draw_sample(run.labels, self.n_clusters, COMPARED)
        index = np.random.default_rng(0).permutation(index)[:COMPARED]
        originals = self.row("originals", index)
        if self.images is None or originals.pictures is None:
            return []
        x = self.images.x[torch.from_numpy(index)]
        decoded = run.apply(lambda x: run.model.decode(run.model.embed(x)), x)
        found = [
            Comparison(
                "Reconstructions",
                "What the decoder makes of the embedding. What is missing here, the clusters cannot go by.",
                [originals, Row("reconstructions", originals.names, as_pixels(torch.from_numpy(decoded)))],
            )
        ]
        copies = []
        for number in range(VIEWS):
            draws = self._draws(len(x), 1 + number)
            if draws is not None:
                pictures = as_pixels(self._augmented(x, draws))
                copies.append(Row(f"augmented copy {number + 1}", originals.names, pictures))
        if copies:
            found.append(
                Comparison(
                    "Augmented copies",
                    "What training sees in place of the originals. A copy should still be what its original is: if you "
                    "would put it into another cluster, the augmentation is too strong.",
                    [originals, *copies],
                )
            )
        return found

    def _draws(self, n: int, step: int) -> Tensor | None:
        """Draws of the augmentation for n images; None where nothing is augmented."""
        if self.run.config.train.augment_in == "neither":
            return None
        draws = self.run.model.augment.sample(n, keyed_generator(self.run.config.seed, "report", step))
        return draws.to(self.run.model.device) if draws.shape[1:].numel() else None  # the part `none` draws nothing

    def _augmented(self, x: Tensor, draws: Tensor) -> Tensor:
        model = self.run.model
        images = as_float(x.to(model.device))
        return torch.from_numpy(self.run.apply(lambda x: model.augment.apply(x, draws), images))
