"""One run in a fresh process, started as `python -m decda.core.execution.worker` and watched until it has ended.

The process is fresh because one that has trained before may compute differently from one that has not. Importing this
loads no torch.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal, Protocol

from decda.core.atomic_files import read_json, rewrite_json
from decda.core.errors import DataError, OutputError
from decda.core.execution.messages import Failed, Finished, Message, Outcome, OutputLine
from decda.core.execution.protocol import WorkerJob, from_line
from decda.core.process.interrupts import masked
from decda.core.process.launch import VARIABLES

WORKER = "decda.core.execution.worker"
POLL_SECONDS = 0.2
"""Between two looks at whether a run is to end."""
EXIT_TIMEOUT = 10.0
"""Seconds that a process has to exit after its outcome before it is killed."""
SAVE_TIMEOUT = 30.0
"""Seconds that a process has to finish its step and to save its run when it is told to."""
Order = Literal["save", "end"]


class Home(Protocol):
    """Where the messages of a run go to, and where it is decided that it ends early."""

    def tell(self, message: Message) -> None:
        """Pass on an event of the run, or a line that its process wrote; called by several threads.

        Args:
            message: not the outcome.
        """

    def order(self) -> Order | None:
        """Whether the run is to save itself and end, or to end at once; None: it goes on. Asked all the time."""


def run_in_process(job: WorkerJob, home: Home, environment: Mapping[str, str] | None = None) -> Outcome | None:
    """Make one run in a fresh process.

    Args:
        job: the run, which goes on where an earlier process left off.
        home: gets the events of the run and the lines its process wrote. Events come without labels and embeddings,
            and those for displays a few times a second.
        environment: variables that the process gets besides those of this one.

    Returns:
        What the run came to, once the process has exited. None: it ended because it was told to.

    Raises:
        OSError: no process can be started.
    """
    process = _Process(job, home, environment or {})
    told, deadline = False, 0.0
    try:
        while not process.ended.wait(POLL_SECONDS):
            order = home.order()
            if order is not None and not told:
                process.popen.terminate()
                told, deadline = True, time.monotonic() + SAVE_TIMEOUT
            if order == "end" or (told and time.monotonic() >= deadline):
                break
    except BaseException:  # a signal that reached a worker of an executor: nothing is left running
        process.popen.terminate()
        process.exit_by(time.monotonic() + SAVE_TIMEOUT)
        raise
    process.exit_by(0 if told and not process.ended.is_set() else time.monotonic() + EXIT_TIMEOUT)
    process.output.join(1)  # would wait for ever if a process that a part started holds the pipe
    if process.outcome is None and not told:
        return _fail(job, process.popen.returncode)
    return process.outcome


class _Process:
    """A process, what it came to, and two threads that pass on what it sends on stdout and writes to stderr.

    If several processes wrote to a terminal by themselves, their lines would tear apart what is displayed there.
    """

    def __init__(self, job: WorkerJob, home: Home, environment: Mapping[str, str]):
        self.home = home
        self.outcome: Outcome | None = None
        self.ended = threading.Event()
        with masked():
            self.popen = subprocess.Popen(
                [sys.executable, "-P", "-m", WORKER],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env={**_environment(job.threads), **environment},
            )  # fmt: skip
        self.output = threading.Thread(target=self._read_output, daemon=True)
        self.output.start()
        threading.Thread(target=self._read_messages, daemon=True).start()
        with contextlib.suppress(BrokenPipeError):
            # Not closed before it has ended: a worker whose stdin ends knows that nobody waits for it.
            self._stream("stdin").write(job.as_line().encode())
            self._stream("stdin").flush()

    def exit_by(self, deadline: float) -> None:
        """Wait for the process to exit, and kill it if it has not by then.

        Args:
            deadline: in seconds of `time.monotonic`.
        """
        try:
            self.popen.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:  # a thread of a part, a long call into C, an exception that a part swallows
            self.popen.kill()
            self.popen.wait()
        with contextlib.suppress(BrokenPipeError):
            self._stream("stdin").close()

    def _read_messages(self) -> None:
        """Pass on messages until the outcome has come or the process has closed the pipe."""
        try:
            with self._stream("stdout") as stdout:
                for line in stdout:
                    message = _read_message(line)
                    if isinstance(message, Finished | Failed):
                        self.outcome = message
                        break  # it is the last, and a process that a part forked may keep the pipe open
                    self.home.tell(message)
        finally:
            self.ended.set()

    def _read_output(self) -> None:
        """Pass on the lines it writes, whatever their encoding."""
        unfinished = b""
        with self._stream("stderr") as stderr:
            while written := os.read(stderr.fileno(), 65536):
                *lines, unfinished = (unfinished + written).replace(b"\r", b"\n").split(b"\n")
                for line in filter(None, lines):
                    self.home.tell(OutputLine(line.decode(errors="replace")))
        if unfinished:
            self.home.tell(OutputLine(unfinished.decode(errors="replace")))

    def _stream(self, name: str) -> IO[bytes]:
        stream: IO[bytes] = getattr(self.popen, name)
        return stream


def _read_message(line: bytes) -> Message:
    """A line of stdout as the message it is, or as a line of output if it is none."""
    try:
        return from_line(line.decode())
    except ValueError:
        return OutputLine(line.decode(errors="replace").rstrip())


def _environment(threads: int) -> dict[str, str]:
    """The environment of a process: libraries count threads as they load; modules are found as they are here.

    A run of several is no share of another run, even if `torchrun` has started this process.
    """
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if isinstance(entry, str))
    inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return {**inherited, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path}


def _fail(job: WorkerJob, code: int) -> Failed:
    """The outcome of a process that died without sending one; its provenance says so, too."""
    failed = Failed(job.seed, _describe_exit(job.seed, code))
    file = Path(job.out) / "provenance.json"
    with contextlib.suppress(DataError, OutputError):  # it may not have come so far
        provenance = read_json(file)
        if provenance.get("status") == "started":
            rewrite_json(file, provenance | {"status": "failed", "reason": failed.error})
    return failed


def _describe_exit(seed: int, code: int) -> str:
    """Why a process that sent no outcome has none."""
    if code >= 0:
        return f"The process of seed {seed} exited with code {code} during its run."
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = " If the system was out of memory, run fewer jobs at once." if name == "SIGKILL" else ""
    return f"The process of seed {seed} was killed by {name}.{hint}"
