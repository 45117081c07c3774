"""The start `invariant`."""

from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor

from decda.core.contracts import Views
from decda.core.functional import squared_distances
from decda.plugins.starts.in_map import kmeans_in_map
from decda.plugins.starts.sampling import MaxSamples, Points, draw_sample, spread_labels


def invariant(
    z: Tensor,
    n_clusters: int,
    seed: int,
    views: Views,
    *,
    n_views: Annotated[int, "augmented copies of each image, at least 1"] = 16,
    n_layouts: Annotated[int, "maps, of which the one counts whose clusters the others share most"] = 5,
    perplexity: Annotated[float, "neighbours that count, about; at most a third of the embeddings"] = 15.0,
    max_samples: MaxSamples = 5_000,
) -> Tensor:
    """K-means in t-SNE maps of distances that ignore what augmentation changes: for small sets; no further package.

    The distance of two images is the least one between the embedding of one, as it is, and any augmented copy of the
    other, so that two images which differ by a small shift are as near as their best match. A map in
    three or so tears a cluster apart; of several, each from another random layout, the one is taken whose clusters
    share most mutual information with those of the others.

    Args:
        z: embeddings (N, D).
        n_clusters: K.
        seed: of the sample and of k-means.
        views: embeds the copies.

    Returns:
        Labels, int64 (N,).

    Raises:
        ValueError: a parameter is out of range.

    Reference:
        Least distances over transformations: Simard, LeCun, Denker: Efficient pattern recognition using a new
        transformation distance, NIPS 1992; the map: van der Maaten, Hinton: Visualizing data using t-SNE, JMLR 2008.

    Example:
        >>> z = torch.cat([torch.zeros(20, 2), torch.ones(20, 2)]) + 0.01 * torch.arange(40.0).unsqueeze(1)
        >>> labels = invariant(z, 2, 0, lambda n: (z + 0.01 * number for number in range(n)))
        >>> len(labels[:20].unique()), len(labels.unique())
        (1, 2)
    """
    if n_views < 1 or n_layouts < 1:
        raise ValueError(f"n_views {n_views} and n_layouts {n_layouts} must be at least 1")
    if perplexity <= 0:
        raise ValueError(f"perplexity must be above 0, it is {perplexity}")
    chosen = draw_sample(len(z), n_clusters, seed, max_samples)

    def cluster(points: Points) -> NDArray[np.int64]:
        if len(np.unique(points, axis=0)) < 4:  # as in the start tsne
            return kmeans_in_map(points, n_clusters, seed)
        near = _least_distances(z[chosen], [view[chosen] for view in views(n_views)])
        nearest = min(perplexity, (len(points) - 1) / 3)
        maps = [
            TSNE(
                2, perplexity=nearest, metric="precomputed", init="random", random_state=(seed + number) % 2**32,
                n_jobs=1,
            ).fit_transform(near)
            for number in range(n_layouts)
        ]  # fmt: skip
        return most_shared([kmeans_in_map(positions, n_clusters, seed) for positions in maps])

    return spread_labels(z, chosen, cluster)


def _least_distances(z: Tensor, views: list[Tensor]) -> Points:
    """The least distance of each two images, one as it is, the other augmented or not, (N, N)."""
    points = z.detach().cpu()
    least = squared_distances(points, points)
    for view in views:
        least = torch.minimum(least, squared_distances(view.detach().cpu(), points))
    least = torch.minimum(least, least.T).sqrt().fill_diagonal_(0)
    distances: Points = least.numpy()
    return distances


def most_shared(labelings: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Of several clusterings, the one that shares most mutual information with the others; the first, if several do.

    Args:
        labelings: labels (N,) of each.

    Returns:
        Labels (N,).

    Example:
        >>> a, b = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
        >>> most_shared([b, a, a]).tolist()
        [0, 0, 1, 1]
    """
    shared = [
        sum(normalized_mutual_info_score(one, other) for place, other in enumerate(labelings) if place != number)
        for number, one in enumerate(labelings)
    ]
    return labelings[int(np.argmax(np.round(shared, 9)))]
