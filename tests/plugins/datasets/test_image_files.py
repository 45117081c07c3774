"""One image file becomes pixels of a shape, or a reason in one line."""

import math
import threading
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps

from decda.plugins.datasets import image_files
from decda.plugins.datasets.image_files import Fit, Header, UnreadableImage, read_header, read_pixels
from tests.plugins.datasets.strange_images import chunk, crowded_tiff, encoded, exif, noise, png, save

RED = (200, 40, 90)
LUMA = round(0.299 * RED[0] + 0.587 * RED[1] + 0.114 * RED[2])


def pixels(content: bytes, folder: Path, shape: tuple[int, int, int], **options: Any) -> Any:
    return read_pixels(str(save(folder / "file.png", content)), shape, **options)


def reasons(content: bytes, folder: Path) -> tuple[str | None, str]:
    """Why a file cannot be read: by its header (None if that is sound), and as a whole."""
    path = str(save(folder / "file.jpg", content))
    header = None
    try:
        read_header(path)
    except UnreadableImage as error:
        header = str(error)
    with pytest.raises(UnreadableImage) as caught:
        read_pixels(path, (3, 8, 8))
    for reason in (header, str(caught.value)):
        assert reason is None or (reason.isprintable() and 0 < len(reason) < 300)
    return header, str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000"])
def test_lossless_formats_keep_each_pixel(kind: str, tmp_path: Path) -> None:
    """In each lossless format, an image of the size asked for comes out as it went in."""
    values = noise(9, 7)
    image = Image.fromarray(values)
    if kind == "GIF":
        image = image.quantize(64)
        values = np.asarray(image.convert("RGB"))
    content = encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    np.testing.assert_array_equal(pixels(content, tmp_path, (3, 9, 7)), values.transpose(2, 0, 1))


@pytest.mark.parametrize("kind", ["JPEG", "AVIF"])
def test_lossy_formats_keep_colours(kind: str, tmp_path: Path) -> None:
    """In lossy formats, a plain colour survives."""
    content = encoded(Image.new("RGB", (16, 16), RED), kind, quality=95)
    x = pixels(content, tmp_path, (3, 8, 8))
    assert np.abs(x.astype(int) - np.reshape(RED, (3, 1, 1))).max() <= 4


def test_the_content_decides(tmp_path: Path) -> None:
    """A PNG file that is called .jpg is read as a PNG file."""
    path = save(tmp_path / "photo.jpg", encoded(Image.fromarray(noise(4, 4)), "PNG"))
    np.testing.assert_array_equal(read_pixels(str(path), (3, 4, 4)), noise(4, 4).transpose(2, 0, 1))


def test_colours_become_gray_by_luma(tmp_path: Path) -> None:
    """Gray of a colour is its luma, and a gray image has three equal channels where colours are wanted."""
    red = encoded(Image.new("RGB", (4, 4), RED), "PNG")
    assert np.unique(pixels(red, tmp_path, (1, 4, 4))).tolist() == [LUMA]
    gray = pixels(encoded(Image.fromarray(noise(4, 4, channels=1)), "PNG"), tmp_path, (3, 4, 4))
    np.testing.assert_array_equal(gray, np.stack([noise(4, 4, channels=1)] * 3))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha(mode: str, tmp_path: Path) -> None:
    """Alpha a mixes a colour c with white, a c + (1 - a) 255; dropped, it leaves the colour alone."""
    values = noise(16, 16, channels=2 if mode == "LA" else 4)
    content = encoded(Image.fromarray(values, mode=None), "PNG")
    colours, a = values[..., :-1].astype(float), values[..., -1:] / 255
    channels = colours.shape[-1]
    over = pixels(content, tmp_path, (channels, 16, 16))
    np.testing.assert_allclose(over, (a * colours + (1 - a) * 255).transpose(2, 0, 1), atol=1)
    dropped = pixels(content, tmp_path, (channels, 16, 16), alpha="drop")
    np.testing.assert_array_equal(dropped, values[..., :-1].transpose(2, 0, 1))


