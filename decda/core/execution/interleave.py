"""Several runs in one process, interleaved step by step."""

import gc
from collections import deque
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext

import torch

from decda.core.execution.messages import Failed, Finished, Job, Notify
from decda.core.process.interrupts import Interrupted
from decda.core.runs.run import Run

Steps = Generator[None, None, Run]


def interleave(
    waiting: deque[Job],
    start: Callable[[Job], Steps],
    notify: Notify,
    *,
    n_jobs: int,
    contexts: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Make a step of each run in turn until all are done; one that fails does not stop the others.

    A GPU works off much while Python is still preparing the next call, so small runs fill the gaps of one another.

    Args:
        waiting: runs in the order in which they start. They leave it as they do, and what `notify` adds meanwhile is
            run, too.
        start: makes the steps of a run, as `run_stepwise` does; nothing has happened when it returns.
        notify: gets the outcome of each run as it is done; events come from the runs themselves.
        n_jobs: runs at once; the next starts when one is done.
        contexts: makes the context in which all steps of one run are made, entered anew for each step: a CUDA stream of
            its own.

    Raises:
        KeyboardInterrupt: a run was interrupted. The others were given the chance to save themselves, too.
    """
    interrupted: Interrupted | None = None
    turns: deque[tuple[Job, Steps, AbstractContextManager[object]]] = deque()
    while turns or (waiting and interrupted is None):
        while waiting and len(turns) < n_jobs and interrupted is None:
            job = waiting.popleft()
            turns.append((job, start(job), contexts()))
        job, steps, context = turns.popleft()
        try:
            with context:
                next(steps)
        except StopIteration as stop:
            notify(job.key, Finished.from_run(stop.value))
        except Interrupted as error:
            if error.folder is None:  # it came while nobody deferred it, or a second time: end at once
                raise
            interrupted = error
        except Exception as error:
            notify(job.key, Failed.from_error(job.config.seed, error))
        else:
            turns.append((job, steps, context))
            continue
        del steps
        gc.collect()  # a training refers to itself; its images and graphs would stay on the GPU
    if interrupted is not None:
        raise interrupted


def cuda_stream() -> AbstractContextManager[object]:
    """A CUDA stream of its own, so that the GPU may work on several runs at once."""
    stream: AbstractContextManager[object] = torch.cuda.stream(torch.cuda.Stream())
    return stream
