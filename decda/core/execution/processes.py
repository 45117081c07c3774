"""Several runs at once on a CPU: a fresh process for each, which tells its events through a pipe.

Importing this imports no torch: in a process of the pool it comes after the number of threads is set.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any

from decda.core.config.run_config import RunConfig
from decda.core.events import Batch, Event, Initialised, Progress, Refreshed
from decda.core.execution.messages import Failed, Finished, Job, Notify, Outcome, Said, Told
from decda.core.process.allocator import keep_freed_memory

EVENT_SECONDS = 0.2
"""Between two events that are for displays alone."""
PATIENCE = 10.0
"""Seconds that a process has to leave before it is killed."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_pool(
    waiting: deque[Job],
    notify: Notify,
    *,
    at_once: int,
    data_root: Path,
    offline: bool,
    threads: int,
    load: Sequence[Path] = (),
) -> None:
    """Run each job in a fresh process; one that fails does not stop the others.

    A fresh one, for a process that has trained before may compute otherwise than one that has not.

    Args:
        waiting: jobs in the order they start. They leave it as they do, and what `notify` adds meanwhile is run too.
        notify: gets the events of each run, the lines its process wrote, and its outcome once that has ended. Events
            come without tensors, and those for displays alone a few times a second.
        at_once: processes at once.
        data_root: of each process's `Files`.
        offline: of each process's `Files`.
        threads: of each process.
        load: files whose parts each process adds, see `load_file`.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; the processes have ended.
    """
    running: list[_Worker] = []
    with _Interrupts() as interrupts:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    with interrupts.held():  # or a process might run on that nobody knows of
                        running.append(_Worker(waiting.popleft(), data_root, offline, threads, load))
                ready = wait([source for worker in running for source in worker.sources])
                for worker in [worker for worker in running if not worker.sources.isdisjoint(ready)]:
                    told = worker.hear()
                    if worker.pipe not in worker.sources:
                        running.remove(worker)
                        told += worker.end()
                    for each in told:
                        notify(worker.key, each)
        finally:
            interrupts.holding = True  # a second Ctrl-C leaves no process behind either
            for worker in running:
                worker.process.terminate()
            for worker in running:
                worker.end()


class _Worker:
    """A process, what it tells through one pipe, and what it writes, which comes through another.

    Lines that several processes wrote to a terminal by themselves would tear up what is displayed there.
    """

    def __init__(self, job: Job, data_root: Path, offline: bool, threads: int, load: Sequence[Path]):
        context = get_context("spawn")
        self.key, self.seed = job.key, job.config.seed
        self.outcome: Outcome | None = None
        self.pipe, its_pipe = context.Pipe(duplex=False)
        self.output, its_output = context.Pipe(duplex=False)
        self.process: SpawnProcess = context.Process(
            target=_work, args=(job.config, job.out, data_root, offline, threads, load, its_pipe, its_output)
        )
        # Libraries count threads when they are loaded, which may be before any line of ours runs there.
        with _environment(OMP_NUM_THREADS=str(threads)):
            self.process.start()
        its_pipe.close()  # so that the pipes end when the process does
        its_output.close()
        self.sources: set[Connection] = {self.pipe, self.output}
        self._unfinished_line = b""

    def hear(self) -> list[Told]:
        """What has come meanwhile. `pipe` leaves the sources when the process has ended, by its own will or not."""
        told = self._read()
        try:
            if self.pipe.poll():
                message = self.pipe.recv()
                if isinstance(message, Finished | Failed):
                    self.outcome = message
                else:
                    told.append(message)
        except (EOFError, OSError):
            self.sources.discard(self.pipe)
        return told

    def end(self) -> list[Told]:
        """Wait until the process has left, make it leave if it does not; its last lines and its outcome."""
        told: list[Told] = []
        self.sources.discard(self.pipe)
        deadline = time.monotonic() + PATIENCE
        while self.process.is_alive() and (left := deadline - time.monotonic()) > 0:
            # It may still write more than a pipe holds.
            wait([self.process.sentinel, *self.sources], left)
            told += self._read()
        if self.process.is_alive():  # a thread of a part, perhaps
            self.process.kill()
        self.process.join()
        while self.output in self.sources and wait([self.output], 0):
            told += self._read()
        if self._unfinished_line:
            told.append(Said(self._unfinished_line.decode(errors="replace")))
        code = self.process.exitcode or 0
        self.process.close()
        self.pipe.close()
        self.output.close()
        return [*told, self.outcome or Failed(self.seed, _last_words(self.seed, code))]

    def _read(self) -> list[Told]:
        """Lines it has written meanwhile. `output` leaves the sources when nothing more can come."""
        try:
            if self.output not in self.sources or not self.output.poll():
                return []
            written = os.read(self.output.fileno(), 65536)
        except OSError:  # so ends a pipe of Windows
            written = b""
        if not written:
            self.sources.discard(self.output)
        *lines, self._unfinished_line = (self._unfinished_line + written).replace(b"\r", b"\n").split(b"\n")
        return [Said(line.decode(errors="replace")) for line in lines if line]


