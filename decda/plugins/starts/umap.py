"""The start `umap`."""

import warnings
from typing import Annotated, Any

import numpy as np
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from decda.core.errors import ConfigError
from decda.plugins.starts.in_map import kmeans_in_map
from decda.plugins.starts.sampling import MaxSamples, Points, cluster_sample


def umap(
    z: Tensor,
    n_clusters: int,
    seed: int,
    *,
    n_neighbors: Annotated[int, "neighbours in the graph, at least 2; fewer than the embeddings"] = 20,
    n_components: Annotated[int, "dimensions of the map"] = 10,
    n_epochs: Annotated[int, "epochs of the layout, at least 1"] = 200,
    max_samples: MaxSamples = 100_000,
) -> Tensor:
    """K-means in a UMAP map of the embedding: robust and fast for many images; needs the extra `umap`.

    The seed makes it repeatable, for which umap-learn computes on one thread; without one it would use all.

    Args:
        z: embeddings (N, D).
        n_clusters: K.
        seed: of the sample, the map and k-means.

    Returns:
        Labels, int64 (N,).

    Raises:
        ConfigError: umap-learn is not installed.
        ValueError: a parameter is out of range.

    Reference:
        McInnes, Healy, Melville: UMAP, arXiv 1802.03426; before clustering, with min_dist 0: McConville, Santos-
        Rodriguez, Piechocki, Craddock: N2D, ICPR 2020.
    """
    if n_neighbors < 2:
        raise ValueError(f"n_neighbors must be at least 2, it is {n_neighbors}")
    if n_components < 1:
        raise ValueError(f"n_components must be at least 1, it is {n_components}")
    if n_epochs < 1:
        raise ValueError(f"n_epochs must be at least 1, it is {n_epochs}")
    UMAP = _import()

    def cluster(points: Points) -> Points:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of umap-learn and scikit-learn: isolated points, spectra
            if len(points) < n_components + 2:  # its graph would have fewer points than dimensions
                return kmeans_in_map(points, n_clusters, seed)
            nearest = min(n_neighbors, len(points) - 1)
            # Exact neighbours, by a tree: for a few dimensions that is faster than to compile the search of umap-learn.
            distances, index = NearestNeighbors(n_neighbors=nearest, n_jobs=1).fit(points).kneighbors(points)
            layout = UMAP(
                n_neighbors=nearest, min_dist=0.0, n_components=n_components, n_epochs=n_epochs,
                random_state=seed % 2**32, n_jobs=1, precomputed_knn=(index, distances.astype(np.float32)),
            )  # fmt: skip
            positions = layout.fit_transform(points)
            return kmeans_in_map(positions, n_clusters, seed)

    return cluster_sample(z, n_clusters, seed, max_samples, cluster)


def _import() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it mentions TensorFlow
            from umap import UMAP
    except ImportError as error:
        raise ConfigError(
            "The start umap needs umap-learn, which is not installed. Install it: python -m pip install umap-learn "
            "(or decda with the extra umap). The start tsne needs no further package."
        ) from error
    return UMAP
