"""Several runs at once on a CPU: a fresh process for each, started as `python -m decda.core.execution.worker`.

Importing this loads no torch.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from decda.core.atomic_files import read_json, rewrite_json
from decda.core.errors import DataError, OutputError
from decda.core.execution.messages import Failed, Finished, Job, Message, Notify, Outcome, OutputLine
from decda.core.execution.protocol import WorkerJob, from_line
from decda.core.process.interrupts import Interrupts

WORKER = "decda.core.execution.worker"
EXIT_TIMEOUT = 10.0
"""Seconds that a process has to exit after its outcome before it is killed."""
SAVE_TIMEOUT = 30.0
"""Seconds that a process has to finish its step and to save its run when all are interrupted."""


def run_in_processes(
    waiting: deque[Job],
    notify: Notify,
    *,
    n_jobs: int,
    data_root: Path,
    offline: bool,
    threads: int,
    load: Sequence[Path] = (),
    checkpoint_every: float = 0.0,
    listen: Sequence[str] = (),
    interrupts: Interrupts | None = None,
) -> None:
    """Run each job in a fresh process; one that fails does not stop the others.

    The processes are fresh because one that has trained before may compute differently from one that has not.

    Args:
        waiting: jobs in the order in which they start. They leave it as they do, and what `notify` adds meanwhile is
            run, too.
        notify: gets the events of each run, the lines its process wrote, and its outcome once the process has exited.
            Events come without labels and embeddings, and those for displays a few times a second.
        n_jobs: processes at once.
        data_root: of each process's `Files`.
        offline: of each process's `Files`.
        threads: of each process.
        load: files of parts that each process loads, see `load_file`.
        checkpoint_every: seconds between two checkpoints of a run; 0: none.
        listen: names of the listeners of each run, which its process makes.
        interrupts: raises the signals at which all processes save their runs and end.

    Raises:
        KeyboardInterrupt: such a signal; the processes have ended.
    """
    inbox: SimpleQueue[tuple[_Process, Message | None]] = SimpleQueue()
    running: list[_Process] = []
    interrupts = interrupts or Interrupts()
    try:
        while waiting or running:
            while waiting and len(running) < n_jobs:
                with interrupts.held():  # or a process might run on that nobody knows of
                    job = waiting.popleft()
                    words = WorkerJob.from_job(job, data_root, offline, threads, load, checkpoint_every, listen)
                    running.append(_Process(job, words, inbox))
            process, message = inbox.get()
            if message is None:
                running.remove(process)
                notify(process.key, process.outcome or _fail(process))
            elif isinstance(message, Finished | Failed):
                process.outcome = message
            else:
                notify(process.key, message)
    finally:
        with interrupts.deferred():
            _end_all(running)


def _end_all(running: Sequence["_Process"]) -> None:
    """Make processes save their runs and end; a second Ctrl-C leaves none behind either."""
    for process in running:
        process.popen.terminate()
    deadline = time.monotonic() + SAVE_TIMEOUT
    try:
        for process in running:
            process.exit_by(deadline)
    except KeyboardInterrupt:
        for process in running:
            process.exit_by(0)
        raise


class _Process:
    """A process, the messages it sends on stdout, and the lines it writes to stderr.

    Both are read by threads into one inbox; None is the last to come. If several processes wrote to a terminal by
    themselves, their lines would tear apart what is displayed there.
    """

    def __init__(self, job: Job, words: WorkerJob, inbox: "SimpleQueue[tuple[_Process, Message | None]]"):
        self.key, self.seed = job.key, job.config.seed
        self.out = job.out
        self.outcome: Outcome | None = None
        self.inbox = inbox
        self.popen = subprocess.Popen(
            [sys.executable, "-P", "-m", WORKER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(words.threads),
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read_output, daemon=True)
        self.watcher = threading.Thread(target=self._watch, daemon=True)
        self.reader.start()
        self.watcher.start()
        with contextlib.suppress(BrokenPipeError), self._stream("stdin") as stdin:
            stdin.write(words.as_line().encode())

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

    def _watch(self) -> None:
        """Pass on messages until the outcome has come or the process has exited, then make it exit."""
        try:
            with self._stream("stdout") as stdout:
                for line in stdout:
                    message = _read_message(line)
                    self.inbox.put((self, message))
                    if isinstance(message, Finished | Failed):
                        break  # it is the last, and a process that a part forked may keep the pipe open
            self.exit_by(time.monotonic() + EXIT_TIMEOUT)
            self.reader.join(1)  # would wait for ever if a process that a part started holds the pipe
        finally:
            self.inbox.put((self, None))

    def _read_output(self) -> None:
        """Pass on the lines it writes, whatever their encoding."""
        unfinished = b""
        with self._stream("stderr") as stderr:
            while written := os.read(stderr.fileno(), 65536):
                *lines, unfinished = (unfinished + written).replace(b"\r", b"\n").split(b"\n")
                for line in filter(None, lines):
                    self.inbox.put((self, OutputLine(line.decode(errors="replace"))))
        if unfinished:
            self.inbox.put((self, OutputLine(unfinished.decode(errors="replace"))))

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
    """The environment of a process: libraries count threads as they load; modules are found as they are here."""
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if isinstance(entry, str))
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path}


def _fail(process: _Process) -> Failed:
    """The outcome of a process that died without sending one; its provenance says so, too."""
    failed = _describe_exit(process)
    file = process.out / "provenance.json"
    with contextlib.suppress(DataError, OutputError):  # it may not have come so far
        provenance = read_json(file)
        if provenance.get("status") == "started":
            rewrite_json(file, provenance | {"status": "failed", "reason": failed.error})
    return failed


def _describe_exit(process: _Process) -> Failed:
    """Why a process that sent no outcome has none."""
    code = process.popen.returncode
    if code >= 0:
        return Failed(process.seed, f"The process of seed {process.seed} exited with code {code} during its run.")
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = " If the system was out of memory, run fewer jobs at once." if name == "SIGKILL" else ""
    return Failed(process.seed, f"The process of seed {process.seed} was killed by {name}.{hint}")
