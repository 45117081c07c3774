"""The start `ward`."""

from sklearn.cluster import AgglomerativeClustering
from torch import Tensor

from decda.plugins.starts.sampling import MaxSamples, Points, cluster_sample


def ward(z: Tensor, n_clusters: int, seed: int, *, max_samples: MaxSamples = 10_000) -> Tensor:
    """Ward's hierarchical clustering: joins those two clusters that raise the variance within them least.

    Args:
        z: embeddings (N, D).
        n_clusters: K.
        seed: of the sample; the method itself draws nothing.

    Returns:
        Labels, int64 (N,).

    Reference:
        Ward: Hierarchical grouping to optimize an objective function, JASA 1963.

    Example:
        >>> import torch
        >>> labels = ward(torch.tensor([[0.0], [0.2], [5.0], [5.1]]), 2, seed=0)
        >>> (labels[0] == labels[1]).item(), (labels[0] == labels[2]).item()
        (True, False)
    """

    def cluster(points: Points) -> Points:
        return AgglomerativeClustering(n_clusters, linkage="ward").fit_predict(points)  # type: ignore[no-any-return]

    return cluster_sample(z, n_clusters, seed, max_samples, cluster)
