"""What torchrun says of the processes of a run; other launchers and nonsense start none."""

import pytest

from decda.core.process.launch import launched_rank, launched_size

WHOLE = {"RANK": "2", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, (4, 2)),
        ({"MASTER_ADDR": ""}, (1, 0)),
        ({"WORLD_SIZE": "1", "RANK": "0"}, (1, 0)),
        ({"WORLD_SIZE": "0"}, (1, 0)),
        ({"WORLD_SIZE": "many"}, (1, 0)),
        ({"WORLD_SIZE": "-3"}, (1, 0)),
        ({"RANK": "abc"}, (1, 0)),
        ({"RANK": "4"}, (1, 0)),
        ({"MASTER_PORT": "x"}, (1, 0)),
    ],
)
def test_all_of_the_variables_are_needed(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], expected: tuple[int, int]
) -> None:
    """A cluster's own WORLD_SIZE, or one that is no number, does not make a process wait for others."""
    for name, value in {**WHOLE, **changed}.items():
        monkeypatch.setenv(name, value)
    assert (launched_size(), launched_rank()) == expected


def test_without_them_a_process_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As started by hand."""
    for name in WHOLE:
        monkeypatch.delenv(name, raising=False)
    assert (launched_size(), launched_rank()) == (1, 0)
