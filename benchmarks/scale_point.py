"""What one training costs by number of images and clusters: seconds of each part, and peak memory, as JSON.

    python benchmarks/scale_point.py IMAGES.npy N K

`scale.py` calls this in a process of its own for each N and K, so that the peak of memory is that of the point alone.
Nothing is trained to its end: some steps of pretraining, embedding, the start, some refreshes, and the steps after
them.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import measure  # noqa: F401  # which sets up memory and threads as `decda train` does, before torch is imported
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from decda.core.arrays.files import read_array_file
from decda.core.config.composition import compose
from decda.core.contracts import Views, as_float
from decda.core.events import Event, Refreshed
from decda.core.functional import kmeans_labels
from decda.core.parts.registry import Registry
from decda.core.runs.assembly import build_model
from decda.core.runs.residence import resolve_images
from decda.core.training.trainer import Trainer

MIB = 2**20
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
"""Seconds on the wall, or of this process on all processors: with one thread, what it takes on an idle machine."""


def arguments() -> argparse.Namespace:
    """Parse the options.

    Returns:
        Their values.
    """
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="images (M, H, W) of bytes, at least N of them")
    parser.add_argument("n_samples", type=int, help="N; the first N images are taken")
    parser.add_argument("n_clusters", type=int, help="K")
    add_options(parser)
    return parser.parse_args()


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `scale.py` passes on.

    Args:
        parser: gets them.
    """
    parser.add_argument("--recipe", default="convdec-da", help="default: %(default)s")
    parser.add_argument("--images", default="auto", help="auto, resident or streamed; default: %(default)s")
    parser.add_argument("--steps", type=int, default=60, help="steps that are timed; default: %(default)s")
    parser.add_argument("--refreshes", type=int, default=2, help="refreshes that are timed; default: %(default)s")
    parser.add_argument("--restarts", type=int, default=1, help="of k-means; default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    parser.add_argument(
        "--clock", choices=tuple(CLOCKS), default="wall", help="processor: where others are at work; default: wall"
    )


class Stopwatch:
    """Adds up the seconds that are spent in some functions.

    Args:
        clock: one of `CLOCKS`.
    """

    def __init__(self, clock: Callable[[], float]):
        self.clock = clock
        self.seconds = 0.0
        self.running = False

    def around(self, call: Callable[..., Any], *, always: bool = True) -> Callable[..., Any]:
        """The same function, timed.

        Args:
            call: any function.
            always: if not, only where gradients are off: outside of steps.
        """

        def timed(*args: Any, **words: Any) -> Any:
            if self.running or (not always and torch.is_grad_enabled()):  # running: `refresh` calls `soft_assign`
                return call(*args, **words)
            self.running, begun = True, self.clock()
            try:
                return call(*args, **words)
            finally:
                self.running = False
                self.seconds += self.clock() - begun

        return timed


