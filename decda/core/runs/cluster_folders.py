"""The images of a run in a folder for each cluster: copied, linked, or written from their pixels."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from decda.core.atomic_files import explain_output
from decda.core.errors import ConfigError, DataError
from decda.core.events import Event, ImagesRead, ignore
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.cluster_images import Missing, find_files, find_pixels, image_folder, pictures
from decda.core.runs.naming import check_out, printable
from decda.core.runs.run import Run

SCHEMA_VERSION = 1
STEP = 256
"""Images between two reports."""


@dataclass(frozen=True)
class ClusterFolders:
    """What an export came to.

    Attributes:
        run: the folder of the run.
        out: the folder that holds a folder for each cluster.
        how: whether files were copied or linked, or images written.
        sizes: number of images in each folder.
        missing: name and reason of each image that is not there.
    """

    run: Path
    out: Path
    how: Literal["copy", "link", "write"]
    sizes: Sequence[int]
    missing: Sequence[tuple[str, str]]

    def as_mapping(self) -> dict[str, Any]:
        """What `decda export --format clusters --json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "format": "clusters",
            "run": str(self.run),
            "out": str(self.out),
            "how": self.how,
            "n_samples": sum(self.sizes),
            "n_clusters": len(self.sizes),
            "sizes": list(self.sizes),
            "missing": [list(pair) for pair in self.missing],
        }


def export_clusters(
    run: Run,
    registry: Registry,
    files: Files,
    out: Path,
    *,
    link: bool = False,
    images: Path | None = None,
    notify: Callable[[Event], None] = ignore,
) -> ClusterFolders:
    """Make a folder with a folder for each cluster, and put the images of a run into them.

    The files of a run on a folder keep their names and subfolders. Images that are no files become PNG files, named by
    their index. The folder appears when it is complete; if something stops it, nothing is left.

    Args:
        run: a finished run.
        registry: where its data set is, if its images are no files.
        files: where the data of that is.
        out: the folder; must not exist.
        link: make symbolic links and no copies.
        images: where the images are now: the folder or, if they are no files, an array in a file. None: where they
            were when the run was made.
        notify: gets `ImagesRead` events.

    Returns:
        How many images each folder holds, and which are missing.

    Raises:
        ConfigError: the folder exists, or nothing can be linked.
        DataError: the images are not where they were, or are none that can be shown.
        OutputError: the disk is full, or refuses otherwise.
    """
    check_out(out)
    folder = image_folder(run, images)
    n_clusters = run.config.known_clusters
    if folder is not None:
        how: Literal["copy", "link", "write"] = "link" if link else "copy"
        entries = find_files(run, folder, link)
    elif link:
        raise ConfigError("There is nothing to link: the images of this run are no files. They can only be written.")
    else:
        how, entries = "write", pictures(run, find_pixels(run, registry, files, images))
    with _new_folder(out) as partial:
        places = [partial / cluster_name(cluster, n_clusters) for cluster in range(n_clusters)]
        for place in places:
            place.mkdir()
        sizes, missing = [0] * n_clusters, list[tuple[str, str]]()
        for index, (name, put) in enumerate(entries):
            cluster = int(run.labels[index])
            try:
                with explain_output(out):
                    target = places[cluster] / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    put(target)
                sizes[cluster] += 1
            except Missing as error:
                missing.append((name, str(error)))
            if (index + 1) % STEP == 0 or index + 1 == len(run.labels):
                notify(ImagesRead(index + 1, len(run.labels)))
        if missing and not any(sizes):
            raise DataError(
                f"None of the {len(missing)} images of the run is in {folder}; {printable(missing[0][0])}: "
                f"{missing[0][1]}. If the folder was moved, say where the images are now.",
                parameter="images",
            )
    return ClusterFolders(run.folder, out, how, sizes, missing)


def cluster_name(cluster: int, n_clusters: int) -> str:
    """The name of the folder of a cluster.

    Args:
        cluster: its number, from 0.
        n_clusters: how many there are.

    Returns:
        A name that sorts by number.

    Example:
        >>> cluster_name(3, 10), cluster_name(3, 120)
        ('cluster-03', 'cluster-003')
    """
    return f"cluster-{cluster:0{max(2, len(str(n_clusters - 1)))}}"


@contextlib.contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A new folder that gets its name only if everything in the `with` block succeeds; else nothing is left of it."""
    partial = out.with_name(f".{out.name[:100]}.{secrets.token_hex(4)}.partial")
    with explain_output(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
    try:
        yield partial
        with explain_output(out):
            if os.path.lexists(out):
                raise ConfigError(
                    f"{printable(out)} exists now: another program has made it meanwhile. It was left as it is.",
                    parameter="out",
                )
            os.rename(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
