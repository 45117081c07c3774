"""The classes of the images of a run."""

from pathlib import Path

import pytest
from sklearn.datasets import load_digits

from decda.core.consensus.classes import read_classes
from decda.core.consensus.voters import read_voter
from decda.core.errors import DataError, DecdaError
from decda.core.files import Files
from decda.core.parts.registry import Registry
from tests.core.consensus.conftest import Make


def test_classes_of_a_run(make: Make, registry: Registry) -> None:
    """They are those of the data set, in the order of the images."""
    classes = read_classes(read_voter(make("a")), registry, Files(offline=True))
    assert classes is not None
    assert classes.tolist() == load_digits().target.tolist()


def test_a_run_that_knew_no_classes(make: Make, tmp_path: Path) -> None:
    """Then there are none, and nothing is looked for: not even the data set has to be installed."""
    assert read_classes(read_voter(make("a", classes_sha256=None)), Registry(), Files(tmp_path, offline=True)) is None


def test_only_the_data_set_is_needed(make: Make, registry: Registry) -> None:
    """Encoder, head and augmentation of the run need not be installed; without the data set there is an error."""
    voter = read_voter(make("a"))
    alone = Registry(entry for entry in registry if entry.kind == "dataset")
    assert read_classes(voter, alone, Files(offline=True)) is not None
    with pytest.raises(DecdaError, match="digits"):
        read_classes(voter, Registry(), Files(offline=True))


def test_other_classes_are_not_taken_for_those_of_the_run(make: Make, registry: Registry) -> None:
    """Classes that have changed since the run was scored would give scores of something else."""
    with pytest.raises(DataError, match="'digits' no longer holds the classes that the runs knew"):
        read_classes(read_voter(make("a", classes_sha256="0" * 64)), registry, Files(offline=True))
