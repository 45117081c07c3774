"""Images behind the trainer: resident or streamed, in memory or in a file, they are the same images."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from decda.core.arrays import read_array_file
from decda.core.arrays.values import as_view
from decda.core.mapped_files import find_mapping
from decda.core.training import images as module
from decda.core.training.images import ImagesMode, Portion, StreamedImages, make_images

CPU = torch.device("cpu")
N = 23


def mapped(path: Path, layout: str = "first") -> Tensor:
    """Random images in a file, mapped, in either order of the channels."""
    values = np.random.default_rng(0).integers(0, 256, (N, 3, 4, 5), dtype=np.uint8)
    if layout == "first":
        np.save(path, values)
        return as_view(read_array_file(path)[0])
    np.save(path, values.transpose(0, 2, 3, 1))
    return as_view(read_array_file(path)[0]).permute(0, 3, 1, 2)


def portions(*sizes: int, every: int = 1) -> list[Portion]:
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(N, generator=generator)
    return [Portion(index * every, torch.empty(len(index), 0), len(index)) for index in order.split(list(sizes))]


@pytest.mark.parametrize("mode", ["resident", "streamed"])
@pytest.mark.parametrize("layout", ["first", "last"])
def test_batches_are_the_images_of_their_index(tmp_path: Path, mode: ImagesMode, layout: str) -> None:
    """Each portion comes once, in order, with its images as float32 in [0, 1], contiguous, in either layout."""
    x = mapped(tmp_path / "x.npy", layout)
    expected = x.float() / 255
    images = make_images(x, mode, CPU)
    plan = portions(8, 8, 7)
    seen = 0
    for portion, wanted in zip(images.ahead(plan), plan, strict=True):
        assert portion is wanted
        batch = images.gather(portion.index)
        torch.testing.assert_close(batch, expected[portion.index], rtol=0, atol=0)
        assert batch.is_contiguous()
        seen += len(batch)
    assert seen == N
    assert images.shape == (N, 3, 4, 5)


@pytest.mark.parametrize("mode", ["resident", "streamed"])
@pytest.mark.parametrize("size", [1, 5, N, 100])
def test_parts_are_all_images_in_their_order(tmp_path: Path, mode: ImagesMode, size: int) -> None:
    """The parts, put together, are the whole set."""
    x = mapped(tmp_path / "x.npy")
    found = list(make_images(x, mode, CPU).parts(size))
    assert [len(part) for part in found[:-1]] == [min(size, N)] * (len(found) - 1)
    torch.testing.assert_close(torch.cat(found), x.float() / 255, rtol=0, atol=0)


@pytest.mark.parametrize("mode", ["resident", "streamed"])
def test_a_share_is_indexed_by_the_numbers_of_the_whole(mode: ImagesMode) -> None:
    """Of every third image, image 3 i stands in row i."""
    x = torch.rand(N, 1, 2, 2)
    images = make_images(x, mode, CPU, every=3)
    (portion,) = images.ahead(portions(N, every=3))
    assert torch.equal(images.gather(portion.index), x[portion.index // 3])


def test_reading_runs_ahead_of_the_step_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """While a step computes, the next batches are read, but only so many as memory is meant to hold."""
    images = StreamedImages(torch.rand(40, 1, 2, 2), CPU)
    read: list[int] = []
    genuine = images._read

    def note(rows: Any) -> Tensor:
        read.append(len(rows))
        return genuine(rows)

    monkeypatch.setattr(images, "_read", note)
    plan = [Portion(torch.tensor([i]), torch.empty(1, 0), 1) for i in range(40)]
    ahead = images.ahead(plan)
    next(ahead)
    deadline = time.monotonic() + 10
    while len(read) <= module.AHEAD and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(read) == module.AHEAD + 1


def test_readers_end_with_those_who_read() -> None:
    """A training that ends in the middle of an epoch, or fails, leaves no thread behind."""
    before = threading.active_count()
    ahead = StreamedImages(torch.rand(40, 1, 2, 2), CPU).ahead([Portion(torch.arange(4), torch.empty(4, 0), 4)] * 10)
    next(ahead)
    ahead.close()  # type: ignore[attr-defined]
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_an_error_of_a_reader_is_raised_where_the_batch_is_needed() -> None:
    """An image that is not there is an error, and not a wait without end."""
    images = StreamedImages(torch.rand(4, 1, 2, 2), CPU)
    with pytest.raises(IndexError):
        list(images.ahead([Portion(torch.tensor([9]), torch.empty(1, 0), 1)]))


TRAIN = """
import resource, sys
import numpy as np, torch
from decda.core.arrays import read_array_file
from decda.core.arrays.values import as_view
from decda.core.config.train_config import TrainConfig
from decda.core.runs.images import check_pixels, hash_images
from decda.core.training.images import make_images
from decda.core.training.model import Model
from decda.core.training.trainer import Trainer
from decda.plugins.augmentations.none import NoAugmentation
from decda.plugins.heads.dec import DEC
from decda.testing.partners import LinearAutoencoder

torch.set_num_threads(1)
config = TrainConfig(pretrain_epochs=1, batch_size=256, max_iter=20, update_interval=10, augment_in="neither")

def train(path):
    x = as_view(read_array_file(path)[0])[:, None]
    hash_images(x)
    model = Model(LinearAutoencoder((1, 64, 64), 4), DEC(3, 4), NoAugmentation())
    Trainer(x, model, config.resolved(len(x)), seed=0, images_mode=sys.argv[1]).run()
    model.embed(x)

from pathlib import Path
train(Path("small.npy"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
train(Path("large.npy"))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_file_larger_than_the_memory_taken_to_train_on_it(tmp_path: Path) -> None:
    """Hashing, pretraining, placing centers, clustering and embedding 400 MB of images take far less, if streamed."""
    for name, n in (("small", 600), ("large", 100_000)):
        np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", "u1", (n, 64, 64))
    command = [sys.executable, "-c", TRAIN, "streamed"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 200


def test_a_tensor_over_a_mapped_file_is_recognised(tmp_path: Path) -> None:
    """By its address, whatever view of it was taken; tensors in memory are not taken for one."""
    x = mapped(tmp_path / "x.npy", "last")
    assert find_mapping(x) is not None
    assert find_mapping(x[3::2]) is find_mapping(x)
    assert find_mapping(x.clone()) is None
    assert find_mapping(torch.rand(3)) is None
