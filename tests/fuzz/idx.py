"""Fuzzes the parser of IDX files."""

import contextlib
import struct
from collections.abc import Callable

from tests.fuzz.harness import fuzz


def load() -> Callable[[bytes], object]:
    from decda.core.errors import DataError
    from decda.plugins.datasets.idx import parse_idx

    def try_input(content: bytes) -> None:
        for n_dims in (1, 3):
            with contextlib.suppress(DataError):
                array = parse_idx(content, n_dims=n_dims, source="input")
                assert array.ndim == n_dims
                assert 4 + 4 * n_dims + array.size == len(content)

    return try_input


if __name__ == "__main__":
    fuzz(load, [struct.pack(">HBB2I", 0, 8, 1, 3, 0)[:-1], struct.pack(">HBB3I", 0, 8, 3, 1, 2, 2) + b"four"])
