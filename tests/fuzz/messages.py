"""Fuzzes the messages of a run's process: what is no message is a ValueError."""

import contextlib
from collections.abc import Callable

from tests.fuzz.harness import fuzz

SEEDS = (
    b'{"type": "PhaseStarted", "phase": "cluster", "total": 9}',
    b'{"type": "Failed", "seed": 0, "error": "x", "exit_code": 1}',
    b'{"type": "Progress", "phase": "pretrain", "done": 1, "total": 2, "terms": {"kl": NaN}}',
    b"[" * 3000,
    b"9" * 5000,
    b"\xff",
)


def load() -> Callable[[bytes], object]:
    from decda.core.execution.protocol import from_line

    def try_input(content: bytes) -> None:
        with contextlib.suppress(ValueError):
            from_line(content.decode(errors="replace"))

    return try_input


if __name__ == "__main__":
    fuzz(load, SEEDS)
