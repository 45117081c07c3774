"""What the folder of a run says at a glance: small files are read, weights are not, and no part is looked up."""

import contextlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from decda.core.atomic_files import read_json
from decda.core.config.run_config import DEFAULT_START, PART_KINDS, PartConfig, read_toml
from decda.core.errors import DataError, DecdaError

CONFIG, PROVENANCE, METRICS = "config.toml", "provenance.json", "metrics.json"
FINISHED, INTERRUPTED, FAILED, DIVERGED, STARTED = "finished", "interrupted", "failed", "diverged", "started"
"""What a run says of itself. `started`: it is going on, or was killed and could say nothing."""
DAMAGED, UNREADABLE = "damaged", "unreadable"
"""What is said of a folder that cannot speak for itself: its files make no sense, or may not be read."""
SCORES = ("acc", "nmi", "ari")
MAX_BYTES = 2**24
"""Far more than any of the files that are read."""


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What is known of a run, or of several seeds together, without loading anything.

    Attributes:
        folder: of the run.
        status: `finished`, `interrupted`, `failed`, `diverged`, `started`, `damaged` or `unreadable`.
        reason: why it has not finished, or what is wrong with the folder; "" where there is nothing to say.
        recipe: that it is based on; None: it was put together from parts.
        parts: the name of each part by kind, as `config.toml` writes it, `package:name`.
        data_path: where images of one's own were.
        seed: of the run; None for several.
        n_samples: number of images.
        n_clusters: number of clusters.
        scores: `acc`, `nmi` and `ari`, each None where it is not known.
        seconds: that the run took.
        started: when it was started, as ISO 8601 writes it.
        finished: when it ended, in whatever way.
        time: when it was last heard of, in seconds since 1970; None where not even the file system tells.
        n_bytes: the size of all files in the folder.
    """

    folder: Path
    status: str
    reason: str = ""
    recipe: str | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    data_path: str | None = None
    seed: int | None = None
    n_samples: int | None = None
    n_clusters: int | None = None
    scores: Mapping[str, float | None] = field(default_factory=dict)
    seconds: float | None = None
    started: str | None = None
    finished: str | None = None
    time: float | None = None
    n_bytes: int = 0

    @property
    def sentence(self) -> tuple[str, ...]:
        """The short names of encoder, head and augmentation, and of the start where it is not k-means."""
        kinds = [k for k in PART_KINDS if k != "dataset" and not (k == "start" and self.parts.get(k) == DEFAULT_START)]
        return tuple(PartConfig(self.parts[kind]).short for kind in kinds if kind in self.parts)

    @property
    def dataset(self) -> str | None:
        """The short name of the data set; None where it is not known."""
        return PartConfig(self.parts["dataset"]).short if "dataset" in self.parts else None


def read_overview(folder: Path) -> Overview | None:
    """Look at a folder.

    Args:
        folder: of a run, or of something else.

    Returns:
        What it says; None if it is not the folder of a run. A run that is damaged, or may not be read, is no error
        here: its status says so.

    Example:
        >>> print(read_overview(Path(".")))
        None
    """
    time = folder_time(folder)
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):  # it was removed a moment ago, or is a file
        return None
    except OSError as error:
        return Overview(folder=folder, status=UNREADABLE, reason=error.strerror or str(error), time=time)
    if CONFIG not in names:
        return None
    n_bytes = total_size(folder)
    try:
        configuration = read_toml(folder / CONFIG)
        if PROVENANCE not in names and not set(PART_KINDS) - {"start"} <= configuration.keys():
            return None  # of another program
        provenance = read_json(folder / PROVENANCE, max_bytes=MAX_BYTES) if PROVENANCE in names else {}
        return _overview(folder, configuration, provenance, time, n_bytes)
    except DecdaError as error:
        return Overview(folder=folder, status=status_of(error), reason=str(error), time=time, n_bytes=n_bytes)


def status_of(error: DecdaError) -> str:
    """What is said of a folder, a file of which cannot be used.

    Args:
        error: that came of reading the file.

    Returns:
        `unreadable` if the system refused to read it, else `damaged`.

    Example:
        >>> status_of(DataError("It is no JSON."))
        'damaged'
    """
    return UNREADABLE if isinstance(error.__cause__, PermissionError) else DAMAGED


def total_size(folder: Path | str) -> int:
    """The size of all files in a folder and below. Symbolic links are not followed.

    Args:
        folder: any.

    Returns:
        The number of bytes; what cannot be seen counts as empty.

    Example:
        >>> Path("inner").mkdir()
        >>> Path("inner/a.txt").write_text("abc")
        3
        >>> total_size(Path("."))
        3
    """
    size = 0
    with contextlib.suppress(OSError, RecursionError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                inner = entry.is_dir(follow_symlinks=False)
                size += total_size(entry.path) if inner else entry.stat(follow_symlinks=False).st_size
    return size


def folder_time(folder: Path) -> float | None:
    """When something in a folder was last made or removed.

    Args:
        folder: any.

    Returns:
        Seconds since 1970; None where the system does not tell.
    """
    try:
        return folder.stat().st_mtime
    except OSError:
        return None


def as_iso(time: float | None) -> str | None:
    """A time as ISO 8601 writes it.

    Args:
        time: in seconds since 1970; None: it is not known.

    Returns:
        The time in UTC, to the second; None where it is not known, or beyond what a calendar holds.

    Example:
        >>> as_iso(0.0), as_iso(1e300)
        ('1970-01-01T00:00:00+00:00', None)
    """
    try:
        return None if time is None else datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")
    except (OverflowError, OSError, ValueError):
        return None


def _overview(
    folder: Path, configuration: Mapping[str, Any], provenance: Mapping[str, Any], time: float | None, n_bytes: int
) -> Overview:
    status = provenance.get("status", STARTED)  # without provenance it was killed as soon as it began
    if status not in (FINISHED, INTERRUPTED, FAILED, DIVERGED, STARTED):
        raise DataError(f"{folder / PROVENANCE} is damaged: it does not say how the run ended.")
    recipe, seed, seconds = (provenance.get(name) for name in ("recipe", "seed", "seconds"))
    times = [_seconds(provenance.get(name)) for name in ("started", "finished")]
    notes = provenance.get("resumed")
    times += [_seconds(note.get("time")) for note in notes if isinstance(note, dict)] if isinstance(notes, list) else []
    return Overview(
        folder=folder,
        status=status,
        reason=_text(provenance.get("reason")) or "",
        recipe=_text(recipe),
        parts=parts_of(configuration, folder),
        data_path=_text(configuration["dataset"].get("path")),
        seed=_whole(seed if seed is not None else configuration.get("seed")),
        n_samples=_whole(provenance.get("n_samples")),
        n_clusters=_whole(configuration.get("n_clusters")),
        scores=_scores(folder) if status == FINISHED else dict.fromkeys(SCORES),
        seconds=_number(seconds.get("total")) if isinstance(seconds, dict) else None,
        started=_text(provenance.get("started")),
        finished=_text(provenance.get("finished")) if status != STARTED else None,
        time=max((known for known in times if known is not None), default=time),
        n_bytes=n_bytes,
    )


def parts_of(configuration: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """The parts that a configuration names.

    Args:
        configuration: the mapping in `config.toml`.
        folder: of the run, for errors.

    Returns:
        `package:name` by kind.

    Raises:
        DataError: it does not name them.

    Example:
        >>> tables = {kind: {"name": f"decda:{kind}"} for kind in ("dataset", "encoder", "head", "augment")}
        >>> parts_of(tables, Path("run"))["start"]
        'decda:kmeans'
    """
    parts = {}
    for kind in PART_KINDS:
        table = configuration.get(kind, {"name": DEFAULT_START} if kind == "start" else None)
        name = table.get("name") if isinstance(table, dict) else None
        if not isinstance(name, str):
            raise DataError(f"{folder / CONFIG} is damaged: it names no {kind}.")
        parts[kind] = name
    return parts


def _scores(folder: Path) -> dict[str, float | None]:
    content = read_json(folder / METRICS, max_bytes=MAX_BYTES)
    scores = {name: _number(content.get(name)) for name in SCORES}
    if any(name not in content or (scores[name] is None) != (content[name] is None) for name in SCORES):
        raise DataError(f"{folder / METRICS} is damaged: it does not hold the scores of the run.")
    return scores


def _seconds(text: object) -> float | None:
    """A time as provenance writes it, in seconds since 1970; None if it is none."""
    try:
        time = datetime.fromisoformat(text)  # type: ignore[arg-type]
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _number(value: object) -> float | None:
    """A finite number; None if it is none."""
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _whole(value: object) -> int | None:
    return value if type(value) is int else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
