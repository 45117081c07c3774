"""Runs the trials of a study, several at once; finished trials are kept and not run again."""

import contextlib
import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

from decda.core.atomic_files import write_text_atomically
from decda.core.config.run_config import RunConfig
from decda.core.errors import DataError, EngineError, OutputError
from decda.core.execution.engines import device_of
from decda.core.execution.messages import Failed, Finished, Job, Message, Outcome
from decda.core.execution.scheduling import has_local_parts, require_alone, run_jobs
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.process.interrupts import Interrupted, Interrupts
from decda.core.runs.checkpoints import Checkpoints
from decda.core.runs.device import resolve_device
from decda.core.runs.session import CHECKPOINT_SECONDS
from decda.core.studies.lock import StudyLock
from decda.core.studies.results import Results
from decda.core.studies.study import Entered, Key, Notify, Study, ignore
from decda.core.studies.summary import as_markdown
from decda.core.studies.trials import Pretraining, Trial, is_finished, is_pretrained, read_outcome


def run_study(
    trials: Sequence[Trial],
    registry: Registry,
    files: Files,
    out: Path,
    *,
    settings: str = "",
    executor: Executor | None = None,
    n_jobs: int | None = None,
    threads: int | None = None,
    checkpoint_every: float = CHECKPOINT_SECONDS,
    interrupts: Interrupts | None = None,
    notify: Notify = ignore,
    on_start: Callable[["Study"], None] = lambda study: None,
) -> Study:
    """Run trials, several at once (see `run_jobs`). Trials with the same pretraining share an autoencoder.

    Each trial produces the folder of an ordinary run below `trials/`, with the same labels and model as if it were run
    alone, and a row in `results.csv` as soon as it has finished. `table.md` is written at the end. A trial that fails
    does not stop the others.

    Args:
        trials: the trials, from `plan_trials`.
        registry: the registry that holds the parts.
        files: finds the data files.
        out: the folder of the study, new or existing. Finished trials in it are kept and not run again,
            and interrupted ones go on.
        settings: describes how the cells were configured; written to `results.csv`.
        executor: makes the runs, of trials that were planned for its device; None: this machine does.
        n_jobs: number of runs at once.
        threads: number of threads per run on a CPU.
        checkpoint_every: seconds between two checkpoints of a run; 0: none.
        interrupts: notes or raises signals, at which all runs are saved and end.
        notify: called with each pretraining or trial and each of its messages.
        on_start: called with the study before anything runs; its results are filled in as trials finish.

    Returns:
        The study, with its results and failures.

    Raises:
        ConfigError: another study is using the folder, or it cannot be created.
        DataError: the existing `results.csv` is damaged or was not written by a study.
        OutputError: `results.csv` or `table.md` cannot be written; finished trials are kept.
        EngineError: the executor serves no longer. Finished trials are kept, and the others can be resumed.
        KeyboardInterrupt: such a signal. Finished trials are kept, and the others can be resumed.
    """
    require_alone()
    with StudyLock(out):
        study = Study(out, settings, trials, Results(out / "results.csv"), {})
        on_start(study)
        try:
            try:
                _Run(study, notify).go(
                    registry, files, executor,
                    n_jobs=n_jobs, threads=threads, checkpoint_every=checkpoint_every, interrupts=interrupts,
                )  # fmt: skip
            except BaseException:
                with contextlib.suppress(OutputError):  # what ended the study is told, not what came of it
                    _write_table(study)
                raise
            _write_table(study)
        except Interrupted as error:
            others = ", and the others go on from their last checkpoints" if checkpoint_every else ""
            told = f"The study in {out} was interrupted by {error.name}; finished trials are kept{others}."
            raise Interrupted(error.name, told, out) from error
        except EngineError as error:
            kept = "Finished trials are kept; the same command goes on with this study."
            raise EngineError(f"{error} {kept}") from error
        except OutputError as error:
            kept = " Finished trials are kept; the same command goes on with this study." if out.is_dir() else ""
            raise OutputError(f"{error}{kept}") from error
    return study


