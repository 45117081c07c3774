"""Several seeds of one composition, side by side."""

import shutil
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

from decda.core.atomic_files import write_json, write_text_atomically
from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet, ImageSource
from decda.core.errors import EngineError, OutputError
from decda.core.execution.engines import device_of
from decda.core.execution.messages import Failed, Finished, Job, Message, Notify, Outcome
from decda.core.execution.scheduling import has_local_parts, require_alone, require_portable, run_jobs
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.runs.images import hash_images
from decda.core.runs.listening import find_listeners
from decda.core.runs.lock import FolderLock
from decda.core.runs.naming import check_out, new_folder, printable
from decda.core.runs.preparation import prepare
from decda.core.runs.resuming import require_same_settings
from decda.core.runs.run_folder import CONFIG
from decda.core.runs.session import CHECKPOINT_SECONDS
from decda.core.studies.seed_ranges import format_seeds
from decda.core.studies.seeds_plan import SEEDS
from decda.core.studies.seeds_result import SCHEMA_VERSION, SeedsResult


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
    images: ImageSet | ImageSource | None = None,
    out: Path | None = None,
    executor: Executor | None = None,
    n_jobs: int | None = None,
    threads: int | None = None,
    resume: bool = False,
    checkpoint_every: float = CHECKPOINT_SECONDS,
    listen: Sequence[str] = (),
    interrupts: Interrupts | None = None,
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
        images: those of the data set, if they have been loaded or opened already.
        out: the common folder, which must not exist; by default a new one below `runs/`.
        executor: makes the runs; None: this machine does.
        n_jobs: runs at once; by default on a CPU as many as there are cores for their threads, on a GPU 4, by an
            executor as many as it takes.
        threads: of each run on a CPU, 1 by default; with a GPU this process keeps those it has.
        resume: go on with the seeds in `out` that have not finished, see `read_seeds`.
        checkpoint_every: seconds between two checkpoints of a run; 0: none.
        listen: names of registered listeners; each seed has its own.
        interrupts: notes or raises signals, at which all runs are saved and end.
        notify: gets each event of each seed, what its process wrote, and its outcome.

    Returns:
        What they came to; the same stands in `summary.json`.

    Raises:
        DecdaError: something does not fit any seed.
        EngineError: the executor serves no longer; the folders stay, and can be resumed.
        OutputError: `summary.json` cannot be written; the seeds have their results.
        KeyboardInterrupt: such a signal; the folders stay, and can be resumed.
    """
    require_alone()
    if not resume:
        check_out(out)
    seeds = sorted(seeds)
    listen = [component.entry.qualified for component in find_listeners(listen, registry)]
    here = has_local_parts(config, registry, listen)
    device = None
    if executor is not None:
        require_portable(here)
        device = device_of(executor, config.device)
    # Seeds that go on try their start themselves, if they still need it.
    ready = prepare(replace(config, seed=seeds[0]), registry, files, images, started=resume)
    found = {name: getattr(ready.config, name) for name in ("autoencoder", "dataset", "n_clusters", "start")}
    config = replace(config, **found)  # with absolute paths, and what the data set found out
    name = f"{config.recipe or 'custom'}-{config.dataset.short}-seeds{format_seeds(seeds)}"
    folder = out if resume and out is not None else new_folder(out, name)
    with FolderLock(folder):
        if resume:
            require_same_settings(folder, config, registry)
        else:
            _write_plan(folder, config, seeds, threads)
        outcomes: list[Outcome] = []

        def collect(seed: int, message: Message) -> None:
            if isinstance(message, Finished | Failed):
                outcomes.append(message)
            notify(seed, message)

        digest = "" if executor is None else hash_images(ready.images.x)
        jobs = deque(Job(seed, replace(config, seed=seed), folder / f"seed-{seed}", digest) for seed in seeds)
        try:
            run_jobs(
                jobs, registry, files, device or ready.device.type, collect,
                executor=executor, folder=folder, n_jobs=n_jobs, threads=threads,
                here=here, checkpoint_every=checkpoint_every, listen=listen,
                interrupts=interrupts,
            )  # fmt: skip
        except Interrupted as error:
            told = f"The seeds in {folder} were interrupted by {error.name}; finished ones are kept."
            raise Interrupted(error.name, told, folder) from error
        except EngineError as error:
            raise EngineError(f"{error} What was saved in {printable(folder)} is kept.", folder=folder) from error
        outcomes.sort(key=lambda outcome: outcome.seed)
        result = SeedsResult(
            folder,
            [outcome for outcome in outcomes if isinstance(outcome, Finished)],
            [outcome for outcome in outcomes if isinstance(outcome, Failed)],
        )
        try:
            write_json(folder / "summary.json", result.as_mapping())
        except OutputError as error:
            kept = f" The results of the seeds are kept in their own folders in {folder}." if folder.is_dir() else ""
            raise OutputError(f"{error}{kept}") from error
    return result


def _write_plan(folder: Path, config: RunConfig, seeds: Sequence[int], threads: int | None) -> None:
    try:
        # In this order, so that the folder is never taken for that of a single run.
        what = {"recipe": config.recipe, "seeds": seeds, "threads": threads}
        write_json(folder / SEEDS, {"schema_version": SCHEMA_VERSION, **what})
        write_text_atomically(folder / CONFIG, config.as_toml())
    except OutputError:
        shutil.rmtree(folder, ignore_errors=True)  # it was made a moment ago
        raise
