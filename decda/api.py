"""The Python door: train, load and list, with the same parts, settings and results as on the command line."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from decda.composing import compose_words, listener_names
from decda.core.config.listing import describe
from decda.core.config.run_config import RunConfig
from decda.core.errors import ConfigError
from decda.core.events import Event, ignore
from decda.core.parts.registry import LOCAL, Registry
from decda.core.process.interrupts import Interrupts
from decda.core.process.launch import launched_rank
from decda.core.process.threads import MAX_THREADS, is_thread_count
from decda.inputs import Channels, Part, as_dataset

if TYPE_CHECKING:
    from decda.console import NotebookDisplay, ProgressDisplay
    from decda.core.runs.run import Run


def train(
    data: Any = None,
    *,
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
    seed: int | None = None,
    device: str | None = None,
    autoencoder: str | Path | None = None,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    offline: bool | None = None,
    threads: int | None = None,
    checkpoint_every: float = 60.0,
    progress: bool = True,
    notify: Callable[[Event], None] = ignore,
    listen: Sequence[str] = (),
    report: bool | None = None,
    registry: Registry | None = None,
) -> "Run":
    """Cluster images: pretrain an autoencoder, place the centers, cluster. What `decda train` does.

    A program that `torchrun` has started several times shares the run among its processes, all of which must call this.

    One run at a time in a process: building a model seeds PyTorch's global generator for a moment, which threads share.
    Ctrl-C lets the step end, saves the run and raises a KeyboardInterrupt; `load(folder).resume()` goes on with it.

    Args:
        data: your own images or rows, or a data set. Images are a folder, a file (.npy, .npz, .csv), or an array,
            tensor or DataFrame: (N, H, W), (N, H, W, C), (N, C, H, W), or rows (N, D). Rows without `image_shape` are a
            table, whose columns are standardised. A data set is a name, a table with `name` and parameters, or a
            function that returns an `ImageSet`. None: the data set of the recipe or configuration.
        n_clusters: number of clusters; None: as many as there are classes; `auto`: counted on the pretrained embedding,
            see docs/cluster-count.md.
        labels: true classes of the images (N,), numbers or texts; they measure the result and never train.
        channels: whether the channels of an array come `first` or `last`, where its shape leaves that open.
        image_shape: (height, width), or a shape with channels, of the images that rows were flattened from.
        scale: by what an array is divided to come into [0, 1] (`255`), or `minmax`, `standard` or `none`. None: uint8
            by 255, floats in [0, 1] not at all, the columns of a table by mean and standard deviation.
        recipe: the named composition to start from; with neither recipe nor config, `auto` for images of your own,
            which chooses by their number and size, else `quick`.
        config: a configuration file or mapping to start from.
        encoder: the autoencoder: a name, a table such as `{"name": "fc", "embedding_dim": 5}` (without a name: settings
            of the part that is there), or a class.
        head: the clustering objective, likewise.
        augment: the augmentation, likewise.
        start: clusters the pretrained embeddings, where the centers are placed; likewise.
        train: settings of training: `{"max_iter": 4000}`.
        seed: of every random draw; None: 0, or that of the configuration.
        device: `auto`, `cpu`, `cuda` or `mps`.
        autoencoder: pretrained weights to start from, a run's folder or a file.
        out: the folder of the run, which must not exist; None: a new one below `runs/`.
        data_root: the folder that holds the files of data sets; None: `DECDA_DATA`, else the user's cache.
        offline: whether the network is left alone; None: as `DECDA_OFFLINE` says.
        threads: that PyTorch computes with meanwhile; None: as many as it has.
        checkpoint_every: seconds between two checkpoints, beside those at the end of each phase; 0: no checkpoints.
        progress: show progress and the result, where there is a terminal or a notebook.
        notify: called with each event of the training.
        listen: names of registered listeners, which follow the run: `["tensorboard"]`. They change nothing in it.
        report: write a page about the run into its folder; None: unless `DECDA_NO_REPORT` is set.
        registry: the parts that names are looked up in; None: those that are installed.

    Returns:
        The run, with its labels, scores, folder and model.

    Raises:
        DecdaError: something does not fit; the message says what, why and what to do.

    Example:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).random((60, 9, 12))
        >>> short = {"pretrain_epochs": 1, "max_iter": 4}
        >>> run = train(images, n_clusters=3, encoder="fc", train=short, progress=False)
        >>> run.predict(images[:5]).shape, run.embed(images).shape
        ((5,), (60, 10))
    """
    composed = compose_words(
        data,
        registry=registry, data_root=data_root, offline=offline, recipe=recipe, config=config,
        parts={"encoder": encoder, "head": head, "augment": augment, "start": start}, train=train,
        options={"n_clusters": n_clusters, "seed": seed, "device": device, "autoencoder": autoencoder},
        labels=labels, channels=channels, image_shape=image_shape, scale=scale,
    )  # fmt: skip
    return _run(
        composed.config, composed.registry, composed.files, None if out is None else Path(out), threads, progress,
        notify,
        choice=composed.choice, images=composed.images, checkpoint_every=checkpoint_every,
        listen=listener_names(composed.registry, listen, report),
    )  # fmt: skip


def load(
    path: str | Path,
    *,
    device: str | None = None,
    parts: str | Path | Sequence[str | Path] = (),
    registry: Registry | None = None,
) -> "Run | UnfinishedRun":
    """Read a run back from its folder alone; the data set it was trained on is not needed.

    Args:
        path: the folder of the run.
        device: where its model computes; None: as the run was configured, or the CPU where that device is missing.
        parts: Python file, or files, with parts that the run needs.
        registry: the parts that names are looked up in; None: those that are installed.

    Returns:
        The run, with its trained model; or, where it has not finished, what `resume` goes on with.

    Raises:
        DecdaError: the folder is not a run's, its files are damaged, or a part of it is missing.

    Example:
        >>> short = {"pretrain_epochs": 1, "max_iter": 4}
        >>> run = train("digits", encoder="fc", train=short, out="my-run", progress=False)
        >>> again = load("my-run")
        >>> bool((again.labels == run.labels).all())
        True
    """
    from decda.core.parts.loading import load_file
    from decda.core.runs.inference import load_run
    from decda.core.runs.reading import read_configuration, read_run

    registry = Registry.discover() if registry is None else registry.copy()
    for file in [parts] if isinstance(parts, str | Path) else parts:
        load_file(registry, Path(file))
    folder = Path(path)
    read_configuration(folder)
    # A run that was killed at once may have no provenance yet.
    provenance = read_run(folder)[1] if (folder / "provenance.json").exists() else {"status": "started"}
    if provenance.get("status") != "finished":
        return UnfinishedRun(folder, registry, provenance)
    return load_run(folder, registry, device=device)


class UnfinishedRun:
    """A run that was interrupted, failed, or is still at work in another process.

    Args:
        folder: of the run.
        registry: where its parts are.
        provenance: what it says of itself.

    Attributes:
        folder: as given.
        status: `started`, `interrupted`, `diverged` or `failed`.
        reason: why it has not finished, where it could say so.
    """

    def __init__(self, folder: Path, registry: Registry, provenance: Mapping[str, Any]):
        self.folder = folder
        self.status = str(provenance.get("status"))
        self.reason = provenance.get("reason")
        self._registry = registry
        self._provenance = provenance

    def __repr__(self) -> str:
        """The run in a line."""
        return f"<UnfinishedRun {self.folder}: {self.status}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # asked for by copy and pickle, before there is a folder
            raise AttributeError(name)
        raise AttributeError(f"The run {self.folder} has no {name} yet: it has not finished. Call resume() first.")

    def resume(
        self,
        data: Any = None,
        *,
        labels: Any = None,
        channels: Channels | None = None,
        image_shape: Sequence[int] | None = None,
        scale: str | float | None = None,
        data_root: str | Path | None = None,
        offline: bool | None = None,
        threads: int | None = None,
        checkpoint_every: float = 60.0,
        progress: bool = True,
        notify: Callable[[Event], None] = ignore,
        listen: Sequence[str] = (),
        report: bool | None = None,
    ) -> "Run":
        """Go on with the run from its last checkpoint, as if it had never stopped.

        On the same machine, with as many threads, its files become the very bytes that they would have been.

        Args:
            data: the images, where the run was started with an array or a function; None: its registered data set.
            labels: as for `train`.
            channels: as for `train`.
            image_shape: as for `train`.
            scale: as for `train`.
            data_root: as for `train`.
            offline: as for `train`.
            threads: as for `train`; None: as many as the run was started with.
            checkpoint_every: as for `train`.
            progress: as for `train`.
            notify: as for `train`.
            listen: as for `train`; they hear what happens from here on.
            report: as for `train`.

        Returns:
            The finished run.

        Raises:
            DecdaError: the run is in use by another process, its checkpoints are damaged, or its parts or images are
                not those that it was started with.
        """
        from decda.core.files import Files
        from decda.core.runs.resuming import resumed_config

        registry = self._registry.copy()
        part = self._provenance.get("parts", {}).get("dataset", {})
        named = None
        how = {"labels": labels, "channels": channels, "image_shape": image_shape, "scale": scale}
        if data is not None or any(value is not None for value in how.values()):
            named = as_dataset(registry, data, **how)
        elif part.get("package") == LOCAL and part.get("name") not in registry.names("dataset"):
            raise ConfigError(
                f"The run {self.folder} was started with images from Python, which its folder does not hold. Hand them "
                "over again: resume(images).",
                parameter="data",
            )
        config = resumed_config(self.folder, registry, parts={"dataset": named})
        former = self._provenance.get("threads") if is_thread_count(self._provenance.get("threads")) else None
        files = Files(None if data_root is None else Path(data_root), offline=offline)
        return _run(
            config, registry, files, self.folder, threads or former, progress, notify,
            checkpoint_every=checkpoint_every, resume=True, listen=listener_names(registry, listen, report),
        )  # fmt: skip


def components(kind: str | None = None, *, registry: Registry | None = None) -> list[dict[str, Any]]:
    """The registered parts, as `decda list-components` lists them. Runs no code of any part.

    Args:
        kind: `encoder`, `head`, `augment`, `dataset`, `start`, `recipe` or `listener`; None: all.
        registry: the parts to list; None: those that are installed.

    Returns:
        A record for each, with `kind`, `name`, `summary`, `package`, `version`, `status` and `error`.

    Raises:
        ConfigError: there is no such kind.

    Example:
        >>> [record["name"] for record in components("head") if record["package"] == "decda"]
        ['dcn', 'dec', 'idec']
    """
    registry = registry or Registry.discover()
    if kind is not None:
        registry.names(kind)
    return [describe(registry, entry) for entry in registry if kind in (None, entry.kind)]


def _run(
    config: RunConfig,
    registry: Registry,
    files: Any,
    out: Path | None,
    threads: int | None,
    progress: bool,
    notify: Callable[[Event], None],
    choice: str = "",
    **how: Any,
) -> "Run":
    """Make a run, or go on with it, and show it."""
    from decda.core.runs.experiment import run as run_experiment

    display = _display(config, choice) if progress and launched_rank() == 0 else None
    with _threads(threads), display or contextlib.nullcontext(), Interrupts(["SIGINT"]) as interrupts:

        def tell(event: Event) -> None:
            if display is not None:
                display(event)
            notify(event)

        files.notify = tell
        run = run_experiment(config, registry, files, out=out, notify=tell, interrupts=interrupts, **how)
    if display is not None:
        display.finish(run.as_mapping(), run.sizes)
    return run


@contextlib.contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    if threads is None:
        yield
        return
    import torch

    if not is_thread_count(threads):
        raise ConfigError(
            f"threads must be a whole number from 1 to {MAX_THREADS}, not {threads!r}.", parameter="threads"
        )
    former = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(former)


def _display(config: RunConfig, choice: str) -> "ProgressDisplay | NotebookDisplay | None":
    """What shows a run, where there is a terminal or a notebook."""
    from decda.console import NotebookDisplay, ProgressDisplay, in_notebook, is_interactive

    if in_notebook():
        return NotebookDisplay(config, choice)
    return ProgressDisplay(config, choice=choice) if is_interactive() else None
