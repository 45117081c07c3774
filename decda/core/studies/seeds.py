"""Several seeds of one composition, side by side: one run each, in processes or in turns."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from decda.core.atomic_files import write_object
from decda.core.config.run_config import RunConfig
from decda.core.events import PhaseEnded
from decda.core.execution.messages import Failed, Finished, Job, Notify, Outcome, Told
from decda.core.execution.scheduling import is_local, run_jobs
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import prepare
from decda.core.runs.folder import new_folder, refuse_existing
from decda.core.studies.seeds_result import Series, name_seeds


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

    They run side by side, see `run_jobs`. A seed that fails does not stop the others.

    What would fail for every seed alike fails here, once, before there is a folder: the images are loaded and the parts
    built and tried by the first seed. That costs a second or so, and data that is missing is fetched once, not by every
    process at the same time.

    Args:
        config: from `compose`; its seed does not matter.
        registry: where the parts are.
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

    jobs = deque(Job(seed, replace(config, seed=seed), folder / f"seed-{seed}") for seed in seeds)
    run_jobs(jobs, registry, files, device, listen, at_once=at_once, threads=threads, here=is_local(config, registry))

    outcomes.sort(key=lambda outcome: outcome.seed)
    series = Series(
        folder,
        [outcome for outcome in outcomes if isinstance(outcome, Finished)],
        [outcome for outcome in outcomes if isinstance(outcome, Failed)],
        iterations,
    )
    write_object(folder / "summary.json", series.as_mapping())
    return series
