"""A study: the cells of a table, several seeds each, run side by side; finished trials are kept, and not run twice."""

import shutil
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from decda.core.atomic_files import write_whole
from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet
from decda.core.errors import ConfigError, DataError
from decda.core.execution.messages import Failed, Finished, Job, Outcome, Told
from decda.core.execution.scheduling import is_local, run_jobs
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import prepare, resolve_device
from decda.core.runs.provenance import hash_images
from decda.core.studies.results import Results
from decda.core.studies.summary import as_mapping, as_markdown, summarise
from decda.core.studies.trials import Cell, Pretraining, Trial, is_pretrained, plan_trial, read_outcome

GPU_AT_ONCE = 4
"""Runs at once on a GPU, unless told otherwise: each holds the images and a graph's memory."""
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Entered:
    """A trial has its row among the results.

    Attributes:
        row: the row.
        kept: whether it was finished before this start.
    """

    row: Mapping[str, Any]
    kept: bool


Key = Pretraining | Trial
Notify = Callable[[Key, Told | Entered], None]
"""A listener to a study: gets what runs, and what is told of it."""


def ignore(key: Key, told: Told | Entered) -> None:
    """A listener that does not listen."""


@dataclass(frozen=True)
class Study:
    """What a study came to.

    Attributes:
        path: its folder.
        settings: how its cells were configured, in words.
        trials: all that were planned, finished or not.
        results: the rows of those that are finished.
        failed: why others have no result, by the name of the run.
    """

    path: Path
    settings: str
    trials: Sequence[Trial]
    results: Results
    failed: dict[str, Failed]

    @property
    def exit_code(self) -> int:
        """That of the first trial that failed; 0 if none did."""
        return next((failed.exit_code for failed in self.failed.values()), 0)

    def as_mapping(self) -> dict[str, Any]:
        """What `decda reproduce --json` prints."""
        mapping: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "path": str(self.path),
            "settings": self.settings,
            "cells": [as_mapping(summary) for summary in summarise(self.trials, self.results)],
        }
        if self.failed:
            mapping["failed"] = [{"run": run, "error": failed.error} for run, failed in self.failed.items()]
        return mapping


def prepare_cells(
    wishes: Iterable[tuple[str, str, RunConfig, tuple[float, float] | None]], registry: Registry, files: Files
) -> list[Cell]:
    """Resolve and try each composition, before anything is run: what would fail for every trial fails here.

    A composition that is there under two names is one cell, under the first.

    Args:
        wishes: row, column, configuration and published figures of each cell.
        registry: where the parts are.
        files: where the data is.

    Raises:
        DecdaError: something does not fit, or a data set has no classes to measure by.
    """
    loaded: dict[str, tuple[ImageSet, str]] = {}
    cells: dict[tuple[str, str], Cell] = {}
    for row, column, config, published in wishes:
        if config.autoencoder is not None:
            raise ConfigError(
                f"'{row}' starts from a pretrained autoencoder; here each trial has its own, by its seed."
            )
        words = repr(config.dataset)
        images, digest = loaded.get(words, (None, ""))
        ready = prepare(config, registry, files, images)
        if images is None:
            if ready.images.y is None:
                raise DataError(
                    f"The data set '{config.dataset.short}' has no classes, so that nothing can be measured."
                )
            digest = hash_images(ready.images.x)
            loaded[words] = ready.images, digest
        cells.setdefault((ready.config.sha256(), digest), Cell(row, column, ready.config, digest, published))
    return list(cells.values())


def plan_trials(cells: Sequence[Cell], seeds: Iterable[int], out: Path) -> list[Trial]:
    """Every cell with every seed; the first seed of all cells comes first.

    Args:
        cells: from `prepare_cells`.
        seeds: each once.
        out: the folder of the study.
    """
    device = resolve_device(cells[0].config.device).type
    return [plan_trial(cell, seed, out, device) for seed in seeds for cell in cells]


def run_study(
    trials: Sequence[Trial],
    registry: Registry,
    files: Files,
    out: Path,
    *,
    settings: str = "",
    at_once: int | None = None,
    threads: int | None = None,
    notify: Notify = ignore,
    on_start: Callable[["Study"], None] = lambda study: None,
) -> Study:
    """Run trials side by side, see `run_jobs`. All that pretrain alike share an autoencoder.

    Each trial leaves a run's folder below `trials/`, with the labels and the model that `decda train` gives, and a row
    in `results.csv` as soon as it is done; `table.md` is written at the end. A trial that fails does not stop the
    others.

    Args:
        trials: from `plan_trials`.
        registry: where the parts are.
        files: where the data is.
        out: the folder, new or of a study: what is finished in there is kept and not run again.
        settings: what `results.csv` says of how the cells were configured.
        at_once: runs at once.
        threads: of each run on a CPU.
        notify: gets all that is told.
        on_start: gets the study before anything runs; its results fill as it goes on.

    Raises:
        ConfigError: another study is at work in the folder, or it cannot be made.
        DataError: `results.csv` in there is not ours.
        KeyboardInterrupt: Ctrl-C, and from processes SIGTERM. What is finished is kept.
    """
    with _Locked(out):
        study = Study(out, settings, trials, Results(out / "results.csv"), {})
        on_start(study)
        try:
            _Run(study, notify).go(registry, files, at_once, threads)
        finally:
            write_whole(out / "table.md", as_markdown(trials, study.results, settings))
    return study


