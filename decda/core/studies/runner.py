"""A study as it runs: trials side by side; finished ones are kept, and not run twice."""

import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from decda.core.atomic_files import write_text_atomically
from decda.core.errors import DataError
from decda.core.execution.messages import Failed, Finished, Job, Message, Outcome
from decda.core.execution.scheduling import has_local_parts, run_jobs
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.core.runs.device import resolve_device
from decda.core.studies.lock import StudyLock
from decda.core.studies.results import Results
from decda.core.studies.study import Entered, Key, Notify, Study, ignore
from decda.core.studies.summary import as_markdown
from decda.core.studies.trials import Pretraining, Trial, is_pretrained, read_outcome


def run_study(
    trials: Sequence[Trial],
    registry: Registry,
    files: Files,
    out: Path,
    *,
    settings: str = "",
    n_jobs: int | None = None,
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
        n_jobs: runs at once.
        threads: of each run on a CPU.
        notify: gets all that is told.
        on_start: gets the study before anything runs; its results fill as it goes on.

    Raises:
        ConfigError: another study is at work in the folder, or it cannot be made.
        DataError: `results.csv` in there is not ours.
        KeyboardInterrupt: Ctrl-C, and from processes SIGTERM. What is finished is kept.
    """
    with StudyLock(out):
        study = Study(out, settings, trials, Results(out / "results.csv"), {})
        on_start(study)
        try:
            _Run(study, notify).go(registry, files, n_jobs, threads)
        finally:
            write_text_atomically(out / "table.md", as_markdown(trials, study.results, settings))
    return study


class _Run:
    """A study as it goes on."""

    def __init__(self, study: Study, notify: Notify):
        self.study = study
        self.notify = notify
        self.waiting = deque[Job]()
        self.dependents: dict[Path, list[Trial]] = {}

    def go(self, registry: Registry, files: Files, n_jobs: int | None, threads: int | None) -> None:
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
            here = any(has_local_parts(trial.config, registry) for trial in trials)
            run_jobs(self.waiting, registry, files, device, self._listen, n_jobs=n_jobs, threads=threads, here=here)

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

    def _listen(self, key: Key, told: Message) -> None:
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
                outcome = Failed.from_error(trial.seed, error)
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
