"""Fuzzes the reading of values that are typed as text: the first byte picks the type, the others are the text."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from tests.fuzz.harness import fuzz

TYPES = (
    *(bool, int, float, str, Path, Literal["a", "b"], Literal[1, 2.5, True], tuple[int, ...], tuple[float, int]),
    *(tuple[str, ...], int | None, float | None, Path | None, tuple[bool, ...] | None, Literal["none", "b"] | None),
)


def load() -> Callable[[bytes], object]:
    from decda.core.errors import InvalidParameter
    from decda.core.parts.parameters import Parameter, convert_value, parse_value

    def try_input(content: bytes) -> None:
        kind, text = TYPES[content[0] % len(TYPES)] if content else int, content[1:].decode(errors="surrogateescape")
        parameter = Parameter("mine", kind, None, "help")
        with contextlib.suppress(InvalidParameter):
            value = parse_value("head 'mine'", parameter, text)
            assert convert_value("head 'mine'", parameter, value) == value

    return try_input


if __name__ == "__main__":
    fuzz(load, [bytes([kind]) + text for kind in range(len(TYPES)) for text in (b"1", b"true", b"1e3,2", b"none")])
