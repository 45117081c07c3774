"""Programs that cluster images from beginning to end, while somebody looks at their labels; for `time_to_accuracy.py`.

ClustPy (installed as `peers.py` says) has no hook, so the class of its clustering module is replaced by one that has
labels looked at before the first epoch of clustering and after each. Nothing else about it changes, and looking draws
no random numbers.
"""

import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike
from peers import Batches, as_it_is, import_torchvision
from torch import Tensor

Look = Callable[[Callable[[], ArrayLike]], None]
"""Takes a function that makes labels, and scores them, both while the clock stands still."""
Compete = Callable[[Tensor, int, Look], None]
"""Takes images (N, 1, H, W) and the number of clusters, and has labels looked at."""
BATCH = 256
BEST: dict[str, Any] = {
    "pretrain_epochs": 500,
    "pretrain_optimizer_params": {"lr": 1e-3, "fused": True},
    "clustering_optimizer_params": {"lr": 1e-4, "fused": True},
    "initial_clustering_params": {"n_init": 20},
}
"""Adam and its two rates are ClustPy's defaults; fused, it is faster. The others are the paper's."""


@dataclass(frozen=True)
class Contestant:
    """Who takes part.

    Attributes:
        get_ready: imports what it needs, and returns the function that is timed.
        packages: modules that must be installed.
    """

    get_ready: Callable[[Namespace], Compete]
    packages: tuple[str, ...] = ()


def decda(recipe: str) -> Callable[[Namespace], Compete]:
    """A recipe of decda.

    Args:
        recipe: its name.

    Returns:
        As `Contestant.get_ready`.
    """

    def get_ready(args: Namespace) -> Compete:
        import decda
        from decda.core.config.composition import compose
        from decda.core.config.image_facts import ImageFacts
        from decda.core.events import Event, Refreshed
        from decda.core.parts.registry import Registry
        from decda.core.runs import experiment  # noqa: F401

        registry = Registry.discover()
        facts = ImageFacts(1000, (1, 16, 16))
        composed = compose(registry, recipe=recipe, parts={"dataset": "digits"}, look=lambda dataset: facts)
        if composed.start.short == "umap":  # the parts themselves have been imported by now
            import_umap()
        short = {"pretrain_epochs": 1, "max_iter": 4} if args.quick else None

        def compete(x: Tensor, n_clusters: int, look: Look) -> None:
            def listen(event: Event) -> None:
                if isinstance(event, Refreshed):
                    look(event.labels.cpu().numpy)

            run = decda.train(
                x, n_clusters=n_clusters, recipe=recipe, train=short, seed=args.seed, device="cpu", registry=registry,
                out=Path(args.folder) / "run", threads=args.threads[0], progress=False, notify=listen,
            )  # fmt: skip
            look(lambda: run.labels)

        return compete

    return get_ready


def tsne(args: Namespace) -> Compete:
    """K-means in a t-SNE map of the pixels, both by scikit-learn.

    Args:
        args: the options.

    Returns:
        What is timed.
    """
    from sklearn.manifold import TSNE

    return in_map(lambda: TSNE(random_state=args.seed, n_jobs=args.threads[0]), args.seed)


def umap(args: Namespace) -> Compete:
    """K-means in a UMAP map of the pixels, by umap-learn with the settings of decda's start `umap`.

    Args:
        args: the options.

    Returns:
        What is timed.
    """
    UMAP = import_umap()
    threads = args.threads[0]
    seed = args.seed if threads == 1 else None
    return in_map(
        lambda: UMAP(20, n_components=10, n_epochs=200, min_dist=0.0, random_state=seed, n_jobs=threads), args.seed
    )


def in_map(make: Callable[[], Any], seed: int) -> Compete:
    """K-means in a map.

    Args:
        make: makes what makes the map.
        seed: of k-means.

    Returns:
        What is timed.
    """
    from sklearn.cluster import KMeans

    def compete(x: Tensor, n_clusters: int, look: Look) -> None:
        positions = make().fit_transform(x.flatten(1).numpy())
        labels = KMeans(n_clusters, n_init=20, random_state=seed).fit(positions).labels_
        look(lambda: labels)

    return compete


def import_umap() -> Any:
    """Import umap-learn.

    Returns:
        Its class.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it mentions TensorFlow
        from umap import UMAP
    return UMAP


def clustpy(fit: Callable[..., None]) -> Callable[[Namespace], Compete]:
    """DEC of ClustPy.

    Args:
        fit: from `peers_clustering`.

    Returns:
        As `Contestant.get_ready`.
    """

    def get_ready(args: Namespace) -> Compete:
        import_clustpy()
        short = {"pretrain_epochs": 1, "clustering_epochs": 2} if args.quick else {}
        return lambda x, n_clusters, look: fit(x, n_clusters, args.seed, look, **short)

    return get_ready


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
    """Cluster with settings that suit ClustPy best: whole batches augmented by decda, and the paper's number of epochs.

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
        n_clusters,
        augmentation_invariance=True,
        custom_dataloaders=loaders,
        random_state=seed,
        device="cpu",
        **settings,
    )
    model.fit(x.flatten(1).numpy())
    look(lambda: model.labels_)


CONTESTANTS = {
    "conv-fast": Contestant(decda("conv-fast"), ("umap",)),
    "convdec-da": Contestant(decda("convdec-da")),
    "clustpy": Contestant(clustpy(fit_documented), ("clustpy", "torchvision")),
    "clustpy-best": Contestant(clustpy(fit_best), ("clustpy", "torchvision")),
    "tsne": Contestant(tsne),
    "umap": Contestant(umap, ("umap",)),
}