class _Run:
    """A study as it goes on."""

    def __init__(self, study: Study, notify: Notify):
        self.study = study
        self.notify = notify
        self.waiting = deque[Job]()
        self.dependents: dict[Path, list[Trial]] = {}

    def go(self, registry: Registry, files: Files, at_once: int | None, threads: int | None) -> None:
        trials, results = self.study.trials, self.study.results
        device = resolve_device(trials[0].config.device).type
        for trial in trials:
            if self._keep(trial):
                continue
            results.drop(trial.folder.name)
            shared = trial.pretraining
            if is_pretrained(shared):
                self.waiting.append(_job_of(trial))
                continue
            if shared.folder not in self.dependents:
                self.waiting.append(_fresh(Job(shared, shared.config, shared.folder)))
            self.dependents.setdefault(shared.folder, []).append(trial)
        if self.waiting:
            most = at_once or (GPU_AT_ONCE if device == "cuda" else None)
            here = any(is_local(trial.config, registry) for trial in trials)
            run_jobs(self.waiting, registry, files, device, self._listen, at_once=most, threads=threads, here=here)

    def _keep(self, trial: Trial) -> bool:
        """Enter a trial that is finished; one whose figures cannot be read is not."""
        if not trial.is_finished():
            return False
        try:
            # As it was entered: the autoencoder may have been removed since.
            row = self.study.results.rows.get(trial.folder.name) or read_outcome(trial, self.study.settings)
        except DataError:
            return False
        self._enter(trial, row, kept=True)
        return True

    def _listen(self, key: Key, told: Told) -> None:
        self.notify(key, told)
        if isinstance(told, Finished | Failed):
            if isinstance(key, Trial):
                self._end_trial(key, told)
            else:
                self._end_pretraining(key, told)

    def _end_trial(self, trial: Trial, outcome: Outcome) -> None:
        if isinstance(outcome, Finished):
            try:
                self._enter(trial, read_outcome(trial, self.study.settings), kept=False)
                return
            except DataError as error:
                outcome = Failed.of(trial.seed, error)
        self.study.failed[trial.folder.name] = outcome

    def _end_pretraining(self, pretraining: Pretraining, outcome: Outcome) -> None:
        dependents = self.dependents[pretraining.folder]
        if is_pretrained(pretraining):  # or else only the first cell's head failed, on its centers
            # First, so that a table fills cell by cell.
            self.waiting.extendleft(_job_of(trial) for trial in reversed(dependents))
        elif isinstance(outcome, Failed):
            for trial in dependents:
                error = f"Its autoencoder could not be pretrained. {outcome.error}"
                self._listen(trial, replace(outcome, error=error))

    def _enter(self, trial: Trial, row: Mapping[str, Any], *, kept: bool) -> None:
        self.study.results.add(row)
        self.notify(trial, Entered(row, kept))


def _job_of(trial: Trial) -> Job:
    return _fresh(Job(trial, replace(trial.config, autoencoder=trial.pretraining.folder), trial.folder))


def _fresh(job: Job) -> Job:
    """The job, what an interrupted run left in its folder removed."""
    if job.out.exists():
        shutil.rmtree(job.out)
    return job


def check_folder(out: Path) -> None:
    """Refuse a folder that is somebody else's, before anything is loaded.

    Raises:
        ConfigError: there is a file at that path, or a folder that is neither empty nor a study's.
    """
    if out.exists() and not (out / "trials").is_dir() and not (out.is_dir() and not any(out.iterdir())):
        raise ConfigError(f"{out} exists, and is no folder of `decda reproduce`. Name another with --out.")


class _Locked:
    """Keeps a second study out of the folder, which would remove what the first one is at."""

    def __init__(self, out: Path):
        self.out = out

    def __enter__(self) -> None:
        try:
            for folder in ("trials", "autoencoders"):
                (self.out / folder).mkdir(parents=True, exist_ok=True)
            self.lock = FileLock(self.out / ".lock")
            self.lock.acquire(timeout=0)
        except Timeout as error:
            raise ConfigError(
                f"Another `decda reproduce` is at work in {self.out}. Wait for it, or name another --out."
            ) from error
        except OSError as error:
            raise ConfigError(
                f"The folder {self.out} cannot be used: {error.strerror or error}. Name another with --out."
            ) from error

    def __exit__(self, *error: object) -> None:
        self.lock.release()
