"""The true classes of images that runs were trained on, for scores: fetched where they can be had."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from decda.core.config.composition import compose
from decda.core.config.run_config import PART_KINDS
from decda.core.consensus.voters import Voter
from decda.core.contracts import ImageSource
from decda.core.errors import DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.images import load_images, open_images


def read_classes(voter: Voter, registry: Registry, files: Files) -> NDArray[np.int64] | None:
    """The classes of the images that a run was trained on.

    Args:
        voter: the run.
        registry: where its data set is; its other parts are not needed.
        files: where the data is.

    Returns:
        int64 (N,), None if the run knew no classes.

    Raises:
        DecdaError: the data set is not installed, its files are missing, or it holds other classes now.
    """
    digest = voter.provenance.get("classes_sha256")
    if digest is None:
        return None
    others = tuple(kind for kind in PART_KINDS if kind != "dataset")
    config = compose(registry, config=voter.configuration, provenance=voter.provenance, unresolved=others)
    opened = open_images(config.dataset, registry, files, seed=config.seed)
    # Of a source, the classes are known before any image is read; what cannot be read would be left out, though.
    whole = isinstance(opened, ImageSource) and opened.shape[0] == len(voter.labels)
    y = opened.y if whole else load_images(config, registry, files, opened).y
    classes = None if y is None else y.numpy()
    if classes is None or hashlib.sha256(classes.tobytes()).hexdigest() != digest:
        raise DataError(f"The data set '{config.dataset.short}' no longer holds the classes that the runs knew.")
    return classes
