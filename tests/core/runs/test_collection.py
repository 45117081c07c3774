"""Images that are read part by part become a set."""

from pathlib import Path
from typing import Any

import pytest
import torch

from decda.core.errors import BrokenComponent, ContractViolation, DataError, OutOfMemory
from decda.core.events import Event, ImagesRead, ImagesSkipped, ignore
from decda.core.runs import collection, image_cache
from decda.core.runs.collection import collect
from tests.core.runs.sources import CountedSource


@pytest.mark.parametrize("key", [None, "a key"])
def test_what_cannot_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """Unreadable images leave no row behind: pixels, labels and names stay together, and each is told with its name."""
    monkeypatch.setattr(collection, "CHUNK", 64 * 7)  # 7 images at a time
    events: list[Event] = []
    images = collect(CountedSource(bad=(0, 13, 39), key=key), tmp_path / "cache", "the set", events.append)
    left = [i for i in range(40) if i not in (0, 13, 39)]
    assert images.x[:, 0, 0, 0].tolist() == left
    assert images.names == [f"{i}.png" for i in left]
    assert images.y is not None
    assert images.y.tolist() == [i % 3 for i in left]
    assert images.skipped == [(f"{i}.png", "it is damaged") for i in (0, 13, 39)]  # in the order of their names
    assert [e.done for e in events if isinstance(e, ImagesRead)] == [7, 14, 21, 28, 35, 40]
    assert [(len(e.skipped), e.total) for e in events if isinstance(e, ImagesSkipped)] == [(3, 40)]


def test_the_second_time_nothing_is_read(tmp_path: Path) -> None:
    """What has a key is read once, and comes from the cache then: the same images, and the same images left out."""
    first, again = CountedSource(bad=(5,)), CountedSource(bad=(5,))
    one, two = (collect(source, tmp_path, "the set", ignore) for source in (first, again))
    assert (first.reads, again.reads) == (1, 1)  # only what could not be read is tried again
    assert torch.equal(one.x, two.x)
    assert one.skipped == two.skipped
    other = CountedSource(key="another key")
    collect(other, tmp_path, "the set", ignore)
    assert other.reads == 1


def test_what_can_be_read_again_is_taken_up(tmp_path: Path) -> None:
    """An image that could not be read for a passing reason does not stay left out for ever."""
    assert len(collect(CountedSource(bad=(5,)), tmp_path, "the set", ignore).x) == 39
    assert len(collect(CountedSource(), tmp_path, "the set", ignore).x) == 40


def test_without_a_key_nothing_is_kept(tmp_path: Path) -> None:
    """A source without a key is read every time, and leaves no file."""
    collect(CountedSource(key=None), tmp_path / "cache", "the set", ignore)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("fault", ["no room", "not writable", "full while it is written", "too large"])
def test_a_cache_that_cannot_be_used_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Without a usable cache the images are read into memory."""
    cache = tmp_path / "cache"
    if fault == "no room":
        monkeypatch.setattr(image_cache, "SPARE_BYTES", 2**60)
    elif fault == "not writable":
        cache.write_text("a file where the folder would be")
    elif fault == "too large":
        monkeypatch.setattr(image_cache, "MAX_BYTES", 100)
    else:
        monkeypatch.setattr(image_cache.Writer, "add", lambda self, x: setattr(self, "failed", True))
    images = collect(CountedSource(bad=(1,)), cache, "the set", ignore)
    assert images.x[:, 0, 0, 0].tolist() == [0, *range(2, 40)]
    assert not cache.is_dir() or not list(cache.iterdir())


def test_a_set_of_which_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    """If no image can be read, the error names the first with its reason."""
    with pytest.raises(DataError, match=r"none of its 4 images can be read; of 0\.png: it is damaged"):
        collect(CountedSource(4, bad=(0, 1, 2, 3)), tmp_path, "the set", ignore)


def test_a_mapped_set_is_not_copied(tmp_path: Path) -> None:
    """What a source has as a whole is taken as it is."""

    class Mapped(CountedSource):
        def whole(self) -> torch.Tensor:
            return pixels

    pixels = torch.zeros(40, 1, 8, 8, dtype=torch.uint8)
    source = Mapped()
    images = collect(source, tmp_path / "cache", "the set", ignore)
    assert images.x.data_ptr() == pixels.data_ptr()
    assert source.reads == 0


@pytest.mark.parametrize(
    ("read", "says"),
    [
        (lambda a, b: (torch.zeros(b - a, 1, 8, 8), {}), "torch.float32"),
        (lambda a, b: (torch.zeros(b - a - 1, 1, 8, 8, dtype=torch.uint8), {}), r"\(39, 1, 8, 8\)"),
        (lambda a, b: (torch.zeros(b - a, 8, 8, 1, dtype=torch.uint8), {}), r"\(40, 8, 8, 1\)"),
        (lambda a, b: ([0] * (b - a), {}), "it returned list"),
        (
            lambda a, b: (torch.zeros(b - a, 1, 8, 8, dtype=torch.uint8), {99: "damaged"}),
            "by its position, from 0 to 39",
        ),
        (lambda a, b: (torch.zeros(b - a, 1, 8, 8, dtype=torch.uint8), [3]), "by its position"),
    ],
)
@pytest.mark.parametrize("key", [None, "a key"])
def test_a_source_that_breaks_its_promise(tmp_path: Path, read: Any, says: str, key: str | None) -> None:
    """What a source reads is checked before rows are mixed up or numbers cut off; nothing is kept of it."""
    source = CountedSource(key=key)
    source.read = read  # type: ignore[method-assign]
    with pytest.raises(ContractViolation, match=f"the set must .*{says}"):
        collect(source, tmp_path / "cache", "the set", ignore)
    assert not (tmp_path / "cache").exists() or list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "kind"),
    [(ValueError("broken"), BrokenComponent), (MemoryError(), OutOfMemory), (DataError("x"), DataError)],
)
def test_a_source_that_fails(tmp_path: Path, error: Exception, kind: type[Exception]) -> None:
    """An error in a source is told as the part's, lack of memory as such."""

    def read(start: int, stop: int) -> Any:
        raise error

    source = CountedSource()
    source.read = read  # type: ignore[method-assign]
    with pytest.raises(kind):
        collect(source, tmp_path, "the set", ignore)
