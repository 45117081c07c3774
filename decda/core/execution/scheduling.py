"""Several runs side by side: in processes of their own on a CPU, interleaved on a GPU, or where an executor likes."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import torch

from decda.core.config.run_config import PART_KINDS, RunConfig
from decda.core.errors import ConfigError
from decda.core.execution.agreement import expectations
from decda.core.execution.dispatch import dispatch
from decda.core.execution.engines import engine_of
from decda.core.execution.interleave import Steps, cuda_stream, interleave
from decda.core.execution.local_engine import LocalEngine
from decda.core.execution.messages import Job, Notify
from decda.core.execution.protocol import WorkerJob
from decda.core.files import Files
from decda.core.parts.registry import LOCAL, Registry
from decda.core.process.interrupts import Interrupts
from decda.core.process.launch import launched_size
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


def require_alone() -> None:
    """Refuse several runs where `torchrun` has started several processes, of which each would make all of them.

    Raises:
        ConfigError: it has.
    """
    if launched_size() > 1:
        raise ConfigError(
            "torchrun shares one run among several processes, and these are several runs. Start them without it."
        )


def require_portable(here: bool) -> None:
    """Refuse runs that no other process could make.

    Args:
        here: whether a part of theirs, or their images, exist in this process alone.

    Raises:
        ConfigError: they do.
    """
    if here:
        raise ConfigError(
            "A part of the runs, or their images, exist only in this process, where the workers of an executor "
            "cannot find them. Put parts into a package or a file that is loaded, and images into a file.",
            parameter="executor",
        )


def run_jobs(
    waiting: deque[Job],
    registry: Registry,
    files: Files,
    device: str,
    notify: Notify,
    *,
    executor: Executor | None = None,
    folder: Path = Path(),
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
    are interleaved in this process. An executor makes them wherever it likes, as `remote_run` says; what differs there
    from here and would falsify results is an error.

    Args:
        waiting: at least one, in the order in which they start. They leave it as they do, and what `notify` adds
            meanwhile is run, too.
        registry: where the parts are; a process discovers them anew, and loads the files of `load_file` again.
        files: where the data is.
        device: the type of the device of them all, `"cpu"` or `"cuda"`.
        notify: gets each event of each run, what its process wrote, and its outcome.
        executor: makes the runs; None: this machine does.
        folder: that holds the folders of all runs; only an executor needs it.
        n_jobs: runs at once; by default on a CPU as many as there are cores for their threads, on a GPU 4, by an
            executor as many as it takes.
        threads: of each run on a CPU, 1 by default; with a GPU this process keeps those it has.
        here: make all runs in this process, one after the other.
        checkpoint_every: seconds between two checkpoints of a run; 0: none.
        listen: names of the listeners of each run, which are made where it runs.
        interrupts: notes or raises signals, at which all runs are saved and end.

    Raises:
        ConfigError: an executor is to make a run with a part that only this process has.
        EngineError: the executor serves no longer; what its runs have saved is kept.
        KeyboardInterrupt: such a signal; all processes have ended.
    """
    each = threads or 1

    def words(job: Job) -> WorkerJob:
        made = WorkerJob.from_job(
            job, data_root=files.data_root, offline=files.offline, threads=each, load=tuple(registry.files),
            checkpoint_every=checkpoint_every, listen=listen,
        )  # fmt: skip
        if executor is None:
            return made
        expected = expectations(job.config, registry, listen, device=device, data_sha256=job.data_sha256)
        return replace(made, expected=expected)

    def start(job: Job) -> Steps:
        return run_stepwise(
            job.config, registry, files,
            out=job.out, notify=lambda event: notify(job.key, event), listen=listen, resume=True,
            checkpoint_every=checkpoint_every, interrupts=interrupts,
        )  # fmt: skip

    if executor is not None:
        require_portable(here)
        dispatch(engine_of(executor, words, folder, slots=n_jobs, device=device), waiting, notify, interrupts)
    elif device == "cuda":
        interleave(waiting, start, notify, n_jobs=n_jobs or GPU_JOBS, contexts=cuda_stream)
    elif device == "cpu" and not here:
        engine = LocalEngine(n_jobs or max(physical_cores() // each, 1), words)
        dispatch(engine, waiting, notify, interrupts)
    else:
        former = torch.get_num_threads()
        torch.set_num_threads(each)
        try:
            interleave(waiting, start, notify, n_jobs=1)
        finally:
            torch.set_num_threads(former)
