"""What a run says it was made of."""

import hashlib
from pathlib import Path

import torch

from decda.core.runs.provenance import hash_file
from decda.core.runs.images import hash_images


def test_images_are_told_by_type_shape_and_bytes() -> None:
    """Equal bytes of another shape or type are other images; a copy is the same."""
    x = torch.zeros(4, 1, 2, 2)
    digests = {hash_images(y) for y in (x, x.view(2, 2, 2, 2), torch.zeros(16, 1, 2, 2, dtype=torch.uint8), x + 1)}
    assert len(digests) == 4
    assert hash_images(x.clone()) == hash_images(x)
    assert hash_images(x) == hashlib.sha256(b"torch.float32 (4, 1, 2, 2)" + bytes(64)).hexdigest()


def test_a_file_is_told_by_its_bytes(tmp_path: Path) -> None:
    """As `sha256sum` does."""
    (tmp_path / "x").write_bytes(b"abc")
    assert hash_file(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
