"""Fuzzes the unpacking of gzip data; what comes back must be what Python's own module makes of it."""

import contextlib
import gzip
from collections.abc import Callable

from tests.fuzz.harness import fuzz

MAX_BYTES = 100_000


def load() -> Callable[[bytes], object]:
    from decda.core.errors import DataError
    from decda.core.unpacking import unpack_gzip

    def try_input(raw: bytes) -> None:
        with contextlib.suppress(DataError):
            content = unpack_gzip(raw, max_bytes=MAX_BYTES)
            assert content == gzip.decompress(raw)
            assert len(content) <= MAX_BYTES

    return try_input


if __name__ == "__main__":
    packed = gzip.compress(b"some content, some content", mtime=0)
    fuzz(load, [packed, packed + bytes(3) + packed, packed[:-9], gzip.compress(bytes(MAX_BYTES + 1), mtime=0)])