def test_transparent_pixels_do_not_bleed(tmp_path: Path) -> None:
    """When an image is made smaller, the colour of fully transparent pixels counts for nothing."""
    values = np.zeros((8, 8, 4), np.uint8)
    values[::2, :, 3] = 255  # black and opaque; the other rows are transparent
    values[1::2] = (255, 0, 0, 0)
    x = pixels(encoded(Image.fromarray(values), "PNG"), tmp_path, (3, 2, 2))
    assert np.abs(x.astype(int) - 127.5).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP"])
def test_palette(kind: str, tmp_path: Path) -> None:
    """A palette is looked up, and known to be gray or not before any pixel is read."""
    for channels in (1, 3):
        image = Image.fromarray(noise(6, 6, channels=channels) // 32 * 32).quantize(16)
        assert image.mode == "P"
        content = encoded(image, kind)
        wanted = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
        np.testing.assert_array_equal(pixels(content, tmp_path, (3, 6, 6)), wanted)
        assert read_header(str(tmp_path / "file.png")) == Header(6, 6, gray=channels == 1)


@pytest.mark.parametrize(("kind", "transparency"), [("PNG", 1), ("PNG", bytes([255, 0])), ("GIF", 1)])
def test_palette_with_transparency(kind: str, transparency: Any, tmp_path: Path) -> None:
    """A transparent colour of a palette becomes white, or is itself where transparency is dropped."""
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    content = encoded(image, kind, transparency=transparency)
    assert pixels(content, tmp_path, (3, 1, 2))[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]
    assert pixels(content, tmp_path, (3, 1, 2), alpha="drop")[:, 0].T.tolist() == [[10, 20, 30], [40, 50, 60]]


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_a_transparent_colour(mode: str, tmp_path: Path) -> None:
    """A PNG file without alpha may call one colour transparent: black becomes white."""
    content = encoded(Image.new(mode, (4, 4)), "PNG", transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert np.unique(pixels(content, tmp_path, (3, 4, 4))).tolist() == [255]
    assert np.unique(pixels(content, tmp_path, (3, 4, 4), alpha="drop")).tolist() == [0]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bits(kind: str, tmp_path: Path) -> None:
    """16-bit gray v becomes v / 257, rounded; it is not cut off at 255."""
    values = np.array([[0, 128, 129, 257], [10_000, 32_768, 65_406, 65_535]], np.uint16)
    content = encoded(Image.fromarray(values), kind)
    assert pixels(content, tmp_path, (1, 2, 4))[0].tolist() == [[0, 0, 1, 1], [39, 128, 254, 255]]
    assert read_header(str(tmp_path / "file.png")).gray


def test_16_bits_with_a_transparent_value(tmp_path: Path) -> None:
    """In 16-bit gray, a value that is called transparent stays what it is."""
    values = np.array([[0, 257], [514, 65_535]], np.uint16)
    content = encoded(Image.fromarray(values), "PNG", transparency=257)
    assert pixels(content, tmp_path, (1, 2, 2))[0].tolist() == [[0, 1], [2, 255]]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (np.array([[-100, 0], [100, 155]], np.int32), [[0, 100], [200, 255]]),
        (np.array([[7, 7], [7, 7]], np.int32), [[0, 0], [0, 0]]),
        (np.array([[1, 1], [1, 1]], np.int32), [[0, 0], [0, 0]]),  # unlike 1.0, which is white
        (np.array([[1, 1], [1, 1]], np.float32), [[255, 255], [255, 255]]),
        (np.array([[0.0, 0.2], [0.4, 0.6]], np.float32), [[0, 51], [102, 153]]),
        (np.array([[-1.0, 1.0], [0.0, 4.0]], np.float32), [[0, 102], [51, 255]]),
        (np.array([[0.0, 1e38], [-1e38, 1e38]], np.float32), [[128, 255], [0, 255]]),
    ],
)
def test_32_bits(values: Any, wanted: Any, tmp_path: Path) -> None:
    """Floats in [0, 1] are multiplied by 255; other floats and integers are stretched from their least to greatest."""
    content = encoded(Image.fromarray(values), "TIFF")
    assert pixels(content, tmp_path, (1, 2, 2))[0].tolist() == wanted
    assert read_header(str(tmp_path / "file.png")) == Header(2, 2, gray=True)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_floats_that_are_not_finite(value: float, tmp_path: Path) -> None:
    """A pixel that is no finite number makes an image unreadable, rather than black."""
    values = np.zeros((4, 4), np.float32)
    values[1, 2] = value
    header, whole = reasons(encoded(Image.fromarray(values), "TIFF"), tmp_path)
    assert (header, whole) == (None, "its pixels are not all finite numbers")


