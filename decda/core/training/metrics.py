"""How well a clustering agrees with known classes. Used for evaluation, never for training."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix


def accuracy(classes: ArrayLike, labels: ArrayLike) -> float:
    """Clustering accuracy (ACC): the share of images that the best one-to-one match of clusters and classes gets right.

    The match is found by the Hungarian algorithm. If there are more clusters than classes, or fewer, those left over
    match nothing and their images count as wrong.

    Args:
        classes: true class of each image, (N,).
        labels: cluster of each image, (N,).

    Returns:
        A share in [0, 1].

    Example:
        >>> accuracy([0, 0, 1, 1], [7, 7, 7, 3])
        0.75
    """
    table = contingency_matrix(classes, labels)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def nmi(classes: ArrayLike, labels: ArrayLike) -> float:
    """Normalised mutual information (NMI): mutual information over the arithmetic mean of the two entropies.

    The paper's figures date from 2018, when scikit-learn used the geometric mean; the third decimal may differ.

    Args:
        classes: true class of each image, (N,).
        labels: cluster of each image, (N,).

    Returns:
        A number in [0, 1].

    Example:
        >>> round(nmi([0, 0, 1, 1], [7, 7, 3, 3]), 6)
        1.0
    """
    return float(normalized_mutual_info_score(classes, labels))


def ari(classes: ArrayLike, labels: ArrayLike) -> float:
    """Adjusted Rand index (ARI): agreement on pairs of images, corrected for chance.

    Args:
        classes: true class of each image, (N,).
        labels: cluster of each image, (N,).

    Returns:
        A number of at most 1; about 0 for random labels.

    Example:
        >>> ari([0, 0, 1, 1], [7, 7, 3, 3])
        1.0
    """
    return float(adjusted_rand_score(classes, labels))


def scores(classes: ArrayLike | None, labels: ArrayLike) -> dict[str, float | None]:
    """Compute all three scores.

    Args:
        classes: true class of each image, (N,); None if unknown.
        labels: cluster of each image, (N,).

    Returns:
        `acc`, `nmi` and `ari`; each None if the classes are unknown.

    Example:
        >>> scores([0, 0, 1, 1], [7, 7, 7, 3])["acc"]
        0.75
        >>> scores(None, [7, 7, 7, 3])
        {'acc': None, 'nmi': None, 'ari': None}
    """
    if classes is None:
        return {"acc": None, "nmi": None, "ari": None}
    classes, labels = np.asarray(classes), np.asarray(labels)
    return {"acc": accuracy(classes, labels), "nmi": nmi(classes, labels), "ari": ari(classes, labels)}
