"""DEC of ClustPy with augmentation, whole runs that are watched; for `time_to_accuracy.py`. Installed as for `peers.py`.

ClustPy has no hook, so the class of its clustering module is replaced by one that has labels looked at before the first
epoch of clustering and after each; nothing else about it changes, and looking draws no random numbers.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import torch
from numpy.typing import ArrayLike
from peers import Batches, as_it_is, import_torchvision
from torch import Tensor

Look = Callable[[Callable[[], ArrayLike]], None]
"""Takes a function that makes labels, and scores them, both while the clock stands still."""
BATCH = 256
BEST: dict[str, Any] = {
    "pretrain_epochs": 500,
    "pretrain_optimizer_params": {"lr": 1e-3, "fused": True},
    "clustering_optimizer_params": {"lr": 1e-4, "fused": True},
    "initial_clustering_params": {"n_init": 20},
}
"""Adam and its two rates are ClustPy's defaults; fused, it is faster. The others are the paper's."""


def import_clustpy() -> None:
    """Import ClustPy, with torchvision however that was built."""
    import_torchvision()
    import_module("clustpy.deep")


def fit_documented(x: Tensor, n_clusters: int, seed: int, look: Look, **short: int) -> None:
    """Cluster by the loaders that ClustPy provides for augmentation, everything else by default.

    Args:
        x: images (N, 1, H, W), float32 in [0, 1].
        n_clusters: K.
        seed: of ClustPy.
        look: gets the labels of each epoch, and those at the end.
        **short: fewer epochs than by default.
    """
    from clustpy.deep import get_default_augmented_dataloaders

    loaders = get_default_augmented_dataloaders(x.clone())  # it divides the images in place
    _fit(x, n_clusters, seed, look, loaders, short)


def fit_best(x: Tensor, n_clusters: int, seed: int, look: Look, **short: int) -> None:
    """Cluster with settings that suit ClustPy best: batches augmented as a whole, by decda, and as many epochs as the paper.

    Args:
        x: images (N, 1, H, W), float32 in [0, 1].
        n_clusters: K.
        seed: of ClustPy and of the augmentation.
        look: gets the labels of each epoch, and those at the end.
        **short: fewer epochs than the paper.
    """
    from clustpy.deep import get_dataloader

    flat, warp = x.flatten(1), warp_batch(tuple(x.shape[1:]), seed)
    augmented = get_dataloader(
        flat, BATCH, shuffle=True,
        dataset_class=Batches, ds_kwargs={"augment": warp}, dl_kwargs={"collate_fn": as_it_is},
    )  # fmt: skip
    _fit(x, n_clusters, seed, look, (augmented, get_dataloader(flat, BATCH, shuffle=False)), {**BEST, **short})


def warp_batch(shape: tuple[int, ...], seed: int) -> Callable[[Tensor], Tensor]:
    """Make decda's `affine` with its default settings, for flat images.

    Args:
        shape: (C, H, W).
        seed: of the draws.

    Returns:
        A function of a batch of flat images (B, C * H * W).
    """
    from decda.plugins.augmentations.affine import RandomAffine

    affine, generator = RandomAffine(), torch.Generator().manual_seed(seed)

    def warp(x: Tensor) -> Tensor:
        return affine.apply(x.view(-1, *shape), affine.sample(len(x), generator)).flatten(1)

    return warp


class Passes:
    """A data loader that calls a function after each pass over it, which is after the last step of an epoch."""

    def __init__(self, loader: Any, after: Callable[[], None]):
        self.loader = loader
        self.after = after

    def __iter__(self) -> Iterator[Any]:
        yield from self.loader
        self.after()


def _fit(x: Tensor, n_clusters: int, seed: int, look: Look, loaders: tuple[Any, Any], settings: dict[str, Any]) -> None:
    from clustpy.deep import DEC, dec, predict_batchwise

    class Watched(dec._DEC_Module):  # type: ignore[misc]
        def fit(self, network: Any, loader: Any, *args: Any) -> Any:
            def labels() -> ArrayLike:
                with torch.no_grad(), torch.random.fork_rng([]):  # a data loader draws a seed
                    predicted: ArrayLike = predict_batchwise(loaders[1], network, self)
                return predicted

            look(labels)
            return super().fit(network, Passes(loader, lambda: look(labels)), *args)

    dec._DEC_Module = Watched
    model = DEC(
        n_clusters, augmentation_invariance=True, custom_dataloaders=loaders, random_state=seed, device="cpu", **settings
    )
    model.fit(x.flatten(1).numpy())
    look(lambda: model.labels_)