@pytest.mark.parametrize(("mode", "kind"), [("CMYK", "JPEG"), ("CMYK", "TIFF"), ("YCbCr", "TIFF"), ("LAB", "TIFF")])
def test_other_colour_spaces(mode: str, kind: str, tmp_path: Path) -> None:
    """CMYK (also inverted, as in JPEG), YCbCr and LAB become red, green and blue."""
    content = encoded(
        Image.new("RGB", (16, 16), RED).convert(mode), kind, **({"quality": 95} if kind == "JPEG" else {})
    )
    x = pixels(content, tmp_path, (3, 4, 4))
    assert np.abs(x.astype(int) - np.reshape(RED, (3, 1, 1))).max() <= 5
    assert read_header(str(tmp_path / "file.png")) == Header(16, 16, gray=False)


def test_one_bit(tmp_path: Path) -> None:
    """Black and white become 0 and 255, and means of them when the image is made smaller."""
    values = np.zeros((4, 4), bool)
    values[:, :2] = values[0, 2] = True
    x = pixels(encoded(Image.fromarray(values), "PNG"), tmp_path, (1, 2, 2))
    assert x[0].tolist() == [[255, 64], [255, 0]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {}), ("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"})]
)
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_orientation(orientation: int, kind: str, options: dict[str, Any], fit: Fit, tmp_path: Path) -> None:
    """EXIF's orientation is applied, and the header tells the size of the image turned upright."""
    values = np.zeros((16, 40, 3), np.uint8)
    values[:8, :8] = 255  # a corner shows how the image lies
    content = encoded(Image.fromarray(values), kind, exif=exif(orientation), **options)
    path = str(save(tmp_path / "file", content))
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
    assert read_header(path) == Header(upright.height, upright.width, gray=False)
    x = read_pixels(path, (1, upright.height, upright.width), fit=fit)
    assert np.abs(x[0].astype(int) - np.asarray(upright.convert("L"))).max() <= (12 if kind == "JPEG" else 0)


def test_orientation_behind_the_pixels(tmp_path: Path) -> None:
    """In a PNG file, orientation counts also where it is stored behind the pixels."""
    data = exif(6).tobytes().removeprefix(b"Exif\0\0")
    rows = b"\0" + bytes([255, 0, 0]) + b"\0" + bytes(3)
    x = pixels(png(3, 2, behind=chunk(b"eXIf", data), rows=rows), tmp_path, (1, 3, 2))
    assert x[0].tolist() == [[0, 255], [0, 0], [0, 0]]


