"""Failed clusterings are detected without labels."""

import numpy as np
import torch

from decda.core.runs.collapse import collapse_warnings

CLOUDS = torch.cat([torch.randn(60, 2, generator=torch.Generator().manual_seed(k)) * 0.1 + 5 * k for k in range(3)])
"""Three well separated clouds of 60 points, on which k-means is stable."""
FOG = torch.randn(180, 2, generator=torch.Generator().manual_seed(9))
"""A single cloud, on which k-means with eight clusters is unstable."""
START = np.arange(180) // 60


def test_sound_clusters_raise_no_warning() -> None:
    """There is no warning if all clusters are in use and most images stay put, even when clusters are renumbered."""
    assert collapse_warnings((START + 1) % 3, 3, START, CLOUDS) == []
    assert collapse_warnings(START, 3) == []


def test_lost_clusters_are_reported() -> None:
    """A warning states how many of the requested clusters hold images."""
    assert collapse_warnings(np.minimum(START, 1), 3, START, CLOUDS) == ["Only 2 of 3 clusters hold any images."]
    assert collapse_warnings(START * 0, 3)[0] == "Only 1 of 3 clusters holds any images."


def test_leaving_a_stable_start_is_reported() -> None:
    """There is a warning if most images moved away from a start on which k-means is stable."""
    (warning,) = collapse_warnings(np.arange(180) % 3, 3, START, CLOUDS)
    assert "moved 67% of the images" in warning
    assert "train.max_iter=0" in warning


def test_leaving_a_start_that_is_not_found_again_is_not_reported() -> None:
    """A start that k-means finds from no seed was none of its own; to leave it for what k-means finds is no fault."""
    assert collapse_warnings(START, 3, np.arange(180) % 3, CLOUDS) == []


def test_leaving_an_unstable_start_is_not_reported() -> None:
    """If k-means finds different clusters with another seed, moving away from them means nothing."""
    labels = np.random.default_rng(0).integers(0, 8, 180)
    assert collapse_warnings(labels, 8, np.random.default_rng(1).integers(0, 8, 180), FOG) == []
