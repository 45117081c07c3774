"""Short runs on tiny sets that the listener under test follows, as `decda train` would have it."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from decda.core.config.composition import compose
from decda.core.contracts import ImageSet
from decda.core.events import (
    CheckpointRejected,
    ClustersCounted,
    ClustersLost,
    Downloading,
    EmbeddingsSampled,
    Event,
    ImagesRead,
    ImagesSkipped,
    Initialised,
    ListenerFailed,
    PhaseStarted,
    Refreshed,
    StepFallback,
)
from decda.core.files import Files
from decda.core.functional import kmeans_labels
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.runs.experiment import run, run_stepwise
from decda.core.runs.run import Run
from decda.testing.inputs import images
from decda.testing.partners import Identity, LinearAutoencoder, PlainHead
from decda.testing.rules import Subject
from decda.testing.training import N_IMAGES

K, D = 3, 4
"""Number of clusters, dimension of the embedding."""
TRAIN = {"pretrain_epochs": 2, "batch_size": 8, "max_iter": 6, "update_interval": 2, "tol": 0.0}
INTERRUPTED_AFTER = (3, 6)
"""Steps after which a run is interrupted, once in pretraining and once in clustering."""
Make = Callable[[Path], Any]
"""Makes a listener in a folder."""


@dataclass(frozen=True)
class _Later:
    """An event that a later version might add."""


def gray() -> ImageSet:
    """Gray images that are not square, with classes and names."""
    return ImageSet(images(N_IMAGES, (1, 5, 4)), torch.arange(N_IMAGES) % K, [f"é {i}.png" for i in range(N_IMAGES)])


def colour() -> ImageSet:
    """Colour images of whole numbers, without classes and names."""
    return ImageSet((255 * images(N_IMAGES, (3, 4, 4))).to(torch.uint8))


def rows() -> ImageSet:
    """Rows of a table: finite values outside of [0, 1]."""
    return ImageSet(10 * images(N_IMAGES, (1, 1, 6)) - 5, value_range=None)


SETS = (gray, colour, rows)
"""What runs are made of, by the sentence that describes it."""


class Watched:
    """Calls a listener, and keeps what it raises, which the guard of the run would swallow.

    Args:
        listener: the one under test.
        errors: gets what it raises.
        around: called with the listener and each event, and calls it.
    """

    def __init__(self, listener: Any, errors: list[BaseException], around: Callable[[Any, Event], None]):
        self.listener = listener
        self.errors = errors
        self.around = around

    def __call__(self, event: Event) -> None:
        """Pass on an event."""
        self._keep(lambda: self.around(self.listener, event))

    def close(self) -> None:
        """Close the listener, if it can be."""
        self._keep(lambda: close(self.listener))

    def _keep(self, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:
            self.errors.append(error)
            raise


def close(listener: Any) -> None:
    """Close a listener, if it has a method for it.

    Args:
        listener: any.
    """
    if hasattr(listener, "close"):
        listener.close()


def tell(listener: Any, event: Event) -> None:
    """Pass on an event.

    Args:
        listener: any.
        event: any.
    """
    listener(event)


def tell_all(listener: Any, event: Event) -> None:
    """Pass on an event, and those of other types around it that no short run has.

    Args:
        listener: any.
        event: of a run.
    """
    before: Sequence[Any] = ()
    after: Sequence[Any] = ()
    if isinstance(event, PhaseStarted) and event.phase == "pretrain":
        before = [
            Downloading("set/images.gz", 10, None),
            ImagesRead(26, 27),
            ImagesSkipped([("a.png", "it is truncated")], 27),
            CheckpointRejected("00000001", "it is empty"),
            ListenerFailed("other", "other 1.0", "ValueError: no"),
        ]
        after = [StepFallback("graph", "head", "RuntimeError: no"), _Later()]
    elif isinstance(event, Initialised):
        before = [ClustersCounted(K, [(2, 0.1), (3, 0.5)], 0.02), EmbeddingsSampled(20, 27)]
    elif isinstance(event, Refreshed) and event.iteration > 0:
        after = [ClustersLost(event.iteration, [1])]
    for each in (*before, event, *after):
        listener(each)


def follow(
    make: Make | None,
    folder: Path,
    make_images: Callable[[], ImageSet] = gray,
    *,
    around: Callable[[Any, Event], None] = tell,
    interrupted_after: Sequence[int] = (),
    device: str = "cpu",
) -> Run:
    """Make a short run that a listener follows.

    Args:
        make: makes the listener; None: nothing follows the run.
        folder: of the run; the folder above it exists.
        make_images: the set that it is made of.
        around: how each event is passed on.
        interrupted_after: steps after which the run is interrupted, to be resumed with a listener made anew.
        device: where it is trained.

    Returns:
        The run.

    Raises:
        BaseException: what the listener raised.
    """
    errors: list[BaseException] = []

    def factory(folder: Path) -> Watched:
        assert make is not None
        try:
            listener = make(folder)
        except BaseException as error:
            errors.append(error)
            raise
        return Watched(listener, errors, around)

    registry = _registry(make_images)
    registry.add("listener", "tried", factory)
    named = {kind: "tried" for kind in ("dataset", "encoder", "head", "augment", "start")}
    config = compose(registry, recipe="tried", parts=named, n_clusters=K, device=device)
    files, listen = Files(offline=True), [] if make is None else ["tried"]
    for steps in interrupted_after:
        interrupts = Interrupts()
        work = run_stepwise(config, registry, files, out=folder, listen=listen, resume=True, interrupts=interrupts)
        with suppress(Interrupted):
            for _ in range(steps):
                next(work)
            interrupts.pending = "SIGTERM"
            next(work)
    done = run(config, registry, files, out=folder, listen=listen, resume=True)
    if errors:
        raise errors[0]
    return done


def maker(subject: Subject) -> Make:
    """What makes the listener under test in a folder.

    Args:
        subject: the listener under test.
    """
    return lambda folder: subject.factory(folder, **subject.parameters)


@contextmanager
def place() -> Iterator[Path]:
    """A folder for the time of a rule, and an empty folder in it as the current one.

    Yields:
        The outer folder, in which runs may be made; the inner one is `here`.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        outer = Path(name).resolve()
        (outer / "here").mkdir()
        with chdir(outer / "here"):
            yield outer


def _registry(make_images: Callable[[], ImageSet]) -> Registry:
    """Parts for a run on a set, each under the name `tried`."""

    def encoder(input_shape: tuple[int, ...]) -> LinearAutoencoder:
        return LinearAutoencoder(input_shape, D)

    def head(n_clusters: int, embedding_dim: int) -> PlainHead:
        return PlainHead(n_clusters, embedding_dim)

    def augment(value_range: tuple[float, float] | None) -> Identity:
        return Identity()

    def start(z: Tensor, n_clusters: int, seed: int) -> Tensor:
        return kmeans_labels(z, n_clusters, seed, n_init=2)

    registry = Registry()
    parts = {"encoder": encoder, "head": head, "augment": augment, "dataset": make_images, "start": start}
    for kind, factory in {**parts, "recipe": {"train": TRAIN}}.items():
        registry.add(kind, "tried", factory)
    return registry
