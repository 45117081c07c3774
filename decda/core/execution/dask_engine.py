"""Dask as an engine: how runs reach its workers, and their messages come home. Dask is imported here alone."""

import asyncio
import contextlib
import itertools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Security, get_worker
from distributed.core import rpc
from distributed.scheduler import KilledWorker

from decda.core.errors import ConfigError, EngineError, in_a_line
from decda.core.execution.engine import Tell
from decda.core.execution.executor_engine import ExecutorEngine
from decda.core.execution.messages import Job, Message, OutputLine
from decda.core.execution.parcels import Parcel
from decda.core.execution.processes import Order
from decda.core.execution.protocol import WorkerJob, as_line, from_line
from decda.core.execution.remote_run import make_run

CONNECT_SECONDS = 10.0
"""How long a scheduler may take to answer."""
SEND_SECONDS = 0.5
"""Between two bundles of messages of a run."""
GPU = "GPU"
"""The resource by which workers say how many GPUs they have: `dask worker --resources GPU=1`."""


@contextlib.contextmanager
def connect(address: str | None) -> Iterator[Executor]:
    """Connect to a scheduler.

    Args:
        address: such as `tcp://host:8786` or, encrypted as Dask's configuration says, `tls://host:8786`; None: as
            Dask's configuration says, which `DASK_SCHEDULER_ADDRESS` is part of.

    Yields:
        An executor.

    Raises:
        ConfigError: there is no address.
        EngineError: nothing answers there, or it is no scheduler of Dask.
    """
    address = address or dask.config.get("scheduler-address", None)
    if not address:
        raise ConfigError(
            "The engine dask needs the address of a scheduler, such as tcp://host:8786.", parameter="scheduler"
        )
    for logger in ("distributed", "distributed.client"):  # what is wrong is told by errors
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    try:
        # Looked at first: a client that cannot connect may wait for ever, or leave a thread behind.
        kind = asyncio.run(asyncio.wait_for(_identify(address), CONNECT_SECONDS))
        if kind != "Scheduler":
            raise ValueError(f"it is a {kind}")
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # of its configuration, of the system, of whatever answers there
        raise EngineError(
            f"No scheduler of Dask answers at {address} ({in_a_line(error)}). Start one (dask scheduler), and workers "
            "(dask worker), and give its address."
        ) from error
    with client:
        yield client.get_executor(pure=False)


async def _identify(address: str) -> str:
    """What kind of server of Dask answers at an address."""
    arguments = Security().get_connection_args("client")
    # Sooner than whoever waits for this gives up, because Dask says what it waited for.
    async with rpc(address, connection_args=arguments, timeout=0.8 * CONNECT_SECONDS) as server:
        return str((await server.identity())["type"])


def has_gpus(executor: Any) -> bool:
    """Whether workers of a Dask executor state a resource GPU.

    Args:
        executor: from `connect`, or a client's `get_executor`.

    Raises:
        EngineError: its client is closed, or its scheduler gone.
    """
    with _explain_client():
        workers = executor._client.scheduler_info(n_workers=-1)["workers"].values()
    return any(worker.get("resources", {}).get(GPU) for worker in workers)


@contextlib.contextmanager
def _explain_client() -> Iterator[None]:
    """Whatever a client raises that serves no longer, as one error."""
    try:
        yield
    except Exception as error:
        raise EngineError(
            f"The client of Dask does not serve ({in_a_line(error)}). Check its scheduler, and connect again."
        ) from error


