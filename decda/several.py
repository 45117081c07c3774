"""The Python door to several runs at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decda.core.errors import ConfigError
from decda.core.parts.registry import Registry
from decda.inputs import Channels, as_dataset

if TYPE_CHECKING:
    from torch import Tensor

    from decda.core.files import Files
    from decda.core.judging.judgement import Judgement
    from decda.core.runs.run import Run


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
        `best`, the run to use; `reason`, in sentences; and `runs`, each with its `criteria`.

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
    from decda.core.judging.folders import find_runs
    from decda.core.judging.judgement import judge as compare
    from decda.core.parts.loading import load_file
    from decda.core.runs.inference import load_run
    from decda.core.runs.run import Run

    registry = Registry.discover() if registry is None else registry.copy()
    for file in [parts] if isinstance(parts, str | Path) else parts:
        load_file(registry, Path(file))
    files = Files(None if data_root is None else Path(data_root), offline=offline)
    ready: list[Run] = []
    for run in runs:
        if isinstance(run, Run):
            ready.append(run)
            continue
        path = getattr(run, "folder", run)  # of a run that has not finished, which is then said
        if not isinstance(path, str | Path):
            raise ConfigError(f"A run is named by its folder, or is what decda.train returned; not {path!r}.")
        ready += [load_run(folder, registry, device="cpu") for folder in find_runs([Path(path)]).folders]
    how = {"channels": channels, "image_shape": image_shape, "scale": scale}
    x = None if images is None or not ready else _as_loaded(images, ready[0], registry, files, how)
    return compare(ready, registry, files, images=x)


def _as_loaded(images: Any, run: "Run", registry: Registry, files: "Files", how: Mapping[str, Any]) -> "Tensor":
    """Images as the run loaded them: in its layout, and scaled by its numbers."""
    from decda.core.config.composition import compose
    from decda.core.config.run_config import PART_KINDS
    from decda.core.runs.images import load_images

    dataset = as_dataset(registry, images, **how)
    others = [kind for kind in PART_KINDS if kind != "dataset"]  # which may be classes that only the run knows
    config = compose(registry, config=run.config.as_mapping(), parts={"dataset": dataset}, unresolved=others)
    return load_images(config, registry, files).x
