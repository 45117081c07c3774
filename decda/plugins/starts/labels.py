"""The start `labels`: clusters that are known already, from a file."""

import os
from pathlib import Path
from typing import Annotated

from torch import Tensor

from decda.core.arrays import as_labels, read_label_file
from decda.core.errors import DataError

LABELS = "labels.csv"
"""The file in the folder of a run that holds its labels."""


def labels(
    z: Tensor,
    n_clusters: int,
    seed: int,
    *,
    path: Annotated[Path | None, "labels.csv of a run or of `decda combine`, or the folder of it"] = None,
) -> Tensor:
    r"""Labels from a file: those of another run, or those that several runs agree on.

    Of the embeddings only their number and device matter, and the seed does not. Any file serves that holds a label for
    each image, in the order of the images: a table with a column `label`, one label per line, or `.npy`. A column
    `index` must number the images from 0. Labels are numbered from 0 in sorted order, so that a cluster without images
    leaves no gap.

    Args:
        z: clean embeddings of the whole set (N, D), in the order of the file.
        n_clusters: K; the file may hold fewer clusters.
        seed: not used, because nothing is drawn.
        path: the file, or the folder that holds one called `labels.csv`.

    Returns:
        int64 (N,), from 0 to at most K - 1, on the device of z.

    Raises:
        ValueError: no path was given, the file is missing or damaged, it does not hold one label for each image in
            their order, or it holds more than K clusters.

    Example:
        >>> import torch
        >>> Path("labels.csv").write_text("index,name,label,confidence\n0,,2,1.0\n1,,0,0.9\n2,,2,0.8\n")
        55
        >>> labels(torch.zeros(3, 10), 2, seed=0, path=Path("labels.csv"))
        tensor([1, 0, 1])
    """
    if path is None:
        raise ValueError(
            "path must name the file of the labels, or the folder of the run or consensus that holds it; it is not set."
        )
    file = Path(os.path.expanduser(path))
    if not os.path.lexists(file):
        raise ValueError(f"path: There is no file or folder {file}.")
    if file.is_dir():
        file /= LABELS
    try:
        values = read_label_file(file, in_order=True)
        if len(values) != len(z):
            raise ValueError(
                f"path: {file} holds {len(values)} labels, and there are {len(z)} images. It must hold the labels of "
                "the very images that are clustered, in the same order."
            )
        found = as_labels(values, len(z))
    except DataError as error:
        where = "" if str(file) in str(error) else f"{file}: "
        raise ValueError(f"path: {where}{error}") from error
    used = int(found.max()) + 1
    if used > n_clusters:
        raise ValueError(
            f"path: {file} holds {used} clusters, and n_clusters is {n_clusters}. Give a file of at most {n_clusters} "
            f"clusters, or set n_clusters to {used}."
        )
    return found.to(z.device)


labels.whole_set = True  # type: ignore[attr-defined]  # the file is of one set, and cannot be tried on others