class DaskEngine(ExecutorEngine):
    """Has runs made by the workers of a Dask scheduler.

    Args:
        executor: from `connect`, or a client's `get_executor`.
        words: makes what a process has to know of a run.
        folder: that holds the folders of all runs.
        slots: runs at a time; None: as many as workers have threads.
        device: the type of the device that the runs are planned for.

    Raises:
        EngineError: the client is closed, or its scheduler gone.
        OutputError: nothing can be written in the folder.
    """

    def __init__(
        self, executor: Any, words: Callable[[Job], WorkerJob], folder: Path, *, slots: int | None, device: str
    ):
        super().__init__(executor, words, folder, slots=slots)
        self.client: Any = executor._client
        self.topic = f"decda{self.token.name}"
        self.resources: dict[str, Any] = {"resources": {GPU: 1}} if device == "cuda" else {}
        self._numbers: dict[Future[Any], int] = {}
        self._tell: list[Tell] = []
        self._places: dict[int, str] = {}
        try:
            with _explain_client():
                self.client.subscribe_topic(self.topic, self._hear)
        except EngineError:
            self.token.unlink()
            raise

    def end(self, futures: Collection[Future[Any]]) -> None:
        """Cancel what has not started, and have the others save themselves and come home."""
        super().end(futures)
        with contextlib.suppress(Exception):  # the scheduler may be gone
            self.client.unsubscribe_topic(self.topic)

    @property
    def advice(self) -> str:
        """What to do when the scheduler is gone."""
        address = self.client.scheduler.address if self.client.scheduler else "its address"
        return f"Check the scheduler at {address}."

    def receive(self, job: Job, future: Future[Any]) -> Any:
        """What the worker says; that the scheduler is gone is told as such."""
        self._numbers.pop(future, None)
        if future.cancelled():
            raise EngineError(f"The scheduler of Dask has gone away, or has given up the runs. {self.advice}")
        return super().receive(job, future)

    def _stop(self, futures: Collection[Future[Any]]) -> list[Future[Any]]:
        """Cancel what has not begun, and tell all workers to end the rest."""
        done = [future for future in futures if future.done()]  # its folder may have come, and nobody has looked yet
        begun = [future for future in futures if future not in done and self._numbers[future] in self._places]
        for future in set(futures).difference(done, begun):
            future.cancel()
        if not begun or self.client.status != "running":
            return done
        # Not waited for: a worker that does not answer would hold up the end of those that do.
        threading.Thread(target=self._tell_to_end, daemon=True).start()
        return done + begun

    def _tell_to_end(self) -> None:
        """Have all workers end what they are at; those that have gone need no telling."""
        with contextlib.suppress(Exception):
            self.client.run(end_runs, self.topic, on_error="ignore")

    def _submit(self, words: str, parcel: Parcel | None, tell: Tell) -> Future[Any]:
        number = len(self._tell)
        self._tell.append(tell)
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GB"}):  # a parcel is no mistake
            future = self.executor.submit(run_on_worker, self.topic, number, words, parcel, **self.resources)
        self._numbers[future] = number
        return future

    def _hear(self, event: tuple[float, Mapping[str, Any]]) -> None:
        """Take what a run has sent, in a thread of Dask's."""
        _, message = event
        number, place = message["run"], message["place"]
        tell = self._tell[number]
        if message["begins"]:
            former = self._places.get(number)
            self._places[number] = place
            if former is not None:
                tell(OutputLine(f"The worker {former} was lost. The run goes on at {place}."))
        for line in message["lines"]:
            tell(from_line(line) if line.startswith("{") else OutputLine(line[1:]))

    def _explain(self, error: Exception) -> str:
        if isinstance(error, KilledWorker):
            return (
                f"Each of the workers that took the run died, at last {error.last_worker.address}. If they ran out of "
                "memory, give them fewer threads or smaller sets."
            )
        return super()._explain(error)


def run_on_worker(topic: str, number: int, words: str, parcel: Parcel | None) -> dict[str, Any]:
    """Make a run, as a task of Dask on one of its workers.

    Args:
        topic: under which home hears messages.
        number: of the run, for home.
        words: for `make_run`.
        parcel: for `make_run`.

    Returns:
        As `make_run`.
    """
    with _gpu() as environment:
        worker = DaskWorker(topic, number, environment)
        worker.send(begins=True)
        made = make_run(words, parcel, worker)
        worker.send()
        return made


_ending: set[str] = set()
"""Topics of runs that are to end, in the process of a worker."""


def end_runs(topic: str) -> None:
    """Have all runs of a topic save themselves and end that this worker is at, or will begin.

    Args:
        topic: theirs.
    """
    _ending.add(topic)


class DaskWorker:
    """A worker of Dask as a run knows it.

    Args:
        topic: under which home hears messages.
        number: of the run, for home.
        environment: variables that the process of the run gets.
    """

    def __init__(self, topic: str, number: int, environment: Mapping[str, str]):
        self.topic = topic
        self.number = number
        self.environment = environment
        self._worker: Any = get_worker()
        self._task = self._worker.get_current_task()
        self.name = f"{self._worker.address} on {socket.gethostname()}"
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._next = 0.0

    def tell(self, message: Message) -> None:
        """Keep a message for the next bundle."""
        line = f" {message.text}" if isinstance(message, OutputLine) else as_line(message)
        if line is not None:
            with self._lock:
                self._lines.append(line)

    def order(self) -> Order | None:
        """Whether home ends the run, or has gone, or this worker is to close; also sends what was kept."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SEND_SECONDS
            self.send()
        state = self._worker.state.tasks.get(self._task)
        abandoned = state is None or state.state == "cancelled"
        over = abandoned or self.topic in _ending or self._worker.status.name.startswith("clos")
        return "save" if over else None

    def send(self, *, begins: bool = False) -> None:
        """Send what was kept.

        Args:
            begins: whether the run begins.
        """
        with self._lock:
            lines, self._lines = self._lines, []
        if lines or begins:
            about = {"run": self.number, "place": self.name, "begins": begins}
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._worker.log_event(self.topic, {**about, "lines": lines})


_gpus_in_use: set[int] = set()
_gpus_lock = threading.Lock()


@contextlib.contextmanager
def _gpu() -> Iterator[dict[str, str]]:
    """A GPU for one run, of a worker that states several, as a variable of its process."""
    total = int(get_worker().state.total_resources.get(GPU, 0))
    if total < 2:  # the worker's own variable, if it has one, says which
        yield {}
        return
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(total)))).split(",")
    with _gpus_lock:
        free = next(number for number in itertools.count() if number not in _gpus_in_use)
        _gpus_in_use.add(free)
    try:
        yield {"CUDA_VISIBLE_DEVICES": visible[free % len(visible)]}
    finally:
        with _gpus_lock:
            _gpus_in_use.discard(free)