def peak() -> float:
    """The most memory this process has had so far, in MiB, with mapped pages."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Point:
    """One training by number of images and clusters, measured part by part.

    Args:
        options: of the command line.
    """

    def __init__(self, options: argparse.Namespace):
        self.options = options
        array, _ = read_array_file(options.file)
        self.images = torch.from_numpy(array)[: options.n_samples].unsqueeze(1)
        self.mode = resolve_images(options.images, self.images, torch.device("cpu"))
        self.clock = CLOCKS[options.clock]
        self.target, self.starting = Stopwatch(self.clock), Stopwatch(self.clock)
        self.refreshed: list[float] = []

    def make(self) -> Trainer:
        """Make a trainer."""
        options, registry = self.options, Registry.discover()
        settings = (
            "train.pretrain_epochs=2", "train.max_iter=1000000", "train.tol=0", f"train.update_interval={options.steps}"
        )  # fmt: skip
        config = compose(registry, recipe=options.recipe, settings=settings, n_clusters=options.n_clusters)
        config = config.resolved(len(self.images), None)
        model = build_model(config, registry, tuple(self.images.shape[1:]))
        for name in ("refresh", "soft_assign"):
            setattr(model.head, name, self.target.around(getattr(model.head, name), always=False))
        return Trainer(
            self.images, model, config.train, seed=0, notify=self.note,
            start=self.starting.around(self.start), images_mode=self.mode,
        )  # fmt: skip

    def start(self, z: Tensor, n_clusters: int, seed: int, views: Views) -> Tensor:
        """K-means with the restarts that were asked for."""
        return kmeans_labels(z, n_clusters, seed, n_init=self.options.restarts)

    def note(self, event: Event) -> None:
        """Take the time of each refresh."""
        if isinstance(event, Refreshed):
            self.refreshed.append(self.clock())

    def time(self, steps: Iterator[None]) -> float:
        """Time one step.

        Args:
            steps: of a trainer.

        Returns:
            Seconds.
        """
        begun = self.clock()
        next(steps)
        return self.clock() - begun

    def measure(self) -> dict[str, Any]:
        """Measure everything.

        Returns:
            What `scale.py` makes its tables from; seconds, MiB, and operations of the network by image.
        """
        found: dict[str, Any] = {"n_samples": len(self.images), "n_clusters": self.options.n_clusters}
        found |= {"images": self.mode, "images_mib": self.images.numel() / MIB, "importing_mib": peak()}
        trainer = self.make()
        found |= operations(trainer, self.images)
        steps = trainer.steps()
        first, *others = [self.time(steps) for _ in range(1 + self.options.steps)]
        found["pretrain_step"] = statistics.median(others)
        found["plan"] = max(first - found["pretrain_step"], 0.0)  # of an epoch: drawn in the first step
        found["pretrain_epoch"] = found["plan"] + trainer.batches.in_epoch * found["pretrain_step"]
        found["pretrain_mib"] = peak()
        del steps
        trainer.phase, trainer.step = "init_centers", None  # as if the epoch had ended
        return found | self._cluster(trainer)

    def _cluster(self, trainer: Trainer) -> dict[str, Any]:
        steps = trainer.steps()
        whole = self.time(steps)
        found: dict[str, Any] = {"embed": whole - self.starting.seconds, "start": self.starting.seconds}
        found["start_mib"] = peak()
        refreshes, targets, taken = [], [], []
        for _ in range(self.options.refreshes):
            before, begun = self.target.seconds, self.clock()
            next(steps)
            refreshes.append(self.refreshed[-1] - begun)
            targets.append(self.target.seconds - before)
            taken += [self.time(steps) for _ in range(self.options.steps - 1)]
        found["refresh"], found["target"] = statistics.median(refreshes), statistics.median(targets)
        found["cluster_step"] = statistics.median(taken)
        found["peak_mib"] = peak()
        return found


def operations(trainer: Trainer, images: Tensor) -> dict[str, float]:
    """Count what the network computes for an image: two operations for each multiply-add.

    Args:
        trainer: whose model is asked.
        images: some.

    Returns:
        Operations of an embedding, and of a step of pretraining: a forward pass, and a backward pass of twice the work.
    """
    model, x = trainer.model, as_float(images[:8].contiguous())
    counts = []
    calls: tuple[Callable[[], Tensor], ...] = (lambda: model.encode(x), lambda: model.decode(model.encode(x)))
    with torch.no_grad():
        for call in calls:
            with FlopCounterMode(display=False) as counter:
                call()
            counts.append(counter.get_total_flops() / len(x))
    dimensions = model.autoencoder.embedding_dim
    return {
        "embed_flop": counts[0], "step_flop": 3 * counts[1], "batch": trainer.batches.size, "dimensions": dimensions
    }  # fmt: skip


def main() -> None:
    """Print what was measured."""
    options = arguments()
    torch.set_num_threads(options.threads)
    print(json.dumps(Point(options).measure()))


if __name__ == "__main__":
    main()
