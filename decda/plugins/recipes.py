"""The built-in recipes: which parts to combine, and which settings differ from their defaults. Data, no code.

All but `quick` and `auto` are the methods of Guo, Zhu, Liu, Yin: Deep Embedded Clustering with Data Augmentation, ACML
2018, section 5.2. With `-da`, images are augmented in pretraining and in clustering; without it, in neither. All other
settings are at their defaults: 500 epochs of pretraining, batches of 256, at most 20,000 iterations, an update interval
that depends on the size of the set, and Adam with its default settings.
"""

from typing import Any

_PLAIN: dict[str, Any] = {"augment_in": "neither"}
_FC_PRETRAIN: dict[str, Any] = {
    "pretrain_optimizer": "sgd",
    "pretrain_learning_rate": 1.0,
    "pretrain_momentum": 0.9,
}
_FC_DEC: dict[str, Any] = {
    **_FC_PRETRAIN,
    "cluster_optimizer": "sgd",
    "cluster_learning_rate": 0.01,
    "cluster_momentum": 0.9,
}
_FC_IDEC: dict[str, Any] = {**_FC_DEC, "cluster_learning_rate": 1.0}
_FC_DCN: dict[str, Any] = {**_FC_PRETRAIN, "cluster_optimizer": "adam", "cluster_learning_rate": 1e-4}


def _recipe(encoder: str, head: str, train: dict[str, Any]) -> dict[str, Any]:
    # During clustering, the authors' code takes the images in stored order; the paper's sets are stored well mixed.
    train = {"order": "stored", **train}
    return {"dataset": "digits", "encoder": encoder, "head": head, "augment": "affine", "train": train}


FCDEC_DA = _recipe("fc", "dec", _FC_DEC)
"""FcDEC-DA: fully connected autoencoder, KL divergence only, with augmentation."""

FCIDEC_DA = _recipe("fc", "idec", _FC_IDEC)
"""FcIDEC-DA: fully connected autoencoder, KL divergence and reconstruction, with augmentation."""

FCDCN_DA = _recipe("fc", "dcn", _FC_DCN)
"""FcDCN-DA: fully connected autoencoder, k-means loss, with augmentation."""

CONVDEC_DA = _recipe("conv", "dec", {})
"""ConvDEC-DA: convolutional autoencoder, KL divergence only, with augmentation."""

CONVIDEC_DA = _recipe("conv", "idec", {})
"""ConvIDEC-DA: convolutional autoencoder, KL divergence and reconstruction, with augmentation."""

FCDEC = _recipe("fc", "dec", {**_FC_DEC, **_PLAIN})
"""FcDEC: fully connected autoencoder, KL divergence only, no augmentation."""

FCIDEC = _recipe("fc", "idec", {**_FC_IDEC, **_PLAIN})
"""FcIDEC: fully connected autoencoder, KL divergence and reconstruction, no augmentation."""

FCDCN = _recipe("fc", "dcn", {**_FC_DCN, **_PLAIN})
"""FcDCN: fully connected autoencoder, k-means loss, no augmentation."""

CONVDEC = _recipe("conv", "dec", _PLAIN)
"""ConvDEC: convolutional autoencoder, KL divergence only, no augmentation."""

CONVIDEC = _recipe("conv", "idec", _PLAIN)
"""ConvIDEC: convolutional autoencoder, KL divergence and reconstruction, no augmentation."""

# Why each setting, apart from labels. Size: images of 8x8 are doubled because the network halves them three times.
# Embedding: with 20 dimensions the reconstruction error is half of that with 10 (.0010 and .0022 after 100 epochs), and
# t-SNE, unlike k-means, does not mind the additional ones. Batch size and one cycle: as in fast_recipes.py; batches of
# 32, because a small set has few of them in an epoch. Augmentation: more than images of this size need to look alike,
# so that the least distance over views has something to find. First refreshes: three in ten iterations follow the
# start.
QUICK: dict[str, Any] = {
    "dataset": {"name": "digits", "size": 16},
    "encoder": {"name": "conv", "embedding_dim": 20},
    "head": "idec",
    "augment": {"name": "affine", "degrees": 15.0, "translate": 0.1},
    "start": "invariant",
    "train": {
        "pretrain_epochs": 100,
        "pretrain_learning_rate": 0.002,
        "pretrain_schedule": "onecycle",
        "batch_size": 32,
        "max_iter": 1500,
        "start_refreshes": 15,
    },
}
"""A first run, a minute or two on a CPU: convolutional IDEC on small images, from a start that ignores small shifts."""

_PASSES = 2e8
"""Pixels times images times epochs that a conv net makes in some three minutes on one core."""


def auto(n_samples: int, input_shape: tuple[int, int, int], value_range: tuple[float, float] | None) -> dict[str, Any]:
    """Any images of your own, in minutes on a CPU: parts, epochs and iterations by their number and size.

    Images from 8x8 up get the convolutional autoencoder, a small `affine` and the start `invariant`; smaller ones and
    tables get the fully connected autoencoder without augmentation, and `kmeans`. Where clusters were better at the
    start of clustering than at its end, as far as images tell that look alike, they are kept. Epochs are as many as
    some three minutes on one core allow, from 10 to 200; clustering makes half as many steps, from 100 to 4,000, and
    follows the start for at most a quarter of them. Chosen by times and by the number of steps that reconstruction
    takes to settle, not by labels.

    Args:
        n_samples: number of images.
        input_shape: (C, H, W).
        value_range: None for the rows of a table.

    Returns:
        Settings in the shape of a configuration file, without a data set.

    Example:
        >>> auto(2000, (3, 64, 64), (0.0, 1.0))["train"]["pretrain_epochs"]
        24
    """
    images = value_range is not None and min(input_shape[1:]) >= 8
    near = {"name": "invariant", "n_layouts": 3, "max_samples": 3000}
    epochs = min(max(round(_PASSES / (n_samples * cost_of_image(input_shape, images))), 10), 200)
    batch = 32 if n_samples < 2000 else 64 if n_samples < 5000 else 128 if n_samples < 20_000 else 256
    max_iter = min(max(epochs * -(-n_samples // batch) // 2, 100), 4000)
    interval = 140 if n_samples > 20_000 else 30
    return {
        "encoder": "conv" if images else "fc",
        "head": "idec",
        "augment": {"name": "affine", "degrees": 10.0, "translate": 0.05} if images else "none",
        "start": near if images else "kmeans",
        "train": {
            # At most a quarter of the iterations: the head's own target must have its turn.
            "start_refreshes": min(10, max_iter // (4 * interval)) if images else 0,
            "keep": "better",
            "pretrain_epochs": epochs,
            "batch_size": batch,
            "max_iter": max_iter,
            "update_interval": interval,
        },
    }


def cost_of_image(input_shape: tuple[int, int, int], conv: bool) -> int:
    """What one image costs a network, in pixels of the convolutional one.

    Args:
        input_shape: (C, H, W).
        conv: whether the network is the convolutional one, whose time hardly depends on the channels.

    Returns:
        A number of pixels.

    Example:
        >>> cost_of_image((3, 64, 64), conv=True), cost_of_image((3, 64, 64), conv=False)
        (4096, 3072)
    """
    depth, height, width = input_shape
    return height * width if conv else max(depth * height * width // 4, 300)
