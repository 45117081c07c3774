"""A head with the smallest autoencoder, and what they are tried on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from decda.core.contracts import Batch, ClusteringHead
from decda.core.random_keys import keyed_generator
from decda.testing.common import descend
from decda.testing.kit import Subject, images, require, require_tensor
from decda.testing.partners import LinearAutoencoder

N, BATCH, K, D = 30, 7, 3, 5


@dataclass
class Scene:
    """A head with a linear autoencoder, and what they are tried on.

    Attributes:
        head: its centers are placed.
        autoencoder: a linear one.
        z: embeddings of the whole set (N, D): of the batch first, then of three clouds.
        x: a batch of images (B, C, H, W).
    """

    head: ClusteringHead
    autoencoder: LinearAutoencoder
    z: Tensor
    x: Tensor

    def loss(self, target: Tensor) -> Tensor:
        """The sum of the terms for the batch."""
        return loss_of(self.head, self.autoencoder, self.x, target)

    def descend(self, steps: int = 1) -> None:
        """Refresh the target and descend on the loss."""
        for _ in range(steps):
            target = self.head.refresh(self.z)[:BATCH]
            descend([*self.autoencoder.parameters(), *self.head.parameters()], self.loss(target))


def loss_of(head: ClusteringHead, autoencoder: LinearAutoencoder, x: Tensor, target: Tensor) -> Tensor:
    """The sum of the terms of a batch x (B, C, H, W), target (B, K)."""
    return sum_of_terms(head.loss(batch_of(autoencoder, x, target)), x.dtype)


def batch_of(autoencoder: LinearAutoencoder, x: Tensor, target: Tensor, z: Tensor | None = None) -> Batch:
    """The first images x (B, C, H, W) of a set with their target (B, K), and z (B, D) unless it is given."""
    index = torch.arange(len(x), device=x.device)
    z = autoencoder.encode(x) if z is None else z
    return Batch(z=z, target=target, x=x, decode=autoencoder.decode, index=index)


def sum_of_terms(terms: object, dtype: torch.dtype = torch.float32) -> Tensor:
    """The sum of what `loss` gives, which must be finite scalar tensors of that type, by name.

    Raises:
        Breach: it is something else.
    """
    require(isinstance(terms, dict) and bool(terms), f"loss must return a dict of scalar tensors; it returns {terms!r}")
    assert isinstance(terms, dict)
    for name, term in terms.items():
        require(isinstance(name, str), f"loss must name its terms by texts; one is named {name!r}")
        require_tensor(f"the term '{name}' of loss", term, (), dtype)
    return torch.stack(list(terms.values())).sum()


def build(subject: Subject, seed: int = 0, n_clusters: int = K, embedding_dim: int = D) -> ClusteringHead:
    """The head itself."""
    head: ClusteringHead = subject.make(seed, n_clusters=n_clusters, embedding_dim=embedding_dim)
    return head


def _clouds(seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    noise = torch.randn(K + N, D, generator=keyed_generator(seed, "kit embeddings"), dtype=torch.float64)
    return (3 * noise[:K].repeat(N // K, 1) + noise[K:]).to(dtype)


def ready(
    subject: Subject, seed: int = 0, dtype: torch.dtype = torch.float32, shape: tuple[int, ...] = (1, 9, 9)
) -> Scene:
    """A head, its centers placed on a batch of images of that shape and on three clouds; all by the seed."""
    head = build(subject, seed).to(dtype).train()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        autoencoder = LinearAutoencoder(shape, D).to(dtype)
    x = images(BATCH, shape, seed=seed, dtype=dtype)
    with torch.no_grad():
        # A batch is of the set, so that its rows of the target are its own: a head may leave out what lies far away.
        z = torch.cat([autoencoder.encode(x), _clouds(seed, dtype)[BATCH:]])
    head.init_centers(z, seed)
    return Scene(head, autoencoder, z, x)
