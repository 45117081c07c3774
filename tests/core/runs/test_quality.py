"""The figures that a run holds on its own result."""

import time

import numpy as np
import pytest
import torch

from decda.core.runs.quality import judge_labels

X = torch.cat([torch.rand(20, 1, 9, 9, generator=torch.Generator().manual_seed(k)) * 0.2 + 0.3 * k for k in range(3)])
"""Dark, gray and bright images."""
TRUE = np.arange(60) // 20
SURE = np.full(60, 0.9, np.float32)


def test_good_clusters_are_told_from_bad_ones() -> None:
    """Clusters of images that look alike are better than random ones, in each figure of how they lie."""
    good = judge_labels(X, TRUE, SURE, 3)
    bad = judge_labels(X, np.random.default_rng(0).permutation(TRUE), SURE, 3)
    assert good["neighbours"] == pytest.approx(2 / 3, abs=1e-6)
    for name in ("neighbours", "silhouette"):
        assert (good[name] or 0) > 0.5 > (bad[name] or 1), name
    assert good["uncertain"] == 0
    assert good["smallest"] == pytest.approx(1 / 3, abs=1e-6)


def test_repeated() -> None:
    """The same images and labels give the same figures; the global generators are left alone."""
    torch.manual_seed(0)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    x, labels = X.repeat(200, 1, 1, 1), np.tile(TRUE, 200)  # 12,000: some are drawn
    assert judge_labels(x, labels, SURE, 3) == judge_labels(x, labels, SURE, 3)
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_sizes_and_confidence_are_those_of_all_images() -> None:
    """A cluster of a single image among many is seen, although images are drawn for the other figures."""
    labels = np.zeros(12_000, np.int64)
    labels[7] = 1
    figures = judge_labels(X.repeat(200, 1, 1, 1), labels, np.linspace(0, 1, 12_000, dtype=np.float32), 2)
    assert figures["smallest"] == round(1 / 12_000, 6)
    assert figures["uncertain"] == 0.5
    assert judge_labels(X, TRUE, SURE, 4)["smallest"] == 0


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_images(n: int) -> None:
    """A run on one, two or three images, in one cluster or one each, has figures where they are defined."""
    for labels in (np.zeros(n, np.int64), np.arange(n)):
        figures = judge_labels(X[:n], labels, SURE[:n], n)
        assert figures["silhouette"] is None
        assert (figures["neighbours"] is None) == (n == 1)


def test_ten_thousand_images_cost_little() -> None:
    """Figures for 10,000 images of 28 x 28 pixels take a second or two; ten are allowed on a busy machine."""
    x = torch.randint(0, 255, (10_000, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = np.arange(10_000) % 10
    start = time.process_time()
    judge_labels(x, labels, np.ones(10_000, np.float32), 10)
    assert time.process_time() - start < 10
