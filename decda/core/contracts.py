"""The promise between decda and authors of parts: what each kind of part must provide.

Letters as in the papers: N samples, B batch, K clusters, D embedding; x images, z embeddings, q soft assignments,
p target.

A part declares what users may set after the star of its signature, with type, default and help on one line::

    def __init__(self, n_clusters, embedding_dim, *, gamma: Annotated[float, "weight of the clustering term"] = 0.1)

Types: bool, int, float, str, pathlib.Path, Literal, tuples of these, and `| None`. What stands before the star needs no
annotation; `*args` and `**kwargs` are not allowed. Check ranges in `__init__` and raise ValueError.

State that changes during training is a parameter or a buffer, changed in place (`copy_`, `add_`), its shape fixed;
every other attribute is constant after `__init__`. `encode`, `decode`, `soft_assign`, `refresh`, `loss` and `apply`
draw no random numbers and read no tensor's value on the host, so that a step can be captured as a CUDA graph. Once
built, a part neither draws from a global generator nor reseeds one, and it never writes to stdout.

`decda.testing` and `decda check` test a part for all of this.

This is version 3 of the contract. A class or function, its module, or a package around it may say `decda_api = 3`. Only
heads have changed: in version 1 `loss` took `(z, target, *, x, decode)`, which is refused now; in version 2
`init_centers` took `(z, seed)` and clustered by itself, which still works with the start `kmeans`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Generator, Tensor, nn

from decda.core.events import Event

Decode = Callable[[Tensor], Tensor]
"""Embeddings (B, D) -> images (B, C, H, W)."""


class Autoencoder(nn.Module, ABC):
    """An encoder with its decoder, built as `Autoencoder(input_shape, *, ...)`, input_shape = (C, H, W).

    Attributes:
        embedding_dim: D, a plain attribute set in `__init__`.
    """

    embedding_dim: int

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Embed a batch of images; in eval mode an embedding does not depend on the rest of its batch.

        Args:
            x: images (B, C, H, W), float32 in [0, 1] (of tables: any finite values), any B from 1 up.

        Returns:
            Embeddings (B, D).
        """

    @abstractmethod
    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct a batch of images.

        Args:
            z: embeddings (B, D).

        Returns:
            Images (B, C, H, W), of the shape that was encoded.
        """


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What the loss of a batch is computed from. Later versions may add fields; none is removed.

    Attributes:
        z: embeddings of the augmented images (B, D), with gradient.
        target: the rows of the target that belong to the batch (B, K), from the last refresh.
        x: the augmented images (B, C, H, W), float32 in [0, 1].
        decode: the autoencoder's decoder, for heads with a reconstruction term.
        index: the position of each image in the whole set, int64 (B,).
    """

    z: Tensor
    target: Tensor
    x: Tensor
    decode: Decode
    index: Tensor


class ClusteringHead(nn.Module, ABC):
    """A clustering objective, built as `ClusteringHead(n_clusters, embedding_dim, *, ...)`.

    Attributes:
        centers: (K, D), a parameter (trained by the optimizer) or a buffer (moved by `refresh`), set in `__init__`.
    """

    centers: Tensor

    @abstractmethod
    def init_centers(self, z: Tensor, labels: Tensor) -> None:
        """Place the centers, in place, by the clustering that training starts from; nothing random happens here.

        `decda.core.functional.cluster_means` gives the means of the clusters, which is all that most heads need.

        Args:
            z: clean embeddings of the whole set (N, D).
            labels: of the start, int64 (N,), from 0 to K - 1; a cluster may be empty.
        """

    @abstractmethod
    def soft_assign(self, z: Tensor) -> Tensor:
        """Assign embeddings to clusters; the label of an image is the largest entry of its row.

        Args:
            z: embeddings (B, D).

        Returns:
            q (B, K), not negative; each row sums to 1.
        """

    @abstractmethod
    def refresh(self, z: Tensor) -> Tensor:
        """Compute the target, which is then held and indexed by sample until the next refresh.

        May move buffers (centers, counters).

        Args:
            z: clean embeddings of the whole set (N, D).

        Returns:
            p (N, K), without gradient; each row sums to 1.
        """

    @abstractmethod
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The whole objective of a batch; the trainer descends on the sum of its terms.

        Args:
            batch: embeddings, target, images, decoder and indices of the batch.

        Returns:
            Weighted scalar terms by name, the same names every time.
        """


Views = Callable[[int], Iterator[Tensor]]
"""How many -> embeddings (N, D) of so many augmented copies of the whole set, one after another; each time the same.

