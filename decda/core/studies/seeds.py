"""Several seeds of one composition, side by side."""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from decda.core.atomic_files import write_json
from decda.core.config.run_config import RunConfig
from decda.core.events import PhaseEnded
from decda.core.execution.messages import Failed, Finished, Job, Message, Notify, Outcome
from decda.core.execution.scheduling import has_local_parts, run_jobs
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.preparation import prepare
from decda.core.runs.naming import new_folder, refuse_existing
from decda.core.studies.seed_ranges import format_seeds
from decda.core.studies.seeds_result import SeedsResult


def ignore_messages(key: Any, message: Message) -> None:
    """A listener that does nothing.

    Args:
        key: of a run.
        message: about it.
    """


def run_seeds(
    config: RunConfig,
    registry: Registry,
    files: Files,
    seeds: Sequence[int],
    *,
    out: Path | None = None,
    n_jobs: int | None = None,
    threads: int | None = None,
    notify: Notify = ignore_messages,
) -> SeedsResult:
    """Train several seeds of a configuration, each recorded in a folder of its own, `seed-S`, below a common one.

    They run side by side, see `run_jobs`. A seed that fails does not stop the others.

    What would fail for every seed alike fails here, once, before there is a folder: the images are loaded and the parts
    built and tried for the first seed. That costs a second or so, and missing data is downloaded once, not by every
    process at the same time.

    Args:
        config: from `compose`; its seed does not matter.
        registry: where the parts are.
        files: where the data is.
        seeds: at least one, each once.
        out: the common folder, which must not exist; by default a new one below `runs/`.
        n_jobs: runs at once; by default on a CPU as many as there are cores for their threads, on a GPU 4.
        threads: of each run on a CPU, 1 by default; with a GPU this process keeps those it has.
        notify: gets each event of each seed, what its process wrote, and its outcome.

    Returns:
        What they came to; the same stands in `summary.json`.

    Raises:
        DecdaError: something does not fit any seed.
        KeyboardInterrupt: Ctrl-C; where there are processes, SIGTERM, too, and they have ended. The folders stay.
    """
    if out is not None:
        refuse_existing(out)
    seeds = sorted(seeds)
    device = prepare(replace(config, seed=seeds[0]), registry, files).device.type
    folder = new_folder(out, f"{config.recipe or 'custom'}-{config.dataset.short}-seeds{format_seeds(seeds)}")
    outcomes: list[Outcome] = []
    iterations: dict[int, int] = {}

    def listen(seed: int, message: Message) -> None:
        if isinstance(message, Finished | Failed):
            outcomes.append(message)
        elif isinstance(message, PhaseEnded) and message.phase == "cluster":
            iterations[seed] = message.steps
        notify(seed, message)

    jobs = deque(Job(seed, replace(config, seed=seed), folder / f"seed-{seed}") for seed in seeds)
    here = has_local_parts(config, registry)
    run_jobs(jobs, registry, files, device, listen, n_jobs=n_jobs, threads=threads, here=here)

    outcomes.sort(key=lambda outcome: outcome.seed)
    result = SeedsResult(
        folder,
        [outcome for outcome in outcomes if isinstance(outcome, Finished)],
        [outcome for outcome in outcomes if isinstance(outcome, Failed)],
        iterations,
    )
    write_json(folder / "summary.json", result.as_mapping())
    return result
