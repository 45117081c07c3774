"""The start `gmm`."""

import warnings
from typing import Annotated, Literal

from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from decda.plugins.starts.sampling import MaxSamples, Points, cluster_sample


def gmm(
    z: Tensor,
    n_clusters: int,
    seed: int,
    *,
    covariance: Annotated[Literal["full", "tied", "diag", "spherical"], "shape of the Gaussians"] = "full",
    n_init: Annotated[int, "restarts, of which the likeliest counts"] = 3,
    max_samples: MaxSamples = 100_000,
) -> Tensor:
    """A mixture of Gaussians on the embedding: clusters may be stretched, each in its own direction.

    Args:
        z: embeddings (N, D).
        n_clusters: K.
        seed: of the sample and the restarts.

    Returns:
        Labels, int64 (N,).

    Raises:
        ValueError: n_init is below 1.

    Example:
        >>> import torch
        >>> labels = gmm(torch.tensor([[0.0], [0.2], [5.0], [5.1]]), 2, seed=0)
        >>> (labels[0] == labels[1]).item(), (labels[0] == labels[2]).item()
        (True, False)
    """
    if n_init < 1:
        raise ValueError(f"n_init must be at least 1, it is {n_init}")

    def cluster(points: Points) -> Points:
        # A part of the variance is added to each Gaussian, so that embeddings of any scale have a density.
        regularisation = max(1e-4 * float(points.var(0).mean()), 1e-12)
        mixture = GaussianMixture(
            n_clusters, covariance_type=covariance, n_init=n_init, reg_covar=regularisation, random_state=seed % 2**32
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return mixture.fit_predict(points.astype("float64"))  # type: ignore[no-any-return]

    return cluster_sample(z, n_clusters, seed, max_samples, cluster)