def _write_table(study: Study) -> None:
    write_text_atomically(study.folder / "table.md", as_markdown(study.trials, study.results, study.settings))


class _Run:
    """The state of a study while it runs."""

    def __init__(self, study: Study, notify: Notify):
        self.study = study
        self.notify = notify
        self.waiting = deque[Job]()
        self.dependents: dict[Path, list[Trial]] = {}

    def go(self, registry: Registry, files: Files, executor: Executor | None, **how: Any) -> None:
        trials, results = self.study.trials, self.study.results
        name = trials[0].config.device
        device = resolve_device(name).type if executor is None else device_of(executor, name)
        for trial in trials:
            if self._keep(trial):
                continue
            results.drop(trial.folder.name)
            shared = trial.pretraining
            if is_pretrained(shared):
                Checkpoints(shared.folder).remove()  # left if it was interrupted after its weights had been written
                self.waiting.append(_job_of(trial))
                continue
            if shared.folder not in self.dependents:
                self.waiting.append(_job(shared, shared.config, trial.cell.data_sha256))
            self.dependents.setdefault(shared.folder, []).append(trial)
        if self.waiting:
            here = any(has_local_parts(trial.config, registry) for trial in trials)
            run_jobs(
                self.waiting, registry, files, device, self._listen,
                executor=executor, folder=self.study.folder, here=here, **how,
            )  # fmt: skip

    def _keep(self, trial: Trial) -> bool:
        """Keep a trial that has finished earlier; returns False if it has not, or if its result cannot be read."""
        if not is_finished(trial.folder):
            return False
        try:
            # An existing row is preferred, because the autoencoder may have been removed since.
            row = self.study.results.rows.get(trial.folder.name) or read_outcome(trial, self.study.settings)
        except DataError:
            return False
        self._enter(trial, row, kept=True)
        return True

    def _listen(self, key: Key, message: Message) -> None:
        self.notify(key, message)
        if isinstance(message, Finished | Failed):
            if isinstance(key, Trial):
                self._end_trial(key, message)
            else:
                self._end_pretraining(key, message)

    def _end_trial(self, trial: Trial, outcome: Outcome) -> None:
        if isinstance(outcome, Finished):
            try:
                self._enter(trial, read_outcome(trial, self.study.settings), kept=False)
                return
            except DataError as error:
                outcome = Failed.from_error(trial.seed, error)
        self.study.failed[trial.folder.name] = outcome

    def _end_pretraining(self, pretraining: Pretraining, outcome: Outcome) -> None:
        dependents = self.dependents[pretraining.folder]
        if is_pretrained(pretraining):  # even if the run then failed to place the centers
            # At the front of the queue, so that the table fills cell by cell.
            self.waiting.extendleft(_job_of(trial) for trial in reversed(dependents))
            return
        if isinstance(outcome, Finished):
            outcome = Failed(
                outcome.seed, f"{pretraining.folder} holds no weights. Remove it, so that it is made anew."
            )
        for trial in dependents:
            error = f"Its autoencoder could not be pretrained. {outcome.error}"
            self._listen(trial, replace(outcome, error=error))

    def _enter(self, trial: Trial, row: Mapping[str, Any], *, kept: bool) -> None:
        self.study.results.add(row)
        self.notify(trial, Entered(row, kept))


def _job_of(trial: Trial) -> Job:
    return _job(trial, replace(trial.config, autoencoder=trial.pretraining.folder), trial.cell.data_sha256)


def _job(key: Key, config: RunConfig, data_sha256: str) -> Job:
    """A run that begins, or goes on where it was interrupted."""
    if is_finished(key.folder):  # but what is needed of it cannot be read: it is run again
        shutil.rmtree(key.folder)
    return Job(key, config, key.folder, data_sha256)
