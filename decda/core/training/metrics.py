"""How well a clustering agrees with known classes. Used to measure, never to train."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix


def accuracy(classes: ArrayLike, labels: ArrayLike) -> float:
    """Clustering accuracy (ACC): the share of images explained by the best one-to-one match of clusters and classes.

    The match is found by the Hungarian method. Where there are more clusters than classes (or fewer), those left over
    match nothing and count as wrong.

    Args:
        classes: (N,), true classes.
        labels: (N,), cluster of each image.

    Returns:
        A share in [0, 1].
    """
    table = contingency_matrix(classes, labels)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def nmi(classes: ArrayLike, labels: ArrayLike) -> float:
    """Normalised mutual information, by the arithmetic mean of the two entropies, in [0, 1].

    The paper's figures are of 2018, when scikit-learn took the geometric mean: the third decimal may differ.
    """
    return float(normalized_mutual_info_score(classes, labels))


def ari(classes: ArrayLike, labels: ArrayLike) -> float:
    """Adjusted Rand index, at most 1, about 0 for labels drawn at random."""
    return float(adjusted_rand_score(classes, labels))


def scores(classes: ArrayLike | None, labels: ArrayLike) -> dict[str, float | None]:
    """`{"acc": ..., "nmi": ..., "ari": ...}`, each None where there are no classes."""
    if classes is None:
        return {"acc": None, "nmi": None, "ari": None}
    classes, labels = np.asarray(classes), np.asarray(labels)
    return {"acc": accuracy(classes, labels), "nmi": nmi(classes, labels), "ari": ari(classes, labels)}
