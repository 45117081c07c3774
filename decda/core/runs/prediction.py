"""What a trained model makes of new images, read part by part from a set that may be larger than memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.contracts import ImageSource
from decda.core.errors import DataError
from decda.core.events import Event, ImagesRead, ImagesSkipped, ignore
from decda.core.runs.collection import read_checked
from decda.core.runs.images import check_pixels
from decda.core.runs.naming import printable
from decda.core.runs.run import Run
from decda.core.training.model import embedding_batch

CHUNK = 2**24
"""Bytes of images that are read together, about."""
NUMBERS = 2**22
"""The most soft assignments of images that are read together."""


@dataclass(frozen=True)
class Predicted:
    """What a model makes of some consecutive images.

    Attributes:
        start: how many came before them.
        names: one for each, or None.
        z: embeddings, float32 (B, D).
        q: soft assignments, float32 (B, K).
        distance: Euclidean distance of each embedding to the center of its cluster, float32 (B,).
    """

    start: int
    names: Sequence[str] | None
    z: NDArray[np.float32]
    q: NDArray[np.float32]
    distance: NDArray[np.float32]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The cluster of each image, int64 (B,)."""
        labels: NDArray[np.int64] = self.q.argmax(1)
        return labels

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The largest soft assignment of each image, float32 (B,)."""
        confidence: NDArray[np.float32] = self.q.max(1)
        return confidence


class Prediction:
    """Sends the images of a source through a trained model; iterating yields `Predicted`, in their order.

    Memory is needed for a few batches, however many images there are. The numbers are those that `run.predict` and
    `run.embed` return for the same pixels in one array. Images that cannot be read are left out and counted.

    Args:
        run: a finished run.
        source: images of the shape that it was trained on, from `open_source`.
        notify: gets an `ImagesRead` for each part, and an `ImagesSkipped` at the end.

    Attributes:
        sizes: number of images in each cluster so far.
        skipped: name and reason of each image that was left out so far.

    Raises:
        DataError: the images have another shape.
    """

    def __init__(self, run: Run, source: ImageSource, *, notify: Callable[[Event], None] = ignore):
        shape = tuple(source.shape[1:])
        if shape != run.input_shape:
            raise DataError(
                f"These images have the shape {shape} (channels, height, width), and the model of {run.folder} was "
                f"trained on images of shape {run.input_shape}. Bring them to that shape."
            )
        self.run = run
        self.source = source
        self.notify = notify
        self.skipped: list[tuple[str, str]] = list(source.skipped)
        self.sizes = [0] * run.config.known_clusters

    @property
    def n_samples(self) -> int:
        """How many images have been assigned so far."""
        return sum(self.sizes)

    def __iter__(self) -> Iterator[Predicted]:
        """Read, embed and assign.

        Yields:
            What the model makes of some images.

        Raises:
            DecdaError: no image can be read, pixels are not what they should be, or a part of the model fails.
        """
        n = self.source.shape[0]
        batch = embedding_batch(self.run.input_shape, self.run.model.device)
        images = CHUNK // (int(np.prod(self.source.shape[1:])) * self.source.dtype.itemsize)
        images = min(images, NUMBERS // len(self.sizes))
        size = max(images // batch, 1) * batch
        waiting, names = torch.empty(0, *self.source.shape[1:], dtype=self.source.dtype), list[str]()
        for start in range(0, n, size):
            stop = min(start + size, n)
            x, good = self._read(start, stop)
            waiting = torch.cat([waiting, x]) if len(waiting) else x
            if self.source.names is not None:
                names += [self.source.names[position] for position in good]
            # Whole batches, so that no embedding depends on where the parts of a source end.
            ready = len(waiting) if stop == n else len(waiting) // batch * batch
            if ready:
                yield self._predict(waiting[:ready], names[:ready] if self.source.names is not None else None)
                waiting, names = waiting[ready:].clone(), names[ready:]
            self.notify(ImagesRead(stop, n))
        if self.n_samples == 0:
            name, reason = self.skipped[0] if self.skipped else ("the set", "it is empty")
            raise DataError(f"None of {len(self.skipped)} images can be read; {printable(name)}: {reason}.")
        if self.skipped:
            self.notify(ImagesSkipped(self.skipped, self.n_samples + len(self.skipped)))

    def _read(self, start: int, stop: int) -> tuple[Tensor, list[int]]:
        """The images in a part of the source that can be read, and their positions."""
        x, failed = read_checked(self.source, start, stop, "The source of these images")
        names = self.source.names or {position: f"image {position}" for position in range(start, stop)}
        self.skipped += [(names[position], reason) for position, reason in sorted(failed.items())]
        good = [position for position in range(start, stop) if position not in failed]
        x = x if len(good) == len(x) else x[[position - start for position in good]]
        if x.is_floating_point():
            told = [f"{position} of the set" for position in good]
            if self.source.names is not None:
                told = [f"{words}, {self.source.names[position]}" for words, position in zip(told, good, strict=True)]
            where = f"The images {start} to {stop - 1}" if (start, stop) != (0, self.source.shape[0]) else "The images"
            check_pixels(x, where, told, self.source.value_range)
        return x, good

    def _predict(self, x: Tensor, names: Sequence[str] | None) -> Predicted:
        model = self.run.model

        @torch.no_grad()
        def assign(x: Tensor) -> Tensor:
            z = model.embed(x)
            q = model.head.soft_assign(z)
            distance = torch.linalg.vector_norm(z - model.head.centers[q.argmax(1)], dim=1)
            return torch.cat([z, q, distance.unsqueeze(1)], 1)  # (B, D + K + 1)

        result = self.run.apply(assign, x)
        dim = model.autoencoder.embedding_dim
        predicted = Predicted(self.n_samples, names, result[:, :dim], result[:, dim:-1], result[:, -1])
        for cluster, size in enumerate(np.bincount(predicted.labels, minlength=len(self.sizes)).tolist()):
            self.sizes[cluster] += size
        return predicted


@dataclass(frozen=True)
class Predictions:
    """What a model makes of a whole set of images.

    Attributes:
        names: one for each of the M images that can be read, or None.
        z: embeddings, float32 (M, D).
        q: soft assignments, float32 (M, K).
        distance: Euclidean distance of each embedding to the center of its cluster, float32 (M,).
        skipped: name and reason of each image that cannot be read.
    """

    names: Sequence[str] | None
    z: NDArray[np.float32]
    q: NDArray[np.float32]
    distance: NDArray[np.float32]
    skipped: Sequence[tuple[str, str]]

    @property
    def labels(self) -> NDArray[np.int64]:
        """The cluster of each image, int64 (M,)."""
        labels: NDArray[np.int64] = self.q.argmax(1)
        return labels

    @property
    def confidence(self) -> NDArray[np.float32]:
        """The largest soft assignment of each image, float32 (M,)."""
        confidence: NDArray[np.float32] = self.q.max(1)
        return confidence


def predict_all(run: Run, source: ImageSource, *, notify: Callable[[Event], None] = ignore) -> Predictions:
    """Assign all images of a source, and keep everything in memory but the images.

    Args:
        run: a finished run.
        source: from `open_source`.
        notify: as for `Prediction`.

    Returns:
        Labels, soft assignments and embeddings of the images that can be read.

    Raises:
        DecdaError: as for `Prediction`.
    """
    prediction = Prediction(run, source, notify=notify)
    parts = list(prediction)
    z, q, distance = (np.concatenate([getattr(part, name) for part in parts]) for name in ("z", "q", "distance"))
    names = None if source.names is None else [name for part in parts for name in part.names or ()]
    return Predictions(names, z, q, distance, prediction.skipped)
