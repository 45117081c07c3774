"""Several seeds of one composition, side by side: one run each, in processes or in turns."""

import json
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from decda.core.config import PART_KINDS, RunConfig
from decda.core.events import PhaseEnded
from decda.core.experiment import prepare, running
from decda.core.files import Files
from decda.core.pool import Job, run_pool
from decda.core.registry import LOCAL, Registry
from decda.core.rundir import new_folder, refuse_existing
from decda.core.seeds import Failed, Finished, Notify, Outcome, Series, Told, name_seeds
from decda.core.threads import physical_cores
from decda.core.turns import Steps, Turn, streams, take_turns


def ignore(seed: int, event: Told) -> None:
    """A listener that does not listen."""


def run_seeds(
    config: RunConfig,
    registry: Registry,
    files: Files,
    seeds: Sequence[int],
    *,
    out: Path | None = None,
    at_once: int | None = None,
    threads: int | None = None,
    notify: Notify = ignore,
) -> Series:
    """Train several seeds of a configuration, each recorded in a folder of its own, `seed-S`, below a common one.

    On a CPU each run has a process and, unless told otherwise, one thread of its own: so many small runs take less time
    than one after the other on all cores, and each leaves the bytes that it leaves alone. On a GPU the runs go on in
    turns in this process. A seed that fails does not stop the others.

    What would fail for every seed alike fails here, once, before there is a folder: the images are loaded and the parts
    built and tried by the first seed. That costs a second or so, and data that is missing is fetched once, not by every
    process at the same time.

    Args:
        config: from `compose`; its seed does not matter.
        registry: where the parts are. A process finds them anew; with a part that was added by hand, which it could
            not find, the runs go on in this one.
        files: where the data is.
        seeds: at least one, each once.
        out: the common folder, which must not exist; by default a new one below `runs/`.
        at_once: runs at once; by default on a CPU as many as there are cores for their threads, on a GPU all.
        threads: of each run on a CPU, 1 by default; beside a GPU this process keeps those it has.
        notify: gets each event of each seed, what its process wrote, and its outcome.

    Returns:
        What they came to; the same stands in `summary.json`.

    Raises:
        DecdaError: something does not fit any seed.
        KeyboardInterrupt: Ctrl-C; where there were processes, SIGTERM too, and they have ended. The folders stay.
    """
    if out is not None:
        refuse_existing(out)
    seeds = sorted(seeds)
    device = prepare(replace(config, seed=seeds[0]), registry, files).device.type
    folder = new_folder(out, f"{config.recipe or 'custom'}-{config.dataset.short}-seeds{name_seeds(seeds)}")
    outcomes: list[Outcome] = []
    iterations: dict[int, int] = {}

    def listen(seed: int, event: Told) -> None:
        if isinstance(event, Finished | Failed):
            outcomes.append(event)
        elif isinstance(event, PhaseEnded) and event.phase == "cluster":
            iterations[seed] = event.steps
        notify(seed, event)

    def start(seed: int) -> Steps:
        path = folder / f"seed-{seed}"
        return running(replace(config, seed=seed), registry, files, out=path, notify=lambda event: listen(seed, event))

    turns = deque(Turn(seed, seed, partial(start, seed)) for seed in seeds)
    if device == "cuda":
        take_turns(turns, listen, at_once=at_once or len(seeds), contexts=streams)
    elif device == "cpu" and not any(config.part(kind).name.startswith(f"{LOCAL}:") for kind in PART_KINDS):
        each = threads or 1
        jobs = deque(
            Job(seed, replace(config, seed=seed), folder / f"seed-{seed}", files.data_root, files.offline, each)
            for seed in seeds
        )
        run_pool(jobs, listen, at_once=at_once or max(physical_cores() // each, 1))
    else:
        former = torch.get_num_threads()
        torch.set_num_threads(threads or 1)
        try:
            take_turns(turns, listen, at_once=1)
        finally:
            torch.set_num_threads(former)

    outcomes.sort(key=lambda outcome: outcome.seed)
    series = Series(
        folder,
        [outcome for outcome in outcomes if isinstance(outcome, Finished)],
        [outcome for outcome in outcomes if isinstance(outcome, Failed)],
        iterations,
    )
    unfinished = folder / ".summary.json.partial"
    unfinished.write_text(json.dumps(series.as_mapping(), indent=2) + "\n", encoding="utf-8", newline="\n")
    os.replace(unfinished, folder / "summary.json")
    return series
