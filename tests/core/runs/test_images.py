"""The images of a run are checked and hashed without copying them."""

import hashlib
import tracemalloc

import numpy as np
import pytest
import torch

from decda.core.contracts import ImageSet
from decda.core.errors import DataError
from decda.core.runs import images as images_module
from decda.core.runs.images import check_images, chunks, hash_images


def test_the_hash_covers_type_shape_and_bytes() -> None:
    """Equal bytes with another shape or dtype hash differently; a copy hashes the same."""
    x = torch.zeros(4, 1, 2, 2)
    digests = {hash_images(y) for y in (x, x.view(2, 2, 2, 2), torch.zeros(16, 1, 2, 2, dtype=torch.uint8), x + 1)}
    assert len(digests) == 4
    assert hash_images(x.clone()) == hash_images(x)
    assert hash_images(x) == hashlib.sha256(b"torch.float32 (4, 1, 2, 2)" + bytes(64)).hexdigest()


def test_the_chunk_size_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the digest nor the image named by an error depends on the size of the chunks."""
    x = torch.rand(50, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    whole = hash_images(x)
    monkeypatch.setattr(images_module, "CHUNK", 20)
    assert [len(chunk) for chunk in chunks(x)] == [2] * 25
    assert hash_images(x) == whole
    x[33, 0, 1, 1] = 1.5
    x[41, 0, 0, 0] = -0.5
    with pytest.raises(DataError, match=r"2 of 50 images have pixels that are not in \[0, 1\]; the first is image 33"):
        check_images(ImageSet(x), "data")
    x[7, 0, 2, 2] = torch.nan
    with pytest.raises(DataError, match="1 of 50 images have pixels that are not finite.*image 7"):
        check_images(ImageSet(x), "data")


def test_images_are_not_copied() -> None:
    """Checking and hashing 100 MB of images needs at most a tenth of that in extra memory."""
    x = torch.from_numpy(np.zeros((400, 1, 256, 256), np.float32))
    tracemalloc.start()
    try:
        check_images(ImageSet(x), "data")
        hash_images(x)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < x.nbytes / 10