@pytest.mark.parametrize("data", [b"", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0" + b"\xff" * 65_000])
def test_damaged_exif(data: bytes, tmp_path: Path) -> None:
    """Damaged or huge EXIF data do not cost an image."""
    content = encoded(Image.new("L", (8, 8), 77), "JPEG", exif=data)
    assert np.unique(pixels(content, tmp_path, (1, 4, 4))).tolist() == [77]
    assert read_header(str(tmp_path / "file.png")) == Header(8, 8, gray=True)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_of_several_images(kind: str, tmp_path: Path) -> None:
    """Of an animation or a file with several pages, the first image is taken."""
    first, *others = (Image.new("L", (8, 8), level) for level in (200, 100, 0))
    content = encoded(
        first, kind, save_all=True, append_images=others, **({"lossless": True} if kind == "WEBP" else {})
    )
    assert np.unique(pixels(content, tmp_path, (1, 8, 8))).tolist() == [200]


@pytest.mark.parametrize("factor", [2, 3, 7])
def test_smaller_pixels_are_means(factor: int, tmp_path: Path) -> None:
    """A pixel of an image made smaller is the mean of the area that it covers, up to rounding."""
    values = noise(5 * factor, 6 * factor)
    x = pixels(encoded(Image.fromarray(values), "PNG"), tmp_path, (3, 5, 6))
    means = values.reshape(5, factor, 6, factor, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(x, means.transpose(2, 0, 1), atol=1)


def test_smaller_pixels_of_jpeg_are_means(tmp_path: Path) -> None:
    """A large JPEG image, decoded at a part of its size, gives the same means."""
    smooth = np.asarray(Image.fromarray(noise(10, 13)).resize((523, 401), Image.Resampling.BICUBIC))
    content = encoded(Image.fromarray(smooth), "JPEG", quality=95)
    x = pixels(content, tmp_path, (3, 20, 26), fit="crop")
    with Image.open(tmp_path / "file.png") as image:
        left = (523 - 401 * 26 / 20) / 2
        whole = image.convert("RGB").resize((26, 20), Image.Resampling.BOX, box=(left, 0, 523 - left, 401))
    difference = np.abs(x.astype(int) - np.asarray(whole).transpose(2, 0, 1))
    assert difference.mean() < 3  # of noise; a shift by one pixel of 26 would make it 30
    assert difference.max() < 20


@pytest.mark.parametrize("side", [24, 47, 48, 60, 96])
def test_jpeg_keeps_twice_the_pixels(side: int, tmp_path: Path) -> None:
    """A JPEG image less than four times as large as wanted is decoded whole: its means are exact."""
    content = encoded(Image.fromarray(noise(96, 96)), "JPEG", quality=95)
    x = pixels(content, tmp_path, (3, side, side))
    with Image.open(tmp_path / "file.png") as image:
        exact = image.convert("RGB").resize((side, side), Image.Resampling.BOX)
    if side > 24:
        np.testing.assert_array_equal(x, np.asarray(exact).transpose(2, 0, 1))
    else:  # at half its size, noise still has the mean of its area, up to rounding and clipping
        assert np.abs(x.astype(int) - np.asarray(exact).transpose(2, 0, 1)).mean() < 4


def test_larger_images_are_interpolated(tmp_path: Path) -> None:
    """An image made larger has values between those of the file."""
    x = pixels(encoded(Image.fromarray(np.array([[0, 100]], np.uint8)), "PNG"), tmp_path, (1, 2, 4))
    assert x[0].tolist() == [[0, 25, 75, 100]] * 2


def test_padding_keeps_the_whole_image(tmp_path: Path) -> None:
    """Padded, an image keeps its ratio and lies in the middle, on the median colour of its border."""
    values = np.full((4, 8), 50, np.uint8)
    values[1:3, 2:6] = 200
    values[0, 0] = 255
    x = pixels(encoded(Image.fromarray(values), "PNG"), tmp_path, (1, 8, 8))[0]
    assert x[2:6].tolist() == values.tolist()
    assert np.unique(x[:2]).tolist() == np.unique(x[6:]).tolist() == [50]


def test_padded_sides_are_rounded(tmp_path: Path) -> None:
    """The shorter side is rounded to the nearest pixel: 2/3 of 4 is 3, and what is left over lies below."""
    values = np.array([[0, 0, 0], [0, 200, 0]], np.uint8)
    x = pixels(encoded(Image.fromarray(values), "PNG"), tmp_path, (1, 4, 4))[0]
    assert (x.max(axis=1) > 0).tolist() == [False, True, True, False]
    x = pixels(encoded(Image.fromarray(values.T), "PNG"), tmp_path, (1, 4, 4))[0]
    assert (x.max(axis=0) > 0).tolist() == [False, True, True, False]


def test_cropping_fills_the_shape(tmp_path: Path) -> None:
    """Cropped, an image keeps its ratio, and as much is cut off on either side."""
    values = noise(4, 8, channels=1)
    x = pixels(encoded(Image.fromarray(values), "PNG"), tmp_path, (1, 4, 4), fit="crop")
    np.testing.assert_array_equal(x[0], values[:, 2:6])
    x = pixels(encoded(Image.fromarray(values.T), "PNG"), tmp_path, (1, 4, 4), fit="crop")
    np.testing.assert_array_equal(x[0], values.T[2:6])


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (3, 3000), (5000, 7), (33, 31)])
@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 1, 1), (3, 8, 50)])
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_extreme_sizes(size: tuple[int, int], shape: tuple[int, int, int], fit: Fit, tmp_path: Path) -> None:
    """An image of any ratio gets its shape: no side becomes 0."""
    for kind in ("PNG", "JPEG"):
        x = pixels(encoded(Image.new("L", size, 99), kind), tmp_path, shape, fit=fit)
        assert x.shape == shape
        assert x.dtype == np.uint8
        assert np.unique(x).tolist() == [99]


