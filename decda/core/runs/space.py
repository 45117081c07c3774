"""A space in which runs are compared: made of the images alone, so that no model can flatter itself in it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from decda.core.contracts import as_float
from decda.core.entry_reader import EntryReader

N_DIMS = 50
"""Most dimensions of the space."""
N_SAMPLES = 10_000
"""Most images in it: what compares all pairs would take hours on a million."""
SIDE = 32
"""Pixels to which longer sides are shrunk: whether two images look alike does not depend on finer detail."""
CHUNK = 1000
"""Images that are shrunk together."""


@dataclass(frozen=True)
class Space:
    """Images as points.

    Attributes:
        points: float32 (M, D), at most `N_SAMPLES` by `N_DIMS`.
        index: which images they are, int64 (M,), ascending.
    """

    points: NDArray[np.float32]
    index: NDArray[np.int64]


def pixel_space(x: Tensor, *, n_dims: int = N_DIMS, n_samples: int = N_SAMPLES, seed: int = 0) -> Space:
    """The pixels of images, reduced to their principal components.

    Of many images as many are drawn as can be compared with each other. The components are not whitened: how much
    images differ in them counts. Rows of a table become points in the same way, by their columns.

    Args:
        x: images (N, C, H, W) on the CPU, uint8 or float.
        n_dims: the most dimensions.
        n_samples: the most images.
        seed: of the draw. It is not that of a run, because runs are compared on the same images.

    Returns:
        The points, and which images they are.

    Example:
        >>> import torch
        >>> space = pixel_space(torch.rand(90, 1, 9, 9), n_samples=60)
        >>> space.points.shape, space.index.shape
        ((60, 50), (60,))
    """
    n = len(x)
    index = np.arange(n)
    if n > n_samples:
        index = np.sort(np.random.default_rng(seed).choice(n, n_samples, replace=False))
    flat = _flatten(x, index)
    # To one size, by the largest value: squares of the rows of a table could overflow, and no criterion minds.
    largest = np.abs(flat).max()
    flat /= largest if largest > 0 else 1
    flat -= flat.mean(0)
    if flat.shape[1] <= n_dims or len(flat) < 3 or not flat.any():  # nothing to reduce, or nothing to go by
        return Space(flat[:, :n_dims], index)
    reduced = PCA(min(n_dims, len(flat)), random_state=seed).fit_transform(flat)
    return Space(np.ascontiguousarray(reduced, dtype=np.float32), index)


def _flatten(x: Tensor, index: NDArray[np.int64]) -> NDArray[np.float32]:
    """Some of the images as rows of numbers (M, C * H * W), large ones shrunk."""
    height, width = x.shape[2:]
    is_table = height == 1  # its columns are no neighbours of each other
    size = (height, width) if is_table else (min(height, SIDE), min(width, SIDE))
    rows = np.empty((len(index), x.shape[1] * size[0] * size[1]), np.float32)
    reader = EntryReader(x)
    for start in range(0, len(index), CHUNK):
        images = as_float(reader.read(index[start : start + CHUNK]))
        if size != (height, width):
            images = adaptive_avg_pool2d(images, size)
        rows[start : start + CHUNK] = images.flatten(1).numpy()
    return rows
