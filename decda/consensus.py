"""The Python door to a consensus: labels that several runs of the same images agree on."""

from pathlib import Path
from typing import TYPE_CHECKING

from decda.core.errors import ConfigError
from decda.core.parts.registry import Registry

if TYPE_CHECKING:
    from decda.core.consensus.combining import Combined
    from decda.core.runs.run import Run


def combine(
    *runs: "str | Path | Run",
    n_clusters: int | None = None,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    offline: bool | None = None,
    registry: Registry | None = None,
) -> "Combined":
    """Find the labels that several runs of the same images agree on. What `decda combine` does.

    Args:
        runs: finished runs, or their folders, or folders of several seeds; at least two runs in all. Of several seeds,
            those that have not finished are left out.
        n_clusters: the most clusters of the consensus; None: as many as most runs use.
        out: the folder for `labels.csv` and `summary.json`, which must not exist; None: a new one below `runs/`.
        data_root: the folder that holds the files of data sets; None: `DECDA_DATA`, else the user's cache.
        offline: whether the network is left alone; None: as `DECDA_OFFLINE` says.
        registry: where the data set of the runs is, which gives the classes for scores; None: what is installed.

    Returns:
        The labels, the share of runs that agree on each, and scores where classes are known.

    Raises:
        DecdaError: runs or folder do not serve; the message says what, why and what to do.

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
    from decda.core.judging.folders import find_runs

    paths: list[Path] = []
    for run in runs:
        path = getattr(run, "folder", run)
        if not isinstance(path, str | Path):
            raise ConfigError(f"A run is named by its folder, or is what decda.train returned; not {path!r}.")
        paths.append(Path(path))
    found = find_runs(paths)
    return combine_folders(
        found.folders,
        Registry.discover() if registry is None else registry,
        Files(None if data_root is None else Path(data_root), offline=offline),
        n_clusters=n_clusters,
        out=None if out is None else Path(out),
        unfinished=found.unfinished,
    )
