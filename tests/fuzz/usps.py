"""Fuzzes the parser of the text of USPS: an input stands before, behind or within a valid line."""

import contextlib
from collections.abc import Callable

from tests.fuzz.harness import fuzz

LINE = b"6" + b" -1.0000" * 256 + b"\n"


def load() -> Callable[[bytes], object]:
    from decda.core.errors import DataError
    from decda.plugins.datasets.usps import parse_rows

    def try_input(text: bytes) -> None:
        for content in (text, text + LINE, LINE + text, LINE[:-8] + text):
            with contextlib.suppress(DataError):
                rows = parse_rows(content)
                assert rows.shape[1] == 257
                assert (abs(rows[:, 1:]) <= 1).all()

    return try_input


if __name__ == "__main__":
    fuzz(load, [b"", b" 0.5\n", b"1e-400", b"nan", b"inf", LINE, b"\n\x0c\r\n", b"1_0"])
