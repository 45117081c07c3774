"""Embeddings in the plane, for the eye: by principal components, and by t-SNE of a sample."""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from decda.core.report.facts import Map

SHOWN = 2000
"""Most images on a map: what a page can hold, and t-SNE lay out within seconds."""
LEAST = 5
"""Images of each cluster that are shown at least, if it has so many."""
PERPLEXITY = 30.0
MAX_ITER, ANGLE = 500, 0.8
"""Of t-SNE. With scikit-learn's own, 1,000 and 0.5, a map takes more than twice as long and is as faithful: on `digits`
the trustworthiness of ten neighbours is .995 with either."""
Points = NDArray[np.float32]


def draw_sample(labels: NDArray[np.int64], n_clusters: int, shown: int, seed: int = 0) -> NDArray[np.int64]:
    """Which images a map shows: of each cluster a share, and of small ones a few.

    Args:
        labels: cluster of each image (N,).
        n_clusters: K.
        shown: most images, about.
        seed: of the draw. Not that of the run, so that runs on the same images are drawn alike as far as may be.

    Returns:
        Their positions, ascending.

    Example:
        >>> draw_sample(np.array([0] * 90 + [1] * 10), 2, shown=20).shape
        (23,)
    """
    n = len(labels)
    if n <= shown:
        return np.arange(n)
    generator = np.random.default_rng(seed)
    drawn = []
    for cluster in range(n_clusters):
        members = np.flatnonzero(labels == cluster)
        wanted = min(max(round(shown * len(members) / n), LEAST), len(members))
        drawn.append(generator.choice(members, wanted, replace=False))
    return np.sort(np.concatenate(drawn)).astype(np.int64)


def lay_out(z: Points, seed: int = 0) -> list[Map]:
    """Lay embeddings out in the plane.

    Args:
        z: embeddings (M, D), finite.
        seed: of t-SNE.

    Returns:
        By principal components; and by t-SNE, if there are enough different ones.

    Reference:
        van der Maaten, Hinton: Visualizing Data using t-SNE, JMLR 2008.
    """
    centered = z.astype(np.float64) - z.mean(0, dtype=np.float64)
    largest = np.abs(centered).max(initial=0.0)
    if largest > 0:  # squares of very large numbers overflow
        centered /= largest
    with threadpool_limits(limits=torch.get_num_threads()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # embeddings without variance
        flat = np.zeros((len(z), 2))
        n_components = min(2, *centered.shape)
        if largest > 0:
            flat[:, :n_components] = PCA(n_components, random_state=seed).fit_transform(centered)
        maps = [Map("principal components (PCA)", flat)]
        # Of embeddings that are all alike, scikit-learn's layout ends the process.
        if len(np.unique(centered.round(9), axis=0)) > 10:
            layout = TSNE(
                2, perplexity=min(PERPLEXITY, (len(z) - 1) / 3), init="pca" if z.shape[1] > 1 else "random",
                random_state=seed, n_jobs=1, max_iter=MAX_ITER, angle=ANGLE,
            )  # fmt: skip
            maps.append(Map("t-SNE", layout.fit_transform(centered.astype(np.float32)).astype(np.float64)))
    return maps
