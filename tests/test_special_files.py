"""What is no regular file is refused at once, wherever decda reads one."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import Here
from tests.places import PLACES, Place

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """End a test that waits for the other end of a pipe."""
    former = signal.signal(signal.SIGALRM, lambda *args: pytest.fail("it waits for ever"))
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, former)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_named_pipe_is_refused(place: Place, runs: Mapping[str, Path], tmp_path: Path, here: Here) -> None:
    """A named pipe ends in one message that names it, and in the exit code of its kind, without waiting."""
    os.mkfifo(place.put(tmp_path, runs))
    code, out, err = here(*place.words)
    assert (code, out) == (place.exit_code, ""), err
    assert f"{Path(place.path).name}" in err
    assert "it is not a regular file" in err
    assert "Traceback" not in err


def test_a_pipe_of_parts_is_refused(tmp_path: Path, here: Here) -> None:
    """A named pipe in the place of a file of parts is refused, too."""
    os.mkfifo(tmp_path / "mine.py")
    code, _, err = here("train", "--load", "mine.py")
    assert code == 2
    assert "mine.py cannot be read: it is not a regular file" in err


@pytest.mark.parametrize("words", [("train", "--config"), ("train", "--autoencoder"), ("evaluate",)])
def test_a_device_is_refused(words: tuple[str, ...], here: Here) -> None:
    """A device that never ends is refused at once."""
    code, _, err = here(*words, "/dev/zero")
    assert code == (2 if "--config" in words else 3)
    assert "/dev/zero" in err
    assert "Traceback" not in err
