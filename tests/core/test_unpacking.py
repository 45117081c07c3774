"""gzip data is decompressed up to a size, and what is wrong with it is told apart."""

import contextlib
import gzip
import random
import struct
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decda.core.errors import DataError
from decda.core.unpacking import unpack_gzip

CONTENT = random.Random(0).randbytes(200_000)  # does not compress, so that it takes several chunks
PACKED = gzip.compress(CONTENT)


def test_whole_data() -> None:
    """Content of any size comes back, at exactly the size allowed, too."""
    for content in (b"", b"x", CONTENT, bytes(10**6)):
        assert unpack_gzip(gzip.compress(content), max_bytes=len(content)) == content


def test_members_and_padding() -> None:
    """Several members are joined, and zero bytes behind each are skipped, as gzip does."""
    joined = PACKED + bytes(3) + gzip.compress(b"") + gzip.compress(b"end") + bytes(100_000)
    assert unpack_gzip(joined, max_bytes=10**6) == CONTENT + b"end" == gzip.decompress(joined)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "it is not gzip data: it begins with nothing, not with 1f 8b"),
        (b"<html>", "it is not gzip data: it begins with 3c 68 74 6d, not with 1f 8b"),
        (b"\x1f\x8b", "its gzip data is truncated: the 2 bytes end before it does"),
        (PACKED[:100_000], "its gzip data is truncated"),
        (PACKED[:-1], "its gzip data is truncated"),
        (PACKED + PACKED[:-1], "its gzip data is truncated"),
        (PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], r"damaged: its content does not match its checksum \(CRC\)"),
        (PACKED[:-4] + struct.pack("<I", 7), "damaged: its content does not have the length that it states"),
        (PACKED[:2] + b"\x07" + PACKED[3:], "damaged: unknown compression method"),
        (PACKED[:10] + b"\xff" * 20, "damaged: invalid block type"),
        (PACKED + b"rest", "its gzip data is followed by 4 bytes of another kind"),
        (PACKED + bytes(9) + b"rest", "its gzip data is followed by 4 bytes of another kind"),
    ],
    ids=[
        *("empty", "other", "magic-alone", "cut", "last-byte-missing", "second-cut", "crc", "length", "method"),
        *("no-deflate", "trailing", "trailing-after-zeros"),
    ],
)
def test_what_is_wrong(raw: bytes, reason: str) -> None:
    """Data that is not gzip, truncated, damaged or followed by something else is refused, each with its reason."""
    with pytest.raises(DataError, match=reason):
        unpack_gzip(raw, max_bytes=10**6)


def test_a_bomb_stops_at_the_limit() -> None:
    """A gigabyte of zeros in a megabyte, in one member or in many, takes little more memory than is allowed."""
    member = gzip.compress(bytes(2**20))
    for bomb in (gzip.compress(bytes(2**28)), member * 256):
        tracemalloc.start()
        try:
            with pytest.raises(DataError, match="it holds more than the 1000000 decompressed bytes allowed"):
                unpack_gzip(bomb, max_bytes=10**6)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 4 * 10**6


def test_one_byte_too_many() -> None:
    """The limit is exact."""
    with pytest.raises(DataError, match="more than the 199999"):
        unpack_gzip(PACKED, max_bytes=199_999)


def test_many_small_members_take_no_quadratic_time() -> None:
    """A hundred thousand members are read in a second or so."""
    begun = time.monotonic()
    assert len(unpack_gzip(gzip.compress(b"a") * 100_000, max_bytes=10**6)) == 100_000
    assert time.monotonic() - begun < 10


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=3),
    st.integers(0, 400),
    st.binary(max_size=4),
    st.integers(1),
)
def test_only_data_errors(contents: list[bytes], at: int, patch: bytes, max_bytes: int) -> None:
    """Whatever bytes of valid data are replaced, the content comes back, or a DataError; gzip itself agrees."""
    raw = b"".join(map(gzip.compress, contents))
    raw = raw[:at] + patch + raw[at + len(patch) :]
    try:
        found = unpack_gzip(raw, max_bytes=max_bytes)
    except DataError:
        return
    assert len(found) <= max_bytes
    assert found == gzip.decompress(raw)


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes(raw: bytes, max_bytes: int) -> None:
    """Of arbitrary bytes behind the start of gzip data, only a DataError comes."""
    for start in (b"", b"\x1f\x8b", b"\x1f\x8b\x08\0\0\0\0\0\0\xff"):
        with contextlib.suppress(DataError):
            unpack_gzip(start + raw, max_bytes=max_bytes)
