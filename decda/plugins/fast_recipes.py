"""The recipes `conv-fast` and `fc-fast`: good results in a fraction of the paper's time.

What each setting is for, apart from labels:

- One cycle of the learning rate and smaller batches. On 10,000 training images of MNIST, after 40 epochs each, the
  mean squared error of the convolutional autoencoder was .0128 with the paper's settings, .0117 with one cycle up to
  .003, and .0104 with batches of 128 beside it.
- A start that goes by neighbours, because after few epochs clusters are long and bent (docs/starts.md): `umap`, which
  is fast for thousands of images.
- First refreshes that follow the labels of the start (`start_refreshes`). Means of bent clusters describe them badly:
  of the labels of the start, 5 to 10 in 100 are lost when centers are placed, and the target would lead away from it.
- A cosine for clustering, so that it ends at rest instead of at a limit; more iterations for larger images, whose
  labels go on changing for longer.
- bfloat16 where the processor has it: an iteration of clustering takes two thirds of the time.
"""

from typing import Any

from decda.plugins.recipes import cost_of_image

_PASSES = 370_000
"""Images of 16x16 times epochs of pretraining: 37 epochs of 10,000 images."""
_LARGE = 20_000
"""Above so many images the target is refreshed at the interval of the paper's code for MNIST: each embeds them all."""
_MOST = 1e9
"""Pixels times images times epochs: twice those of 10,000 images of 28x28, 5 minutes on a core with bfloat16."""


def conv_fast(
    n_samples: int, input_shape: tuple[int, int, int], value_range: tuple[float, float] | None
) -> dict[str, Any]:
    """Convolutional DEC from a UMAP start, for images from 8x8 up: minutes instead of the paper's hours.

    Needs umap-learn (the extra `umap`); `--start tsne` does without. Smaller images and tables get the fully connected
    network, and no augmentation.

    On one core with bfloat16, 10,000 images of 28x28 take 3 to 4 minutes. From 36x36 on, larger images get fewer
    epochs, though at least 12, so that pretraining keeps to about 5 minutes; clustering is not bounded like that. Added
    up from the times of single steps, 10,000 colour images of 64x64 need 4 minutes of pretraining and 9 of clustering,
    those of 128x128 need 8 and 37. Beyond that, time grows with the number and the size of the images; without bfloat16
    it is two to three times as long.

    Args:
        n_samples: number of images.
        input_shape: (C, H, W).
        value_range: None for the rows of a table.

    Returns:
        Settings in the shape of a configuration file, without a data set.

    Example:
        >>> [conv_fast(10_000, (1, side, side), (0.0, 1.0))["train"]["pretrain_epochs"] for side in (16, 28)]
        [37, 65]
    """
    images = value_range is not None and min(input_shape[1:]) >= 8
    area = input_shape[1] * input_shape[2]
    interval = 30 if n_samples <= _LARGE else 140
    return {
        "encoder": "conv" if images else "fc",
        "head": "dec",
        "augment": "affine" if images else "none",
        "start": "umap",
        "train": {
            "pretrain_epochs": _epochs(n_samples, input_shape, images),
            "pretrain_learning_rate": 0.003,
            "pretrain_schedule": "onecycle",
            "batch_size": 128,
            "cluster_learning_rate": 0.002,
            "cluster_schedule": "cosine",
            "max_iter": min(max(round(1500 * area / 256), 1500), 6000),
            "update_interval": interval,
            "start_refreshes": 600 // interval,
            "precision": "auto",
        },
    }


def fc_fast(
    n_samples: int, input_shape: tuple[int, int, int], value_range: tuple[float, float] | None
) -> dict[str, Any]:
    """Fully connected DEC from a UMAP start, for images of any size: minutes instead of the paper's hours.

    Needs umap-learn (the extra `umap`); `--start tsne` does without. It pretrains for twice as many epochs as
    `conv-fast`, bounded as there: on 10,000 training images of MNIST its mean squared error was .0120 after 62 epochs,
    beside .0104 of `conv-fast` after 40.

    Args:
        n_samples: number of images.
        input_shape: (C, H, W).
        value_range: None for the rows of a table.

    Returns:
        Settings in the shape of a configuration file, without a data set.

    Example:
        >>> fc_fast(10_000, (1, 28, 28), (0.0, 1.0))["encoder"]
        'fc'
    """
    made = conv_fast(n_samples, input_shape, value_range)
    changed = {"pretrain_learning_rate": 0.001, "pretrain_epochs": _epochs(n_samples, input_shape, conv=False)}
    return {**made, "encoder": "fc", "train": {**made["train"], **changed}}


def _epochs(n_samples: int, input_shape: tuple[int, int, int], conv: bool) -> int:
    """Fewer for more images, more for larger ones, by the root of their area: they take longer to be reconstructed.

    Of images so large that this would take more than `_MOST`, as many as that allows.
    """
    _, height, width = input_shape
    wanted = _PASSES * (1 if conv else 2) * (height * width) ** 0.5 / 16
    epochs: int = round(min(wanted, _MOST / cost_of_image(input_shape, conv)) / n_samples)
    return min(max(epochs, 12), 200)