@pytest.mark.parametrize("share", [0.3, 0.6, 0.99])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
def test_a_truncated_file(kind: str, share: float, tmp_path: Path) -> None:
    """A truncated file is unreadable, whatever part of the image could be shown."""
    content = encoded(Image.fromarray(noise(64, 64, channels=1)), kind)
    reasons(content[: int(len(content) * share)], tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (
            bytes(1000),
            "it is not an image that can be read: it begins with b'\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
        ),
        (b"<html>\n", "it is not an image that can be read: it begins with b'<html>\\n'"),
        (b"\x89PNG\r\n\x1a\n", "it is not an image that can be read: it begins with b'\\x89PNG\\r\\n\\x1a\\n'"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "it is not an image that can be read: it begins with b'%!PS-Ado'"),
        (png(100_000, 100_000), "it has 10000000000 pixels by its header, more than the 67108864 allowed"),
        (png(2**31 - 1, 2**31 - 1), "it has 4611686014132420609 pixels by its header, more than the 67108864 allowed"),
        (png(10_000, 10_000), "it has 10000 x 10000 pixels by its header, more than the 67108864 allowed"),
        (png(0, 5), "it is not an image that can be read: it begins with b'\\x89PNG\\r\\n\\x1a\\n'"),
    ],
)
def test_what_is_no_image(content: bytes, reason: str, tmp_path: Path) -> None:
    """No bytes, zeros, text, a bare signature, a program, and too many pixels are each told by the header alone."""
    assert reasons(content, tmp_path) == (reason, reason)


def test_the_users_limit_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pillow was told of a lower limit, or of none, pillow's setting is obeyed and stays as it is."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 30)
    assert reasons(png(8, 8), tmp_path)[0] == "it has 64 pixels by its header, more than the 60 allowed"
    assert pixels(png(6, 6), tmp_path, (1, 2, 2)).shape == (1, 2, 2)  # pillow itself would warn
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert "more than the 67108864 allowed" in str(reasons(png(100_000, 100_000), tmp_path)[0])
    assert Image.MAX_IMAGE_PIXELS is None


