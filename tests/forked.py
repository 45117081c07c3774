"""The command line in processes that need not load PyTorch anew: they are forked from one that has.

Such a process has its own memory, folder, stdout and stderr, and ends as any other. What it loads at its start was
loaded as the server was, so that a test with environment variables or packages of its own needs a process of its own.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from decda.cli import COMMANDS, main

TIMEOUT = 120
MODULES = ("decda.core.runs.experiment", "decda.core.studies.seeds", "decda.core.studies.runner", "sklearn.datasets")
"""Loaded once. Nothing is computed before a fork: PyTorch's threads would not outlive it."""


class Forks:
    """A server that runs commands in forks of itself.

    Args:
        environment: of all commands.

    Attributes:
        environment: as given.
    """

    def __init__(self, environment: dict[str, str]):
        self.environment = environment
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.forked"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environment, cwd=Path(__file__).parents[1],
        )  # fmt: skip

    def run(self, words: tuple[str, ...], cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run a command to its end.

        Args:
            words: after `decda`.
            cwd: its folder.
        """
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            job = {"words": words, "cwd": str(cwd), "out": str(out), "err": str(err)}
            print(json.dumps(job), file=self._server.stdin, flush=True)
            code = int(self._server.stdout.readline())
            return subprocess.CompletedProcess(words, code, out.read_text(), err.read_text())

    def close(self) -> None:
        """End the server."""
        with contextlib.suppress(BrokenPipeError):
            self._server.communicate()


def serve() -> None:
    """Run a command for each line of stdin, and answer with its exit code, negative if it was a signal."""
    for name in (*MODULES, *(f"decda.commands.{command.replace('-', '_')}" for command in COMMANDS)):
        import_module(name)
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(job)
            main()
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(job: dict[str, Any]) -> None:
    """Take over the streams, the folder and the words of a command, and end after a while whatever happens."""
    os.chdir(job["cwd"])
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, job["out"], os.O_WRONLY | os.O_CREAT),
        (2, job["err"], os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.argv = ["decda", *job["words"]]
    signal.alarm(TIMEOUT)


if __name__ == "__main__":
    serve()
