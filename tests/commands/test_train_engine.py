"""`decda train --seeds` and `decda reproduce` with an engine, as far as no cluster is needed."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest

from decda.commands.train import resume_command
from decda.core.execution import engines
from tests.conftest import SHORT, Here


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("train", "--engine", "dask"), "It needs --seeds, as in --seeds 0-4."),
        (("train", "--scheduler", "tcp://host:1"), "It needs --seeds, as in --seeds 0-4."),
        (("train", "--seeds", "0-1", "--engine", "local", "--scheduler", "tcp://host:1"), "--engine is local"),
        (("train", "--seeds", "0-1", "--engine", "dask"), "such as tcp://host:8786. Option: --scheduler"),
        (("reproduce", "--engine", "local", "--scheduler", "tcp://host:1"), "--engine is local"),
        (("reproduce", "--engine", "dask"), "such as tcp://host:8786. Option: --scheduler"),
    ],
)
def test_what_makes_no_sense(here: Here, words: tuple[str, ...], told: str) -> None:
    """An engine is for several runs, and Dask needs an address; nothing is left behind."""
    code, out, err = here(*words)
    assert (code, out) == (2, "")
    assert told in " ".join(err.split())
    assert not list(Path().iterdir())


def test_how_to_go_on_names_the_engine() -> None:
    """The command that is printed after an interruption goes on where it was."""
    command = resume_command(Path("runs/1"), engine="dask", scheduler="tcp://host:1")
    assert command == "decda train --resume runs/1 --engine dask --scheduler tcp://host:1"


def test_an_engine_that_serves_no_longer(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is kept, and the whole command that goes on."""
    executor = ThreadPoolExecutor()
    executor.shutdown()
    monkeypatch.setattr(engines, "connect", lambda scheduler: nullcontext(executor))
    settings = (word for setting in SHORT for word in ("--set", setting))
    code, out, err = here("train", "--seeds=0", "--start=kmeans", *settings, "--scheduler=tcp://s:1", "--out=all")
    assert (code, out) == (7, "")
    told = " ".join(err.split())
    assert "The engine takes no more runs (RuntimeError: cannot schedule" in told
    assert "What was saved in all is kept. To go on: decda train --resume all --scheduler tcp://s:1" in told
