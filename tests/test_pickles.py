"""Configurations, saved models and data from elsewhere are data: no code runs from them."""

import gzip
import io
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import Here
from tests.places import PLACES, Place


class Trap:
    """Creates the file `sprung` in the working folder when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """What unpickling calls."""
        return Path.touch, (Path("sprung"),)


def with_torch(trap: Trap) -> bytes:
    """The trap in a file of `torch.save`."""
    stream = io.BytesIO()
    torch.save({"autoencoder": trap}, stream)
    return stream.getvalue()


def with_numpy(trap: Trap) -> bytes:
    """The trap in a file of `numpy.save`."""
    stream = io.BytesIO()
    np.save(stream, np.array([trap], dtype=object), allow_pickle=True)
    return stream.getvalue()


def compressed(trap: Trap) -> bytes:
    """The trap in gzip data."""
    return gzip.compress(pickle.dumps(trap))


def as_text(trap: Trap) -> bytes:
    """The trap in the oldest protocol, which is text."""
    return pickle.dumps(trap, protocol=0)


FORMATS = (pickle.dumps, as_text, with_torch, with_numpy, compressed)


@pytest.mark.parametrize("pack", FORMATS, ids=lambda pack: pack.__name__)
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_nothing_is_unpickled(
    place: Place, pack: Callable[[Trap], bytes], runs: Mapping[str, Path], tmp_path: Path, here: Here
) -> None:
    """A pickle in any place ends in one message that names the file, and in its exit code, and is never loaded."""
    path = place.put(tmp_path, runs)
    path.write_bytes(pack(Trap()))
    code, out, err = here(*place.words)
    assert (code, out) == (place.exit_code, ""), err
    assert path.name in err
    assert "Traceback" not in err
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_in_a_checkpoint_is_passed_over(begun_run: Path, tmp_path: Path, here: Here) -> None:
    """If there is a checkpoint before the one with the pickle, that is told, and the run goes on from the former."""
    checkpoints = shutil.copytree(begun_run, tmp_path / "begun") / "checkpoints"
    shutil.copytree(checkpoints / "00000001", checkpoints / "00000002")
    (checkpoints / "00000002" / "state.json").write_bytes(pickle.dumps(Trap()))
    code, out, err = here("train", "--resume", "begun")
    assert (code, out) == (0, "begun\n"), err
    assert "00000002" in err
    assert "state.json is not what was written" in err
    assert not (tmp_path / "sprung").exists()


def test_the_trap_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each format springs the trap if it is loaded as what it is."""
    monkeypatch.chdir(tmp_path)
    loads: list[Callable[[], object]] = [
        lambda: pickle.loads(pickle.dumps(Trap())),
        lambda: pickle.loads(as_text(Trap())),
        lambda: torch.load(io.BytesIO(with_torch(Trap())), weights_only=False),
        lambda: np.load(io.BytesIO(with_numpy(Trap())), allow_pickle=True),
        lambda: pickle.loads(gzip.decompress(compressed(Trap()))),
    ]
    assert len(loads) == len(FORMATS)
    for load in loads:
        load()
        (tmp_path / "sprung").unlink()
