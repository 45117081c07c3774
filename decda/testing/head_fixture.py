"""What heads are tried on: a linear autoencoder, a batch of images, and embeddings of a whole set."""

from dataclasses import dataclass

import torch
from torch import Tensor

from decda.core.contracts import Batch, ClusteringHead
from decda.core.random_keys import keyed_generator
from decda.core.training.starting import by_kmeans, place_centers
from decda.testing.assertions import require_tensor
from decda.testing.inputs import images
from decda.testing.partners import LinearAutoencoder
from decda.testing.rules import Subject, require
from decda.testing.training import take_gradient_step

N, BATCH, K, D = 30, 7, 3, 5
"""Size of the set, size of a batch, number of clusters, dimension of the embedding."""


@dataclass
class HeadFixture:
    """A head with its centers placed, and everything it is tried on.

    Attributes:
        head: the head under test.
        autoencoder: a linear autoencoder.
        z: embeddings of the whole set (N, D): first those of the batch, then points from K Gaussian clusters.
        x: a batch of images (B, C, H, W).
    """

    head: ClusteringHead
    autoencoder: LinearAutoencoder
    z: Tensor
    x: Tensor

    def loss(self, target: Tensor) -> Tensor:
        """Compute the loss of the batch.

        Args:
            target: targets of the batch (B, K).

        Returns:
            The sum of all terms, a scalar.
        """
        return loss_of(self.head, self.autoencoder, self.x, target)

    def train(self, steps: int = 1) -> None:
        """Alternate between refreshing the target and descending on the loss.

        Args:
            steps: number of refreshes and gradient steps.
        """
        for _ in range(steps):
            target = self.head.refresh(self.z)[:BATCH]
            take_gradient_step([*self.autoencoder.parameters(), *self.head.parameters()], self.loss(target))


def build(subject: Subject, seed: int = 0, n_clusters: int = K, embedding_dim: int = D) -> ClusteringHead:
    """Build the head under test.

    Args:
        subject: the part under test.
        seed: seed of the initial weights.
        n_clusters: number of clusters.
        embedding_dim: dimension of the embedding.

    Returns:
        The head, without placed centers.
    """
    head: ClusteringHead = subject.make(seed, n_clusters=n_clusters, embedding_dim=embedding_dim)
    return head


def make_fixture(
    subject: Subject, seed: int = 0, dtype: torch.dtype = torch.float32, shape: tuple[int, ...] = (1, 9, 9)
) -> HeadFixture:
    """Build the head under test and place its centers.

    Args:
        subject: the part under test.
        seed: seed of weights, images, embeddings and centers.
        dtype: dtype of the same.
        shape: shape of an image (C, H, W).

    Returns:
        The head in training mode, with what it is tried on.
    """
    head = build(subject, seed).to(dtype).train()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        autoencoder = LinearAutoencoder(shape, D).to(dtype)
    x = images(BATCH, shape, seed=seed, dtype=dtype)
    with torch.no_grad():
        # The batch belongs to the set, so that its targets are its own: a head may ignore embeddings that lie far away.
        z = torch.cat([autoencoder.encode(x), _clustered_points(seed, dtype)[BATCH:]])
    place(head, z, seed)
    return HeadFixture(head, autoencoder, z, x)


def place(head: ClusteringHead, z: Tensor, seed: int) -> None:
    """Have a head place its centers, by the labels of k-means, as the trainer does.

    Args:
        head: the head under test.
        z: embeddings of the whole set (N, D).
        seed: of k-means.
    """
    place_centers(head, z, by_kmeans, seed)


def batch_of(autoencoder: LinearAutoencoder, x: Tensor, target: Tensor, z: Tensor | None = None) -> Batch:
    """Make the batch that holds the first images of a set.

    Args:
        autoencoder: embeds and reconstructs the images.
        x: images (B, C, H, W).
        target: their targets (B, K).
        z: their embeddings (B, D); None computes them.

    Returns:
        The batch, with indices 0 to B - 1.
    """
    index = torch.arange(len(x), device=x.device)
    z = autoencoder.encode(x) if z is None else z
    return Batch(z=z, target=target, x=x, decode=autoencoder.decode, index=index)


def loss_of(head: ClusteringHead, autoencoder: LinearAutoencoder, x: Tensor, target: Tensor) -> Tensor:
    """Compute the loss of a batch.

    Args:
        head: computes the terms.
        autoencoder: embeds and reconstructs the images.
        x: images (B, C, H, W).
        target: their targets (B, K).

    Returns:
        The sum of all terms, a scalar.

    Raises:
        Violation: the head returned something other than scalar terms.
    """
    return sum_of_terms(head.loss(batch_of(autoencoder, x, target)), x.dtype)


def sum_of_terms(terms: object, dtype: torch.dtype = torch.float32) -> Tensor:
    """Check what `loss` returned, and add up its terms.

    Args:
        terms: should be a dict of finite scalar tensors by name.
        dtype: dtype that the terms must have.

    Returns:
        The sum, a scalar.

    Raises:
        Violation: `terms` is something else.
    """
    require(isinstance(terms, dict) and bool(terms), f"loss must return a dict of scalar tensors; it returns {terms!r}")
    assert isinstance(terms, dict)
    for name, term in terms.items():
        require(isinstance(name, str), f"loss must name its terms by strings; one is named {name!r}")
        require_tensor(f"the term '{name}' of loss", term, (), dtype)
    return torch.stack(list(terms.values())).sum()


def _clustered_points(seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    noise = torch.randn(K + N, D, generator=keyed_generator(seed, "kit embeddings"), dtype=torch.float64)
    return (3 * noise[:K].repeat(N // K, 1) + noise[K:]).to(dtype)
