"""A consensus through the Python door."""

from pathlib import Path

import numpy as np
import pytest

from decda.consensus import combine
from decda.core.errors import ConfigError, DataError
from decda.core.parts.registry import Registry
from decda.core.runs.inference import load_run
from tests.core.consensus.conftest import Make, make

__all__ = ["make"]


def test_runs_and_folders(make: Make, registry: Registry, tmp_path: Path) -> None:
    """Runs, their folders as paths, and as texts, all mean the same; what they agree on is returned and written."""
    paths = [make(f"run-{n}") for n in range(3)]
    run = load_run(paths[0], registry)
    found = combine(run, paths[1], str(paths[2]), out=str(tmp_path / "out"), offline=True)
    assert (found.folder, [Path(each["run"]) for each in found.runs]) == (tmp_path / "out", paths)
    assert (found.agreement == 1).all()
    assert len(np.unique(np.stack([run.labels, found.labels]), axis=1).T) == len(found.sizes)
    assert found.metrics == run.metrics


def test_a_run_counts_once(make: Make, tmp_path: Path) -> None:
    """A run that is named twice has one vote: by itself it is no consensus."""
    run = make("run")
    with pytest.raises(ConfigError, match="at least two runs"):
        combine(run, str(run), out=tmp_path / "out")
    with pytest.raises(ConfigError, match="at least two runs"):
        combine()


def test_other_things_are_no_runs(make: Make, tmp_path: Path) -> None:
    """What is neither a run nor a path is refused, and the folder of no run is named."""
    with pytest.raises(ConfigError, match=r"or is what decda\.train returned; not 5"):
        combine(make("run"), 5)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="nowhere is not the folder of a run"):
        combine(tmp_path / "run", tmp_path / "nowhere")
