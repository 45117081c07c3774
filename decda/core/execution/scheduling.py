"""Several runs, side by side: each in a process on a CPU, in turns on a GPU."""

from collections import deque

import torch

from decda.core.config.run_config import PART_KINDS, RunConfig
from decda.core.execution.interleave import Steps, streams, take_turns
from decda.core.execution.messages import Job, Notify
from decda.core.execution.processes import run_pool
from decda.core.files import Files
from decda.core.parts.registry import LOCAL, Registry
from decda.core.process.threads import physical_cores
from decda.core.runs.experiment import running


def is_local(config: RunConfig, registry: Registry) -> bool:
    """Whether a part of it was added by hand, and by no file, so that another process could not have it."""
    parts = [registry.find(kind, config.part(kind).name) for kind in PART_KINDS]
    return any(part.package == LOCAL and part not in registry.from_files for part in parts)


def run_jobs(
    waiting: deque[Job],
    registry: Registry,
    files: Files,
    device: str,
    notify: Notify,
    *,
    at_once: int | None = None,
    threads: int | None = None,
    here: bool = False,
) -> None:
    """Run several runs, each recorded in its own folder; one that fails does not stop the others.

    On a CPU each run has a process and, unless told otherwise, one thread of its own: so many small runs take less time
    than one after the other on all cores, and each leaves the bytes that it leaves alone. On a GPU the runs go on in
    turns in this process.

    Args:
        waiting: at least one, in the order they start. They leave it as they do, and what `notify` adds meanwhile is
            run too.
        registry: where the parts are; a process finds them anew, and loads the files of `load_file` again.
        files: where the data is.
        device: the type of the device of them all, `"cpu"` or `"cuda"`.
        notify: gets each event of each run, what its process wrote, and its outcome.
        at_once: runs at once; by default on a CPU as many as there are cores for their threads, on a GPU all.
        threads: of each run on a CPU, 1 by default; beside a GPU this process keeps those it has.
        here: run all in this process, one after the other.

    Raises:
        KeyboardInterrupt: Ctrl-C; where there were processes, SIGTERM too, and they have ended. The folders stay.
    """

    def start(job: Job) -> Steps:
        return running(job.config, registry, files, out=job.out, notify=lambda event: notify(job.key, event))

    if device == "cuda":
        take_turns(waiting, start, notify, at_once=at_once or len(waiting), contexts=streams)
    elif device == "cpu" and not here:
        each = threads or 1
        at_once = at_once or max(physical_cores() // each, 1)
        run_pool(
            waiting, notify, at_once=at_once, data_root=files.data_root, offline=files.offline, threads=each,
            load=tuple(registry.files),
        )  # fmt: skip
    else:
        former = torch.get_num_threads()
        torch.set_num_threads(threads or 1)
        try:
            take_turns(waiting, start, notify, at_once=1)
        finally:
            torch.set_num_threads(former)
