"""Jobs on an engine: handed over as it takes them, and listened to until the last one has its outcome."""

import itertools
from collections import deque
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any

from decda.core.execution.engine import Engine
from decda.core.execution.messages import Job, Message, Notify
from decda.core.process.interrupts import Interrupts


def dispatch(engine: Engine, waiting: deque[Job], notify: Notify, interrupts: Interrupts | None = None) -> None:
    """Have an engine make each run; one that fails does not stop the others.

    Args:
        engine: makes them.
        waiting: jobs in the order in which they are handed over. They leave it as they do, and what `notify` adds
            meanwhile is run, too.
        notify: gets the messages of each run, in this thread, the outcome last.
        interrupts: raises the signals at which all runs are saved and end.

    Raises:
        KeyboardInterrupt: such a signal; the runs have ended.
        EngineError: the engine serves no longer.
    """
    inbox: SimpleQueue[tuple[int, Message | Future[Any]]] = SimpleQueue()
    running: dict[int, tuple[Job, Future[Any]]] = {}
    numbers = itertools.count()
    interrupts = interrupts or Interrupts()
    try:
        while waiting or running:
            while waiting and (engine.slots is None or len(running) < engine.slots):
                with interrupts.held():  # or a run might go on that nobody knows of
                    job, number = waiting.popleft(), next(numbers)
                    future = engine.submit(job, partial(_put, inbox, number))
                    running[number] = job, future
                future.add_done_callback(partial(_put, inbox, number))
            number, message = inbox.get()
            if number not in running:  # messages may come by another way than outcomes, and later
                continue
            job, future = running[number]
            if not isinstance(message, Future):
                notify(job.key, message)
                continue
            del running[number]
            outcome = engine.receive(job, future)
            if outcome is None:
                waiting.appendleft(job)
            else:
                notify(job.key, outcome)
    finally:
        with interrupts.deferred():
            engine.end([future for _, future in running.values()])


def _put(
    inbox: "SimpleQueue[tuple[int, Message | Future[Any]]]", number: int, message: "Message | Future[Any]"
) -> None:
    inbox.put((number, message))