Where nothing is augmented, the copies are the clean images."""


class Start(Protocol):
    """Where clustering starts: a function `(z, n_clusters, seed, *, ...) -> labels`, its parameters after the star.

    Equal embeddings and an equal seed give equal labels, bit for bit, whatever the number of threads. It works for any
    N from K up: bound what counts neighbours by N. An attribute `whole_set = True` of the function says that it
    belongs to one set of images, as labels read from a file do, and cannot be tried on others.

    A function may name a fourth argument before the star, `views`, and gets what embeds augmented copies of the images.
    """

    def __call__(self, z: Tensor, n_clusters: int, seed: int, views: Views, /) -> Tensor:
        """Cluster the embeddings on which the centers will be placed.

        Args:
            z: clean embeddings of the whole set, float32 (N, D), finite; not to be changed.
            n_clusters: K.
            seed: of every draw made here.
            views: embeds augmented copies; passed on to a function only if it names it.

        Returns:
            The cluster of each embedding, int64 (N,), from 0 to K - 1, on the device of z.
        """


class Listener(Protocol):
    """What follows a run while it trains, and changes nothing in it; made by a factory `(folder, *, ...)`.

    The factory gets the run's folder, which exists and holds `config.toml` and `provenance.json`. All its parameters
    have defaults. The listener may write below the folder, under names of its own, and nowhere else. An attribute
    `check` of the factory, a function without arguments, is called before there is a folder; what it raises, such as a
    ConfigError for a package that is not installed, refuses the run.

    Once a run has begun, a listener never costs it: one that raises is told as `ListenerFailed`, and not called any
    more. Gradients are off while it is called. If it has a method `close`, that is called once at the end, whatever
    ended the run and also after the listener itself has failed.

    A resumed run makes its listeners again; they get a `Resumed` first, and the events from there on.
    """

    def __call__(self, event: Event, /) -> None:
        """Take note of an event; they come in the order in which things happen, `RunEnded` last.

        Args:
            event: one of `decda.core.events`; its tensors are those that train, and are not to be changed. Later
                versions may add events: pass over those that are not known.
        """


@runtime_checkable
class Augmentation(Protocol):
    """What the factory of an augmentation returns; no base class is needed.

    The factory gets `input_shape` (C, H, W) if its signature names it, and `value_range` if it names that: (0, 1) for
    images, None for the rows of a table, whose values may be any finite ones. An augmentation that does not ask for
    `value_range` is for images alone. Drawing and applying are separate, so that parameters can be drawn ahead on the
    CPU, alike for every device, and replayed.
    """

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw the random parameters of n images.

        Args:
            n: number of images.
            generator: the only source of randomness.

        Returns:
            float32 (n, P), on the generator's device.
        """

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Augment images: a pure function, and one of each image with its own parameters alone.

        Args:
            x: images (B, C, H, W) in [0, 1]; where `value_range` is None, any finite values.
            params: what `sample` drew for them (B, P).

        Returns:
            Images of the same shape, dtype and device, in [0, 1] or, where `value_range` is None, finite.
        """


@dataclass(frozen=True)
class ImageSet:
    """What the function of a data set returns; or, for images that are read when they are needed, an `ImageSource`.

    The function may name two things before the star of its signature: `files`, which finds, downloads and verifies data
    files; and `input_shape`, (C, H, W) where images are read for a trained model and must get that shape, else None.
    An attribute `recipe` of the function names the recipe to stand on where users name none.

    Attributes:
        x: images (N, C, H, W) on the CPU, float32 in `value_range` or uint8 (divided by 255 when used).
        y: true classes int64 (N,), or None. For measuring only, never for training.
        names: a name for each image (file name, key), or None.
        settings: parameters of the data set with what was found out filled in (size, colour, scale). The run records
            them, and new images are prepared by them.
        value_range: between which values floats lie. None: any finite values, of rows (N, 1, 1, D) of a table, which
            only augmentations that ask for `value_range` can take.
        skipped: name and reason of each image that was left out because it cannot be read.
    """

    x: Tensor
    y: Tensor | None = None
    names: Sequence[str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    value_range: tuple[float, float] | None = (0.0, 1.0)
    skipped: Sequence[tuple[str, str]] = ()


class ImageSource(ABC):
    """Images that are read part by part, so that they need not fit into memory.

    Attributes:
        shape: (N, C, H, W).
        dtype: torch.uint8 or torch.float32.
        y: as of an `ImageSet`, and so are the following.
        names: one for each image, or None.
        settings: what was found out.
        value_range: between which values floats lie.
        skipped: what was left out before anything is read.
        key: a text that changes whenever a pixel does; what is read is kept under it in the user's cache, so that the
            next run starts at once. None: nothing is kept.
    """

    shape: tuple[int, int, int, int]
    dtype: torch.dtype
    y: Tensor | None = None
    names: Sequence[str] | None = None
    settings: Mapping[str, Any] = MappingProxyType({})
    value_range: tuple[float, float] | None = (0.0, 1.0)
    skipped: Sequence[tuple[str, str]] = ()
    key: str | None = None

    @abstractmethod
    def read(self, start: int, stop: int) -> tuple[Tensor, Mapping[int, str]]:
        """Read some consecutive images.

        Args:
            start: position of the first, from 0.
            stop: position after the last, at most N.

        Returns:
            Images (stop - start, C, H, W) of `dtype`, on the CPU; and, by position, why some cannot be read, whose
            pixels mean nothing. They are left out of the set.

        Raises:
            DataError: nothing can be read, or one image that cannot be is enough to refuse the set.
        """

    def whole(self) -> Tensor | None:
        """All images (N, C, H, W) at once where that costs no memory, as of a mapped file; else None."""
        return None


def as_float(x: Tensor) -> Tensor:
    """Images as networks see them.

    Args:
        x: images of any shape, float in [0, 1] or uint8.

    Returns:
        Floats in [0, 1]; uint8 is divided by 255, floats are returned as they are.

    Example:
        >>> as_float(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
        [0.0, 1.0]
    """
    return x.float() / 255 if x.dtype == torch.uint8 else x
