"""A clustering that went wrong is told, without labels."""

import numpy as np
import torch

from decda.core.runs.collapse import collapse_warnings

CLOUDS = torch.cat([torch.randn(60, 2, generator=torch.Generator().manual_seed(k)) * 0.1 + 5 * k for k in range(3)])
"""Three clouds of 60 points, far apart: k-means agrees with itself on them."""
FOG = torch.randn(180, 2, generator=torch.Generator().manual_seed(9))
"""One cloud, on whose eight parts k-means does not agree with itself."""
START = np.arange(180) // 60


def test_sound_clusters_raise_nothing() -> None:
    """All clusters in use, most images where they started, whatever the clusters are numbered."""
    assert collapse_warnings((START + 1) % 3, 3, START, CLOUDS) == []
    assert collapse_warnings(START, 3) == []


def test_lost_clusters_are_told() -> None:
    """Fewer clusters than were asked for, with both numbers."""
    assert collapse_warnings(np.minimum(START, 1), 3, START, CLOUDS) == ["Only 2 of 3 clusters hold any images."]
    assert collapse_warnings(START * 0, 3)[0] == "Only 1 of 3 clusters holds any images."


def test_a_sound_start_that_was_left_is_told() -> None:
    """Most images moved away from a start on which k-means agrees with itself."""
    (warning,) = collapse_warnings(np.arange(180) % 3, 3, START, CLOUDS)
    assert "moved 67% of the images" in warning
    assert "train.max_iter=0" in warning


def test_leaving_a_start_that_did_not_agree_with_itself_is_no_fault() -> None:
    """Where k-means finds other clusters from another seed, moving away says nothing."""
    labels = np.random.default_rng(0).integers(0, 8, 180)
    assert collapse_warnings(labels, 8, np.random.default_rng(1).integers(0, 8, 180), FOG) == []
