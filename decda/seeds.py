"""The Python door to several seeds of one composition, made here or by any executor."""

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from decda.composing import compose_words, listener_names
from decda.core.errors import ConfigError
from decda.core.events import Event
from decda.core.execution.messages import Message
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupts
from decda.core.studies.seed_ranges import parse_seeds
from decda.core.studies.seeds_plan import read_seeds
from decda.core.studies.seeds_result import SeedsResult
from decda.inputs import Channels, Part

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from decda.console import SeedsDisplay
    from decda.core.config.run_config import RunConfig


def train_seeds(
    data: Any = None,
    *,
    seeds: str | Iterable[int],
    executor: "Executor | None" = None,
    n_jobs: int | None = None,
    n_clusters: int | Literal["auto"] | None = None,
    labels: Any = None,
    channels: Channels | None = None,
    image_shape: Sequence[int] | None = None,
    scale: str | float | None = None,
    recipe: str | None = None,
    config: str | Path | Mapping[str, Any] | None = None,
    encoder: Part | None = None,
    head: Part | None = None,
    augment: Part | None = None,
    start: Part | None = None,
    train: Mapping[str, Any] | None = None,
    device: str | None = None,
    autoencoder: str | Path | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    data_root: str | Path | None = None,
    offline: bool | None = None,
    threads: int | None = None,
    checkpoint_every: float = 60.0,
    progress: bool = True,
    notify: Callable[[int, Message], None] = lambda seed, message: None,
    listen: Sequence[str] = (),
    report: bool | None = None,
    registry: Registry | None = None,
) -> SeedsResult:
    """Cluster images with several seeds, several at once, here or elsewhere. What `decda train --seeds` does.

    On a CPU each seed has a process of its own. Data and parts that exist in this process alone - arrays, functions,
    classes - are clustered in it, one seed after the other; to have processes or an executor do it, put them into
    files. Ctrl-C lets all seeds save themselves and end.

    Args:
        data: as for `decda.train`, and so is whatever is not explained here.
        seeds: whole numbers from 0 on, each once, or a text such as `0-4` or `0,2,5`.
        executor: makes the runs: any `concurrent.futures.Executor`, such as `client.get_executor()` of Dask, or one of
            mpi4py. Its workers need the same decda and the same packages of parts. It stays open. None:
            this machine makes them.
        n_jobs: runs at once; None: as many as there are cores, four on a GPU, or as many as the executor takes.
        n_clusters: as for `decda.train`.
        labels: as for `decda.train`.
        channels: as for `decda.train`.
        image_shape: as for `decda.train`.
        scale: as for `decda.train`.
        recipe: as for `decda.train`.
        config: as for `decda.train`.
        encoder: as for `decda.train`.
        head: as for `decda.train`.
        augment: as for `decda.train`.
        start: as for `decda.train`.
        train: as for `decda.train`.
        device: as for `decda.train`; workers of Dask that state a resource `GPU` have one.
        autoencoder: as for `decda.train`.
        out: the folder that holds a run's folder for each seed; it must not exist, but to go on in it.
        resume: go on with what is unfinished in `out`, if it is there.
        data_root: as for `decda.train`.
        offline: as for `decda.train`.
        threads: of each run on a CPU; None: one.
        checkpoint_every: as for `decda.train`.
        progress: show progress on a terminal.
        notify: called with the seed and each event of its run, the lines that its process wrote, and its outcome.
        listen: as for `decda.train`; each seed has its own.
        report: as for `decda.train`.
        registry: as for `decda.train`.

    Returns:
        `folder`; `finished` and `failed`, by seed; and `best`, the seed to use, chosen without labels.

    Raises:
        DecdaError: something does not fit any seed, or the executor serves no longer. A seed that fails raises nothing.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).random((60, 9, 12))
        >>> short = {"pretrain_epochs": 1, "max_iter": 4}
        >>> made = train_seeds(images, seeds="0-1", n_clusters=3, encoder="fc", train=short, progress=False)
        >>> [run.seed for run in made.finished], made.failed
        ([0, 1], [])
    """
    from decda.core.studies.seeds import run_seeds

    wanted = parse_seeds(seeds if isinstance(seeds, str) else ",".join(map(str, seeds)))
    folder = None if out is None else Path(out)
    resume = resume and folder is not None and folder.exists()
    if resume and folder is not None:
        _require_seeds(folder, wanted)
    composed = compose_words(
        data,
        registry=registry, data_root=data_root, offline=offline, recipe=recipe, config=config,
        parts={"encoder": encoder, "head": head, "augment": augment, "start": start}, train=train,
        options={"n_clusters": n_clusters, "device": device, "autoencoder": autoencoder},
        labels=labels, channels=channels, image_shape=image_shape, scale=scale,
    )  # fmt: skip
    display = _display(composed.config, wanted, composed.choice) if progress else None

    def tell(seed: int, message: Message) -> None:
        if display is not None:
            display(seed, message)
        notify(seed, message)

    def read(event: Event) -> None:
        if display is not None:
            display.reading(event)

    composed.files.notify = read
    with display or contextlib.nullcontext(), Interrupts(["SIGINT"]) as interrupts:
        return run_seeds(
            composed.config, composed.registry, composed.files, wanted,
            images=composed.images, out=folder, executor=executor, n_jobs=n_jobs, threads=threads, resume=resume,
            checkpoint_every=checkpoint_every, listen=listener_names(composed.registry, listen, report),
            interrupts=interrupts, notify=tell,
        )  # fmt: skip


def _require_seeds(folder: Path, wanted: Sequence[int]) -> None:
    """Require a folder of the same seeds, to go on in it."""
    plan = read_seeds(folder)
    if plan is None or sorted(wanted) != plan["seeds"]:
        numbers = "" if plan is None else ", ".join(map(str, plan["seeds"]))
        what = f"for the seeds {numbers}" if plan else "not the folder of several seeds"
        raise ConfigError(f"{folder} is {what}. Name those, or another folder.", parameter="out")


def _display(config: "RunConfig", seeds: Sequence[int], choice: str) -> "SeedsDisplay | None":
    """What shows the seeds, where there is a terminal."""
    from decda.console import SeedsDisplay, in_notebook, is_interactive

    return SeedsDisplay(config, seeds, choice=choice) if is_interactive() and not in_notebook() else None
