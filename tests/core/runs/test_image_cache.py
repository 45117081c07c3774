"""Pixels kept in the user's cache."""

import json
import os
from pathlib import Path

import pytest

from decda.core.events import ignore
from decda.core.runs import image_cache
from decda.core.runs.collection import collect
from decda.core.runs.image_cache import ImageCache
from tests.core.runs.sources import CountedSource


@pytest.mark.parametrize(
    "damage", ["pixels flipped", "pixels cut", "pixels gone", "no JSON", "JSON of another kind", "another shape"]
)
def test_damaged_files_are_read_anew(tmp_path: Path, damage: str) -> None:
    """Whatever is wrong with a kept file, it is not believed; the images are read and kept again."""
    collect(CountedSource(), tmp_path, "the set", ignore)
    pixels, told = next(tmp_path.glob("*.pixels")), next(tmp_path.glob("*.json"))
    if damage == "pixels flipped":
        content = bytearray(pixels.read_bytes())
        content[100] ^= 1
        pixels.write_bytes(content)
    elif damage == "pixels cut":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "pixels gone":
        pixels.unlink()
    elif damage == "no JSON":
        told.write_text("{")
    elif damage == "JSON of another kind":
        told.write_text('{"shape": 3}')
    else:
        told.write_text(json.dumps({**json.loads(told.read_text()), "shape": [39, 1, 8, 8]}))
    source = CountedSource()
    assert ImageCache(tmp_path).find(source) is None
    images = collect(source, tmp_path, "the set", ignore)
    assert source.reads == 1
    assert images.x[:, 0, 0, 0].tolist() == list(range(40))
    assert ImageCache(tmp_path).find(source) is not None


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache stays below its limit; use, not age, decides what stays."""
    size = 40 * 64
    monkeypatch.setattr(image_cache, "MAX_BYTES", 2 * size)
    for age, key in enumerate(("first", "second")):
        collect(CountedSource(key=key), tmp_path, "the set", ignore)
        newest = max(tmp_path.glob("*.pixels"), key=lambda path: path.stat().st_ctime_ns)
        os.utime(newest, (1000 + age, 1000 + age))
    assert ImageCache(tmp_path).find(CountedSource(key="first")) is not None  # used now
    collect(CountedSource(key="third"), tmp_path, "the set", ignore)
    kept = [key for key in ("first", "second", "third") if ImageCache(tmp_path).find(CountedSource(key=key))]
    assert kept == ["first", "third"]
    assert len(list(tmp_path.iterdir())) == 4


def test_an_interrupted_reading_leaves_no_file(tmp_path: Path) -> None:
    """If reading is broken off, nothing half-written stays."""

    class Interrupted(CountedSource):
        def read(self, start: int, stop: int):  # type: ignore[no-untyped-def]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        collect(Interrupted(), tmp_path, "the set", ignore)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_goes_after_a_day(tmp_path: Path) -> None:
    """Half-written files are removed when a day has passed since they were written to."""
    old, new = tmp_path / ".a.pixels.1.partial", tmp_path / ".b.pixels.2.partial"
    for file in (old, new):
        file.write_bytes(b"x")
    os.utime(old, (1000, 1000))
    collect(CountedSource(), tmp_path, "the set", ignore)
    assert not old.exists()
    assert new.exists()


def test_nobody_else_sees_what_is_kept(tmp_path: Path) -> None:
    """The folder of the cache is open to its owner alone."""
    collect(CountedSource(), tmp_path / "cache", "the set", ignore)
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
