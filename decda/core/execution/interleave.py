"""Several runs in one process, in turns of a descent each."""

import gc
from collections import deque
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext

import torch

from decda.core.execution.messages import Failed, Finished, Job, Notify
from decda.core.runs.experiment import Result

Steps = Generator[None, None, Result]


def take_turns(
    waiting: deque[Job],
    start: Callable[[Job], Steps],
    notify: Notify,
    *,
    at_once: int,
    contexts: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Run several runs in turns until each is done; one that fails does not stop the others.

    On a GPU that works much off while Python still prepares the next call, small runs fill the gaps of one another.

    Args:
        waiting: runs in the order they start. They leave it as they do, and what `notify` adds meanwhile is run too.
        start: makes the steps of a run, as `running` does; nothing has happened when it returns.
        notify: gets the outcome of each run as it is done; events come from the runs themselves.
        at_once: runs at once; the next starts when one is done.
        contexts: makes what all turns of one run are taken in, entered anew for each turn: a CUDA stream of its own.
    """
    turns: deque[tuple[Job, Steps, AbstractContextManager[object]]] = deque()
    while waiting or turns:
        while waiting and len(turns) < at_once:
            job = waiting.popleft()
            turns.append((job, start(job), contexts()))
        job, steps, context = turns.popleft()
        try:
            with context:
                next(steps)
        except StopIteration as stop:
            notify(job.key, Finished.of(stop.value))
        except Exception as error:
            notify(job.key, Failed.of(job.config.seed, error))
        else:
            turns.append((job, steps, context))
            continue
        del steps
        gc.collect()  # a training refers to itself; its images and graphs would stay on the GPU


def streams() -> AbstractContextManager[object]:
    """A CUDA stream of its own, so that the GPU may work on several runs at once."""
    stream: AbstractContextManager[object] = torch.cuda.stream(torch.cuda.Stream())
    return stream
