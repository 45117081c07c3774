"""USPS and its text format."""

import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from decda.core.errors import DataError
from decda.core.files import Files
from decda.plugins.datasets.usps import fingerprint, parse_rows, to_images, usps

DATA = Path(os.environ.get("DECDA_DATA") or Path(__file__).parents[3].parent / "shared" / "data")


def line(label: str, *values: str) -> str:
    """The line of a digit, with the given first values; all others are -1."""
    return " ".join([label, *values, *["-1.0000"] * (256 - len(values))]) + " \n"


def test_parse() -> None:
    """A line has a label and 256 values, row by row, which are scaled from [-1, 1] to [0, 1]."""
    text = line("6.0000", "1.0000", "0.5000") + line("0", *["0"] * 17, "-0.5")
    images = to_images(parse_rows(text.encode()))
    assert images.x.shape == (2, 1, 16, 16)
    assert images.x.dtype == torch.float32
    assert images.x[0, 0, 0, :3].tolist() == [1, 0.75, 0]
    assert images.x[1, 0, 1, :3].tolist() == [0.5, 0.25, 0]
    assert images.y is not None
    assert images.y.dtype == torch.int64
    assert images.y.tolist() == [6, 0]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ("\x1c\n \x0c\n", "empty"),
        ("1 2 3\n", "the first line holds 3 numbers"),
        (line("1", *["0"] * 257), "the first line holds 258 numbers"),
        (line("1") + "1 2\n", "number of columns changed from 257 to 2 at row 2$"),
        ("1 " * 10**6, "line 1 has 2000000 characters"),
        (line("1") + "x" * 10**6, "line 2 has 1000000 characters"),
        (line("1", "\0"), "could not convert string"),
        (line("1", "1e400"), "values from -1 to inf"),
        (line("1", "-inf"), "values from -inf"),
        (line("1e400"), "labels from inf to inf"),
        (line("\N{DIGIT ONE}\N{ARABIC-INDIC DIGIT ONE}"), "ascii"),
        (line("1", "x"), "could not convert"),
        (line("1", "#"), "could not convert"),
        (line("1", "é"), "ascii"),
        (line("10"), "labels from 10 to 10"),
        (line("1.5"), "labels from 1.5"),
        (line("nan"), "labels from nan"),
        (line("1", "1.01"), "values from -1 to 1.01"),
        (line("1", "nan"), "values from nan"),
    ],
)
def test_other_text(text: str, seen: str) -> None:
    """Malformed text is refused, and the error states what was expected and found."""
    with pytest.raises(DataError, match=rf"expected lines of a label .*{seen}"):
        parse_rows(text.encode())


@given(st.binary(max_size=60) | st.text("0123456789.-+eEinfaN \t\r\n", max_size=60).map(str.encode), st.booleans())
def test_any_text(extra: bytes, first: bool) -> None:
    """Arbitrary bytes before or behind a valid line are parsed or refused by a DataError."""
    valid = line("6").encode()
    try:
        rows = parse_rows(extra + valid if first else valid + extra)
    except DataError:
        return
    assert rows.shape[1] == 257
    assert np.isfinite(rows).all()


def test_memory_is_bounded_by_the_text() -> None:
    """A text of very many columns or rows takes no more than some times its own size before it is refused."""
    for text in (b"1 " * 2**20, b"1\n" * 2**20, b"\n" * 2**21, b"x" * 2**21):
        tracemalloc.start()
        try:
            with pytest.raises(DataError):
                parse_rows(text)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 12 * len(text)


def test_fingerprint() -> None:
    """The fingerprint depends on the values and their order, but not on how they are written."""
    published = line("6.0000", "0.0000", "0.5000") + line("3.0000")
    rewritten = line("6", "-0.0", "5e-1").replace("-1.0000", "-1").rstrip() + "\n" + line("3")
    assert fingerprint(published.encode()) == fingerprint(rewritten.encode())
    others = [line("6", "0", "0.501") + line("3"), line("5", "0", "0.5") + line("3"), line("3") + line("6", "0", "0.5")]
    assert len({fingerprint(text.encode()) for text in [published, *others]}) == 4


def test_other_content(tmp_path: Path) -> None:
    """A file that is not the published one, well-formed or not, is refused by name."""
    path = tmp_path / "usps" / "zip.train.gz"
    path.parent.mkdir()
    for text in (line("1"), "6 1:0.5 2:0.25\n"):
        path.write_bytes(gzip.compress(text.encode()))
        with pytest.raises(DataError, match=r"zip\.train\.gz is not the published file"):
            usps(Files(tmp_path, offline=True))


@pytest.mark.skipif(not (DATA / "usps").is_dir(), reason=f"no usps in {DATA}")
def test_published() -> None:
    """The splits of the published files have the known number of digits per class, train before test."""
    images = usps(Files(DATA, offline=True))
    assert images.x.shape == (9298, 1, 16, 16)
    assert images.x.dtype == torch.float32
    assert (images.x.min(), images.x.max()) == (0, 1)
    assert not np.signbit(images.x.numpy()).any()
    assert images.y is not None
    train, test = images.y.split([7291, 2007])
    assert train.bincount().tolist() == [1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644]
    assert test.bincount().tolist() == [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
