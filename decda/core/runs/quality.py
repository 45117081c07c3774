"""What a run can say of its own result without classes: the figures under `judgement` in `metrics.json`."""

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from decda.core.runs.criteria import find_neighbours, neighbours, silhouette, smallest, uncertain
from decda.core.runs.space import pixel_space

DECIMALS = 6
"""Figures are rounded to these: the last digits of a sum depend on the number of threads."""


def judge_labels(
    x: Tensor,
    labels: NDArray[np.int64],
    confidence: NDArray[np.float32],
    n_clusters: int | None = None,
    seed: int = 0,
    *,
    begun: NDArray[np.int64] | None = None,
) -> dict[str, float | None]:
    """Judge the clusters of a run by its images alone, see `decda.core.runs.criteria`.

    Costs about a second for 10,000 images of 28 x 28 pixels, and hardly more for a million, of which 10,000 are drawn.

    Args:
        x: images (N, C, H, W) on the CPU, uint8 or float.
        labels: cluster of each (N,).
        confidence: largest soft assignment of each (N,).
        n_clusters: how many clusters were asked for; an empty one is then the smallest.
        begun: clusters from which clustering started (N,); they get figures of their own.
        seed: of the draw of the images. The same for all runs that are to be compared, so not the seed of the run.

    Returns:
        `neighbours`, the higher the better, by which runs are chosen; `neighbours_at_start`, only with `begun`, the
        same for these; `silhouette`, in the same space; `uncertain`, a
        share of the images; `smallest`, the share of the images in the smallest cluster. Each None where it is not
        defined.

    Example:
        >>> x = torch.tensor([0.0, 0.1, 0.9, 1.0]).view(4, 1, 1, 1)
        >>> judge_labels(x, np.array([0, 0, 1, 1]), np.array([0.9, 0.8, 0.8, 0.4]), 2)
        {'neighbours': -0.166667, 'silhouette': 0.888545, 'uncertain': 0.25, 'smallest': 0.5}
    """
    with threadpool_limits(limits=torch.get_num_threads()):  # other runs may be at work beside this one
        space = pixel_space(x, seed=seed)
        drawn = labels[space.index]
        found = find_neighbours(space.points)
        figures = {
            "neighbours": neighbours(space.points, drawn, found=found),
            "silhouette": silhouette(space.points, drawn, seed=seed),
            "uncertain": uncertain(confidence),
            "smallest": smallest(labels, n_clusters),
        }
        if begun is not None:
            figures["neighbours_at_start"] = neighbours(space.points, begun[space.index], found=found)
    return {name: None if value is None else round(value, DECIMALS) for name, value in figures.items()}
