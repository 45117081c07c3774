"""The engine of this machine: a process for each run, watched by a thread."""

import concurrent.futures
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from decda.core.execution.engine import Tell
from decda.core.execution.messages import Failed, Job, Outcome
from decda.core.execution.processes import POLL_SECONDS, Order, run_in_process
from decda.core.execution.protocol import WorkerJob


@dataclass
class LocalHome:
    """The home of runs in processes that this process watches itself.

    Attributes:
        tell: gets their messages.
        engine: says when they are to end.
    """

    tell: Tell
    engine: "LocalEngine"

    def order(self) -> Order | None:
        """Whether the run is to end, and how."""
        return self.engine.order


class LocalEngine:
    """Processes of this machine.

    Args:
        n_jobs: processes at once.
        words: makes what a process has to know.
    """

    def __init__(self, n_jobs: int, words: Callable[[Job], WorkerJob]):
        self.slots: int | None = n_jobs
        self.words = words
        self.order: Order | None = None
        self._threads = ThreadPoolExecutor(n_jobs, thread_name_prefix="decda-run")

    def submit(self, job: Job, tell: Tell) -> Future[Any]:
        """Start a process."""
        return self._threads.submit(run_in_process, self.words(job), LocalHome(tell, self))

    def receive(self, job: Job, future: Future[Any]) -> Outcome | None:
        """What the process sent, or why it did not."""
        error = future.exception()
        if isinstance(error, Exception):
            return Failed.from_error(job.config.seed, error)
        outcome: Outcome | None = future.result()
        return outcome

    def end(self, futures: Collection[Future[Any]]) -> None:
        """Make the processes save their runs and end; a second Ctrl-C leaves none behind either."""
        self.order = "save"
        try:
            while concurrent.futures.wait(futures, POLL_SECONDS).not_done:
                pass  # a signal that reaches another thread is handled in this one when it wakes
        except KeyboardInterrupt:
            self.order = "end"
            raise
        finally:
            self._threads.shutdown()
