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
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any

from decda.core.allocator import keep_freed_memory
from decda.core.config import RunConfig
from decda.core.events import Batch, Event, Initialised, Progress, Refreshed
from decda.core.seeds import Failed, Finished, Notify, Outcome

EVENT_SECONDS = 0.2
"""Between two events that are for displays alone."""
PATIENCE = 10.0
"""Seconds that a process has to leave before it is killed."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Job:
    """One run, as its process is told.

    Attributes:
        config: with the seed.
        out: the run's folder.
        data_root: of its `Files`.
        offline: of its `Files`.
        threads: of PyTorch.
    """

    config: RunConfig
    out: Path
    data_root: Path
    offline: bool
    threads: int


def run_pool(jobs: Sequence[Job], notify: Notify, *, at_once: int) -> None:
    """Run each job in a fresh process; one that fails does not stop the others.

    A fresh one, for a process that has trained before may compute otherwise than one that has not.

    Args:
        jobs: in the order they start, the seed of each another.
        notify: gets the events of each seed, and its outcome once its process has ended. Events come without tensors,
            and those for displays alone a few times a second.
        at_once: processes at once.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM; the processes have ended.
    """
    waiting, running = deque(jobs), dict[Connection, _Worker]()
    with _Interrupts() as interrupts:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    with interrupts.held():  # or a process might run on that nobody knows of
                        worker = _Worker(waiting.popleft())
                        running[worker.pipe] = worker
                for pipe in wait(list(running)):
                    worker = running[pipe]  # type: ignore[index]
                    try:
                        told = worker.pipe.recv()
                    except (EOFError, OSError):  # the process has ended, by its own will or not
                        del running[worker.pipe]
                        notify(worker.seed, worker.end())
                        continue
                    if isinstance(told, Finished | Failed):
                        worker.outcome = told
                    else:
                        notify(worker.seed, told)
        finally:
            interrupts.holding = True  # a second Ctrl-C leaves no process behind either
            for worker in running.values():
                worker.process.terminate()
            for worker in running.values():
                worker.end()


class _Worker:
    """A process and what is known of it."""

    def __init__(self, job: Job):
        self.seed = job.config.seed
        self.outcome: Outcome | None = None
        self.pipe, theirs = get_context("spawn").Pipe(duplex=False)
        self.process: SpawnProcess = get_context("spawn").Process(
            target=_work, args=(job, theirs), name=f"decda seed {self.seed}"
        )
        # Libraries count threads when they are loaded, which may be before any line of ours runs there.
        with _environment(OMP_NUM_THREADS=str(job.threads)):
            self.process.start()
        theirs.close()  # so that the pipe ends when the process does

    def end(self) -> Outcome:
        """Wait until the process has left; make it leave if it does not."""
        self.process.join(PATIENCE)
        if self.process.is_alive():  # a thread of a part, perhaps
            self.process.kill()
            self.process.join()
        code = self.process.exitcode
        self.process.close()
        self.pipe.close()
        return self.outcome or Failed(self.seed, _last_words(self.seed, code or 0))


def _last_words(seed: int, code: int) -> str:
    if code >= 0:
        return f"The process of seed {seed} left with code {code} in the middle of its run."
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = " If the system was out of memory, fewer runs at once may fit: --jobs." if name == "SIGKILL" else ""
    return f"The process of seed {seed} was killed by {name}.{hint}"


def _work(job: Job, pipe: Connection) -> None:
    """What a process does: one run, as if it were alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    os.dup2(2, 1)  # whatever a part prints, from C too: stdout is the parent's, for its result
    keep_freed_memory()
    with contextlib.redirect_stdout(sys.stderr):
        import torch

        torch.set_num_threads(job.threads)
        pipe.send(_outcome(job, _Reporter(pipe)))
        pipe.close()


def _outcome(job: Job, notify: "_Reporter") -> Outcome:
    from decda.core.experiment import run
    from decda.core.files import Files
    from decda.core.registry import Registry

    try:
        files = Files(job.data_root, offline=job.offline, notify=notify)
        return Finished.of(job.config.seed, run(job.config, Registry.discover(), files, out=job.out, notify=notify))
    except Exception as error:
        return Failed.of(job.config.seed, error)


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