@pytest.mark.parametrize(
    "content",
    [
        png(8, 8, before=chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(2**27)))),
        png(8, 8, before=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**27)))),
        png(8, 8, before=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(2**27)))),
        crowded_tiff(4000, 2**20),
    ],
    ids=["iTXt", "zTXt", "iCCP", "TIFF"],
)
def test_a_bomb_in_the_metadata(content: bytes, tmp_path: Path) -> None:
    """Metadata that unpack to more than the image do not fill the memory, whether or not the image is then read."""
    path = str(save(tmp_path / "file.png", content))
    tracemalloc.start()
    with suppress(UnreadableImage):
        read_pixels(path, (1, 8, 8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xd8\xff\xe0\0\4ab" + bytes(2**22),
        png(8, 8, before=chunk(b"teXt", b"") * 100_000),
    ],
    ids=["JPEG", "PNG"],
)
def test_a_file_made_to_stall(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Junk, which is skipped byte by byte, and parts without content or end are given up."""
    monkeypatch.setattr("decda.plugins.datasets.bounded_files.MAX_READS", 2**16)
    reason = "its structure is too intricate, as in files made to stall a reader"
    assert reasons(content, tmp_path) == (reason, reason)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "there is not enough memory for it"),
        (OSError(12, "Cannot allocate memory"), "there is not enough memory for it"),
        (OSError(5, "Input/output error"), "Input/output error"),
        (RecursionError("maximum recursion depth exceeded"), "RecursionError: maximum recursion depth exceeded"),
        (KeyError(3), "KeyError: 3"),
        (ValueError("a\nb\x1b[2J\u2028" + "c" * 500), "a b [2J " + "c" * 192),
        (ValueError(), "ValueError"),
        (SyntaxError("broken PNG file"), "broken PNG file"),
    ],
)
def test_any_exception_is_a_reason(
    error: Exception, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever decoding raises becomes a reason in one short line without control characters."""

    def fail(image: ImageFile.ImageFile) -> None:
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    path = save(tmp_path / "file.bmp", encoded(Image.new("L", (8, 8)), "BMP"))
    with pytest.raises(UnreadableImage) as caught:
        read_pixels(str(path), (1, 8, 8))
    assert str(caught.value) == reason


def test_ctrl_c_is_no_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt while an image is decoded is not taken for a damaged image."""

    def interrupt(image: ImageFile.ImageFile) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageFile.ImageFile, "load", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_pixels(str(save(tmp_path / "file.bmp", encoded(Image.new("L", (8, 8)), "BMP"))), (1, 8, 8))


@pytest.mark.parametrize("change", [lambda path: path.write_bytes(path.read_bytes() + b"\0"), Path.touch, Path.unlink])
def test_a_file_that_changed(change: Callable[[Path], object], tmp_path: Path) -> None:
    """A file that changed or vanished since it was found is unreadable: its pixels would be kept under a wrong key."""
    path = save(tmp_path / "file.png", png(64, 64))
    status = path.stat()
    state = (status.st_size, status.st_mtime_ns - 1)
    change(path)
    with pytest.raises(UnreadableImage, match="it was changed while|No such file"):
        read_pixels(str(path), (1, 8, 8), state=state)


def test_large_images_are_decoded_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images that take much memory are not decoded by two threads at once; small ones are."""
    at_once = {True: 0, False: 0}
    busy: list[int] = []

    def load(image: ImageFile.ImageFile) -> Any:
        busy.append(1)
        at_once[large] = max(at_once[large], len(busy))
        time.sleep(0.05)
        busy.pop()
        return original(image)

    original = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    path = str(save(tmp_path / "file.bmp", encoded(Image.new("L", (64, 64)), "BMP")))
    for large in (True, False):
        monkeypatch.setattr(image_files, "MANY_PIXELS", 1000 if large else 2**24)
        threads = [threading.Thread(target=read_pixels, args=(path, (1, 8, 8))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert at_once[True] == 1
    assert at_once[False] > 1


def test_no_warning_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where warnings are errors, what pillow only warns of is still read, in every thread, and not told."""
    image = Image.new("P", (8, 8))
    image.putpalette([10, 20, 30, 40, 50, 60])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)  # it warns of more, and refuses twice as many
    path = str(save(tmp_path / "file.png", encoded(image, "PNG", transparency=bytes([255, 0]))))
    found: list[Any] = []

    def read() -> None:
        for alpha in ("white", "drop"):
            found.append(read_pixels(path, (3, 8, 8), alpha=alpha)[:, 0, 0].tolist())

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with pytest.raises(Image.DecompressionBombWarning):
            Image.open(path)
    assert found == [[10, 20, 30]] * 8
