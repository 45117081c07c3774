"""What users of scikit-learn hand over (tables, images, paths) as `decda` takes it, checked as scikit-learn does."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.metrics import silhouette_score
from sklearn.utils.validation import validate_data
from torch import Tensor

from decda.core.arrays.values import as_numbers
from decda.core.errors import DataError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.new_images import open_source
from decda.core.runs.run import Run


def checked_array(estimator: Any, X: Any, *, reset: bool, images: bool) -> Any:
    """What scikit-learn finds nothing wrong with; sets or compares number and names of the features.

    Args:
        estimator: whose features they are.
        X: array, tensor, data frame or nested lists: rows (N, D), or images of three or four dimensions; or a path.
        reset: True in `fit`.
        images: whether images may come; else an array of more than two dimensions is refused.

    Returns:
        The same numbers, with a `shape`; rows as a NumPy array; a path as it is.

    Raises:
        ValueError: rows or their features do not fit, hold NaN, ...
        TypeError: X is sparse, or holds what is no number.
        DataError: X is no array.
    """
    path = is_path(X)
    if not path and not issparse(X) and (isinstance(X, Tensor) or not hasattr(X, "shape")):
        X = as_numbers(X)
    if path or (images and len(X.shape) > 2):
        if reset and hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_  # of an earlier fit
        return X
    return validate_data(estimator, X, reset=reset, dtype="numeric", ensure_min_samples=2 if reset else 1)


def silhouette(rows: NDArray[Any], labels: NDArray[np.int64], *, standardise: bool) -> float:
    """How much closer rows lie to their own cluster than to the next one.

    Args:
        rows: (N, D).
        labels: (N,).
        standardise: divide each column by its standard deviation, as columns of a table have units of their own.

    Returns:
        In [-1, 1]; -1 where fewer than two clusters are used, 0 where no two rows share one.

    Example:
        >>> silhouette(np.array([[0.0], [0.1], [5.0], [5.1]]), np.array([0, 0, 1, 1]), standardise=False) > 0.9
        True
    """
    used = len(np.unique(labels))
    if used < 2:
        return -1.0
    if used == len(rows):
        return 0.0
    rows = rows.reshape(len(rows), -1).astype(np.float64)
    if standardise:
        spread = rows.std(0)
        rows = rows / np.where(spread > 0, spread, 1)
    return float(silhouette_score(rows, labels))


def drawn(n: int, limit: int) -> NDArray[np.int64]:
    """Positions of some rows, the same every time.

    Args:
        n: how many rows there are.
        limit: how many are drawn at most.

    Returns:
        Positions in ascending order, int64 (min(n, limit),).

    Example:
        >>> drawn(3, 10)
        array([0, 1, 2])
    """
    return np.arange(n) if n <= limit else np.sort(np.random.RandomState(0).choice(n, limit, replace=False))


def drawn_from_path(run: Run, path: Path, limit: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Some images from a path, as the model sees them, and their clusters.

    Args:
        run: with the model.
        path: of a folder of images, or of an array file.
        limit: how many are drawn at most.

    Returns:
        Rows (n, C * H * W), and the cluster of each (n,).

    Raises:
        DecdaError: nothing that can be read is there, or it does not fit the model.
    """
    source = open_source(run, path, Registry.discover(), Files())
    read = [source.read(position, position + 1) for position in drawn(source.shape[0], limit).tolist()]
    good = [x for x, failed in read if not failed]
    if not good:
        raise DataError(f"None of the images of {path} that were looked at can be read.")
    x = torch.cat(good)
    labels: NDArray[np.int64] = run.apply(run.model.soft_assign, x).argmax(1)
    return x.flatten(1).numpy(), labels


def is_path(X: Any) -> bool:
    """Whether data are meant by a path or a name.

    Args:
        X: what the user hands over.
    """
    return isinstance(X, str | Path)
