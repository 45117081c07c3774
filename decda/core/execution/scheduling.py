"""Several runs side by side: each in a process of its own on a CPU, interleaved on a GPU."""

from collections import deque
from collections.abc import Sequence

import torch

from decda.core.config.run_config import PART_KINDS, RunConfig
from decda.core.execution.interleave import Steps, cuda_stream, interleave
from decda.core.execution.messages import Job, Notify
from decda.core.execution.processes import run_in_processes
from decda.core.files import Files
from decda.core.parts.registry import LOCAL, Registry
from decda.core.process.interrupts import Interrupts
from decda.core.process.threads import physical_cores
from decda.core.runs.experiment import run_stepwise
from decda.core.runs.listening import KIND
from decda.core.runs.session import CHECKPOINT_SECONDS

GPU_JOBS = 4
"""Runs at once on a GPU, unless told otherwise: each holds the images and the memory of its graphs."""


def has_local_parts(config: RunConfig, registry: Registry, listen: Sequence[str] = ()) -> bool:
    """Whether a part of a run was added by hand and not from a file, so that another process could not have it.

    Args:
        config: of the run.
        registry: where its parts are.
        listen: names of its listeners.
    """
    found = [registry.find(kind, config.part(kind).name) for kind in PART_KINDS]
    found += [registry.find(KIND, name) for name in listen]
    parts = [part for each in found for part in each.links or (each,)]
    return any(part.package == LOCAL and part not in registry.from_files for part in parts)


def run_jobs(
    waiting: deque[Job],
    registry: Registry,
    files: Files,
    device: str,
    notify: Notify,
    *,
    n_jobs: int | None = None,
    threads: int | None = None,
    here: bool = False,
    checkpoint_every: float = CHECKPOINT_SECONDS,
    listen: Sequence[str] = (),
    interrupts: Interrupts | None = None,
) -> None:
    """Make several runs, each recorded in its own folder; one that fails does not stop the others.

    Those that are half done in their folders are resumed.

    On a CPU each run has a process and, unless told otherwise, one thread of its own: many small runs take less time
    that way than one after the other on all cores, and each leaves the bytes that it leaves alone. On a GPU the runs
    are interleaved in this process.

    Args:
        waiting: at least one, in the order in which they start. They leave it as they do, and what `notify` adds
            meanwhile is run, too.
        registry: where the parts are; a process discovers them anew, and loads the files of `load_file` again.
        files: where the data is.
        device: the type of the device of them all, `"cpu"` or `"cuda"`.
        notify: gets each event of each run, what its process wrote, and its outcome.
        n_jobs: runs at once; by default on a CPU as many as there are cores for their threads, on a GPU 4.
        threads: of each run on a CPU, 1 by default; with a GPU this process keeps those it has.
        here: make all runs in this process, one after the other.
        checkpoint_every: seconds between two checkpoints of a run; 0: none.
        listen: names of the listeners of each run, which are made where it runs.
        interrupts: notes or raises signals, at which all runs are saved and end.

    Raises:
        KeyboardInterrupt: such a signal; all processes have ended.
    """

    def start(job: Job) -> Steps:
        return run_stepwise(
            job.config, registry, files,
            out=job.out, notify=lambda event: notify(job.key, event), listen=listen, resume=True,
            checkpoint_every=checkpoint_every, interrupts=interrupts,
        )  # fmt: skip

    if device == "cuda":
        interleave(waiting, start, notify, n_jobs=n_jobs or GPU_JOBS, contexts=cuda_stream)
    elif device == "cpu" and not here:
        each = threads or 1
        n_jobs = n_jobs or max(physical_cores() // each, 1)
        run_in_processes(
            waiting, notify, n_jobs=n_jobs, data_root=files.data_root, offline=files.offline, threads=each,
            load=tuple(registry.files), checkpoint_every=checkpoint_every, listen=listen, interrupts=interrupts,
        )  # fmt: skip
    else:
        former = torch.get_num_threads()
        torch.set_num_threads(threads or 1)
        try:
            interleave(waiting, start, notify, n_jobs=1)
        finally:
            torch.set_num_threads(former)
