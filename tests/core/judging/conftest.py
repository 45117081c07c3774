"""Runs on the same images whose clusters are good, mediocre and bad."""

from pathlib import Path

import numpy as np
import pytest

from tests.core.judging import clusters_of_pixels, random_clusters, relabelled


@pytest.fixture(scope="session")
def judged_runs(finished_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders by name: `good` are clusters of the pixels, in `mixed` half of these are random, in `bad` all."""
    folder = tmp_path_factory.mktemp("judged")
    good, bad = clusters_of_pixels(), random_clusters()
    mixed = np.where(np.random.default_rng(1).random(len(good)) < 0.5, good, bad)
    return {
        "bad": relabelled(finished_run, folder / "bad", bad, 0.4),
        "good": relabelled(finished_run, folder / "good", good),
        "mixed": relabelled(finished_run, folder / "mixed", mixed),
    }
