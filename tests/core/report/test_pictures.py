"""Images become pictures that a page holds itself."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from decda.core.report.pictures import as_pixels, sheet, strip


def opened(address: str) -> Image.Image:
    kind, _, data = address.partition(",")
    assert kind == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 8, 12), (2, 8, 12)),
        ((2, 8, 8), (2, 8, 8)),
        ((3, 8, 8), (2, 8, 8, 3)),
        ((4, 96, 32), (2, 48, 16, 3)),
        ((1, 500, 2), (2, 48, 1)),
    ],
)
def test_shapes(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    """One or two channels are shown in gray, more in colour, and no side is longer than 48 pixels."""
    assert as_pixels(torch.rand(2, *shape)).shape == expected


def test_values() -> None:
    """Values in [0, 1] become 0 to 255; what a decoder puts beyond is cut off; bytes stay what they are."""
    x = torch.tensor([0.0, 0.5, 1.0, 1.5, -1.0, float("nan")]).view(1, 1, 1, 6)
    assert as_pixels(x).ravel().tolist() == [0, 128, 255, 255, 0, 0]
    assert as_pixels(torch.arange(6, dtype=torch.uint8).view(1, 1, 1, 6)).ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_a_strip_shows_each_picture() -> None:
    """Pictures stand side by side, with a transparent column between them, and keep their pixels."""
    pictures = np.random.default_rng(0).integers(0, 256, (3, 5, 4), dtype=np.uint8)
    seen = np.asarray(opened(strip(pictures)).convert("RGBA"))
    assert seen.shape == (5, 3 * 4 + 2, 4)
    for position, picture in enumerate(pictures):
        part = seen[:, position * 5 : position * 5 + 4]
        assert np.array_equal(part[..., 0], picture)
        assert np.array_equal(part[..., 2], picture)
    assert not seen[:, 4, 3].any()


def test_a_sheet_has_rows() -> None:
    """Pictures of a sheet stand in rows of the given length without gaps."""
    pictures = np.stack([np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30, 40, 50)])
    seen = np.asarray(opened(sheet(pictures, 2)).convert("RGBA"))
    assert seen.shape == (3 * 2, 2 * 3, 4)
    assert [int(seen[2 * row, 3 * column, 0]) for row in range(3) for column in range(2)] == [10, 20, 30, 40, 50, 0]


def test_large_sheets_lose_what_hardly_shows() -> None:
    """Two thousand colour pictures of noise, the worst there is, take less than 3 MB."""
    noise = np.random.default_rng(0).integers(0, 256, (2000, 48, 48, 3), dtype=np.uint8)
    smooth = torch.nn.functional.avg_pool2d(torch.from_numpy(noise).movedim(3, 1).float(), 3, 1, 1).byte()
    assert len(sheet(smooth.movedim(1, 3).numpy(), 45)) < 3e6
