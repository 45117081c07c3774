"""Fuzzes the reading of several seeds."""

import contextlib
from collections.abc import Callable

from tests.fuzz.harness import fuzz


def load() -> Callable[[bytes], object]:
    from decda.core.errors import InvalidParameter
    from decda.core.studies.seed_ranges import MAX_SEEDS, format_seeds, parse_seeds

    def try_input(content: bytes) -> None:
        with contextlib.suppress(InvalidParameter):
            seeds = parse_seeds(content.decode(errors="surrogateescape"))
            assert 1 <= len(seeds) <= MAX_SEEDS
            assert list(seeds) == sorted(set(seeds))
            assert len(format_seeds(seeds)) < 100

    return try_input


if __name__ == "__main__":
    fuzz(load, [b"0-4", b"0,2,5", b"3", b"0-2, 7", b"999999999999999999", b"0-1000", b"\xd9\xa1"])