def _last_words(seed: int, code: int) -> str:
    if code >= 0:
        return f"The process of seed {seed} left with code {code} in the middle of its run."
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = " If the system was out of memory, fewer runs at once may fit: --jobs." if name == "SIGKILL" else ""
    return f"The process of seed {seed} was killed by {name}.{hint}"


def _work(
    config: RunConfig,
    out: Path,
    data_root: Path,
    offline: bool,
    threads: int,
    load: Sequence[Path],
    pipe: Connection,
    output: Connection,
) -> None:
    """What a process does: one run, as if it were alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    if os.name == "posix":  # where a pipe is a file
        for number in (1, 2):  # whatever is written, from C too
            os.dup2(output.fileno(), number)
    keep_freed_memory()
    with contextlib.redirect_stdout(sys.stderr):
        import torch

        torch.set_num_threads(threads)
        reporter = _Reporter(pipe)
        pipe.send(_outcome(config, out, data_root, offline, load, reporter))
        pipe.close()


def _outcome(
    config: RunConfig, out: Path, data_root: Path, offline: bool, load: Sequence[Path], notify: "_Reporter"
) -> Outcome:
    from decda.core.files import Files
    from decda.core.parts.loading import load_file
    from decda.core.parts.registry import Registry
    from decda.core.runs.experiment import run

    try:
        files = Files(data_root, offline=offline, notify=notify)
        registry = Registry.discover()
        for path in load:
            load_file(registry, path)
        return Finished.of(run(config, registry, files, out=out, notify=notify))
    except Exception as error:
        return Failed.of(config.seed, error)


class _Reporter:
    """A listener that sends events up a pipe."""

    def __init__(self, pipe: Connection):
        self.pipe = pipe
        self._next = 0.0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Batch) or (isinstance(event, Progress) and not event.terms):
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + EVENT_SECONDS
        slim = without_tensors(event)
        if slim is None:
            return
        try:
            self.pipe.send(slim)
        except BrokenPipeError:  # the parent was killed: nobody waits for this run
            os._exit(1)


def without_tensors(event: Event) -> Event | None:
    """The event as it goes through a pipe: terms as numbers, no labels; None if it does not go."""
    if isinstance(event, Initialised):
        return None
    if isinstance(event, Progress | Refreshed):
        terms: Any = {name: float(term) for name, term in event.terms.items()}
        nothing: Any = ()
        return replace(event, terms=terms, **({"labels": nothing} if isinstance(event, Refreshed) else {}))
    return event


class _Interrupts:
    """While it lasts, SIGTERM interrupts as Ctrl-C does, and both can be held back for a moment."""

    def __init__(self) -> None:
        self.holding = self.pending = False
        self.former: Mapping[int, Any] = {}

    def __enter__(self) -> "_Interrupts":
        if threading.current_thread() is threading.main_thread():  # no other may have handlers
            # What is ignored (by nohup, in the background of a script) stays so.
            wanted = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self.former = {number: signal.signal(number, self._interrupt) for number in wanted}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self.former.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Interrupts come at the end; processes started in here never see Ctrl-C, from their first moment on."""
        self.holding = True
        former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if hasattr(signal, "pthread_sigmask") else ()
        try:
            yield
        finally:
            if hasattr(signal, "pthread_sigmask"):
                signal.pthread_sigmask(signal.SIG_SETMASK, former)
            self.holding = False
        if self.pending:
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.holding:
            self.pending = True
        else:
            raise KeyboardInterrupt


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    former = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in former.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
