"""Several processes that share a run, started as `torchrun` starts them, but at once and without its own process."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TIMEOUT = 120


def environments(n: int) -> list[dict[str, str]]:
    """What `torchrun` puts into the environment of each of n processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    return [{**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(n)]


def start_together(
    words: Sequence[str], n: int, cwd: Path, extra: Sequence[Mapping[str, str]] = ()
) -> list[subprocess.Popen[str]]:
    """Start `python WORDS...` n times; `extra` adds to the environment of the first processes."""
    root = Path(__file__).parents[1]
    started = []
    for rank, environment in enumerate(environments(n)):
        more = extra[rank] if rank < len(extra) else {}
        started.append(
            subprocess.Popen(
                [sys.executable, *words], cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env={**environment, "PYTHONPATH": str(root), **more},
            )
        )  # fmt: skip
    return started


def end_together(started: Sequence[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """The exit code, the output and the errors of each."""
    try:
        ended = [(process, *process.communicate(timeout=TIMEOUT)) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, out, err) for process, out, err in ended]
