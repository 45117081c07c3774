"""The Python door to several runs at once."""

import operator
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decda.core.errors import ConfigError
from decda.core.parts.registry import Registry
from decda.inputs import Channels, as_dataset

if TYPE_CHECKING:
    from torch import Tensor

    from decda.core.consensus.combining import Combined
    from decda.core.files import Files
    from decda.core.judging.judgement import Judgement
    from decda.core.runs.run import Run
    from decda.core.studies.folders import Found


def judge(
    *runs: "Run | str | Path",
    images: Any = None,
    channels: Channels | None = None,
    image_shape: Sequence[int] | None = None,
    scale: str | float | None = None,
    data_root: str | Path | None = None,
    offline: bool | None = None,
    parts: str | Path | Sequence[str | Path] = (),
    registry: Registry | None = None,
) -> "Judgement":
    """Compare runs on the same images without classes, and say which one to use. What `decda judge` does.

    Args:
        *runs: finished runs, their folders, or folders of several seeds.
        images: those that the runs were made of, where these came from Python. None: the data set of the runs.
        channels: as for `decda.train`.
        image_shape: as for `decda.train`.
        scale: as for `decda.train`.
        data_root: the folder that holds the files of data sets; None: `DECDA_DATA`, else the user's cache.
        offline: whether the network is left alone; None: as `DECDA_OFFLINE` says.
        parts: Python file, or files, with parts that the runs need.
        registry: the parts that names are looked up in; None: those that are installed.

    Returns:
        `best`, the run to use; `reason`, in sentences; `runs`, each with its `criteria`; and `unfinished`, the folders
        of seeds that were left out, of which a warning tells, too.

    Raises:
        DecdaError: a run has not finished, or the runs are not of the same images.

    Example:
        >>> import decda
        >>> short = {"pretrain_epochs": 1, "max_iter": 4}
        >>> pair = [decda.train("digits", encoder="fc", train=short, seed=s, progress=False) for s in (0, 1)]
        >>> judgement = judge(*pair)
        >>> judgement.best in pair, sorted(judgement.runs[0].criteria)[:2]
        (True, ['agreement', 'calinski_harabasz'])
    """
    from decda.core.files import Files
    from decda.core.judging.judgement import judge as compare
    from decda.core.runs.inference import load_run
    from decda.core.runs.naming import printable
    from decda.core.runs.run import Run

    registry = _with_parts(registry, parts)
    files = Files(None if data_root is None else Path(data_root), offline=offline)
    found = _find(runs)
    if found.unfinished:
        listed = ", ".join(printable(folder) for folder in found.unfinished)
        warnings.warn(f"Left out, because not finished: {listed}", stacklevel=2)
    given = {run.folder.resolve(): run for run in runs if isinstance(run, Run)}
    ready = [given.get(path.resolve()) or load_run(path, registry, device="cpu") for path in found.folders]
    how = {"channels": channels, "image_shape": image_shape, "scale": scale}
    x = None if images is None or not ready else _as_loaded(images, ready[0], registry, files, how)
    return compare(ready, registry, files, images=x, unfinished=found.unfinished)


def combine(
    *runs: "Run | str | Path",
    n_clusters: int | None = None,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    offline: bool | None = None,
    parts: str | Path | Sequence[str | Path] = (),
    registry: Registry | None = None,
) -> "Combined":
    """Find the labels that several runs of the same images agree on. What `decda combine` does.

    Args:
        *runs: finished runs, their folders, or folders of several seeds; at least two runs in all. Of several seeds,
            those that have not finished are left out.
        n_clusters: the most clusters of the consensus; None: as many as most runs use.
        out: the folder for `labels.csv` and `summary.json`, which must not exist; None: a new one below `runs/`.
        data_root: the folder that holds the files of data sets; None: `DECDA_DATA`, else the user's cache.
        offline: whether the network is left alone; None: as `DECDA_OFFLINE` says.
        parts: Python file, or files, with parts that the runs need.
        registry: where the data set of the runs is, which gives the classes for scores; None: what is installed.

    Returns:
        The labels, the share of runs that agree on each, and scores where classes are known.

    Raises:
        DecdaError: the runs or the folder are unsuitable; the message says what, why and what to do.

    Example:
        >>> import decda
        >>> short = {"pretrain_epochs": 1, "max_iter": 4}
        >>> runs = [decda.train("digits", encoder="fc", train=short, seed=s, progress=False) for s in (0, 1, 2)]
        >>> found = combine(*runs, out="consensus")
        >>> found.labels.shape, bool((found.agreement > 0).all())
        ((1797,), True)
    """
    from decda.core.consensus.combining import combine as combine_folders
    from decda.core.files import Files

    registry = _with_parts(registry, parts)
    found = _find(runs)
    return combine_folders(
        found.folders,
        registry,
        Files(None if data_root is None else Path(data_root), offline=offline),
        n_clusters=None if n_clusters is None else _as_count(n_clusters),
        out=None if out is None else Path(out),
        unfinished=found.unfinished,
    )


def _with_parts(registry: Registry | None, parts: str | Path | Sequence[str | Path]) -> Registry:
    """A copy of the registry, or what is installed, with the parts that some files add."""
    from decda.core.parts.loading import load_file

    registry = Registry.discover() if registry is None else registry.copy()
    for file in [parts] if isinstance(parts, str | Path) else parts:
        load_file(registry, Path(file))
    return registry


def _find(runs: "Iterable[Run | str | Path]") -> "Found":
    """The folders of the runs that are meant, each once."""
    from decda.core.studies.folders import find_runs

    paths: list[Path] = []
    for run in runs:
        path = getattr(run, "folder", run)  # also of a run that has not finished, which is then said
        if not isinstance(path, str | Path):
            raise ConfigError(f"A run is named by its folder, or is what decda.train returned; not {path!r}.")
        paths.append(Path(path))
    return find_runs(paths)


def _as_count(n_clusters: Any) -> int:
    try:
        if isinstance(n_clusters, bool):
            raise TypeError
        return operator.index(n_clusters)
    except TypeError:
        told = f"n_clusters must be a whole number, or None, not {n_clusters!r}."
        raise ConfigError(told, parameter="n_clusters") from None


def _as_loaded(images: Any, run: "Run", registry: Registry, files: "Files", how: Mapping[str, Any]) -> "Tensor":
    """Images as the run loaded them: in its layout, and scaled by its numbers."""
    from decda.core.config.composition import compose
    from decda.core.config.run_config import PART_KINDS
    from decda.core.runs.images import load_images

    dataset = as_dataset(registry, images, **how)
    others = [kind for kind in PART_KINDS if kind != "dataset"]  # which may be classes that only the run knows
    config = compose(registry, config=run.config.as_mapping(), parts={"dataset": dataset}, unresolved=others)
    return load_images(config, registry, files).x
