"""A study: the cells of a table, run with several seeds each, and its result as data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from decda.core.execution.messages import Failed, Message
from decda.core.studies.results import Results
from decda.core.studies.summary import as_mapping, summarise
from decda.core.studies.trials import Pretraining, Trial

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Entered:
    """The row of a trial has been added to the results.

    Attributes:
        row: the row of `results.csv`, by column.
        kept: whether the trial had finished before the study was started.
    """

    row: Mapping[str, Any]
    kept: bool


Key = Pretraining | Trial
Notify = Callable[[Key, Message | Entered], None]
"""A listener to a study, called with the pretraining or trial that runs and a message about it."""


def ignore(key: Key, message: Message | Entered) -> None:
    """A listener that does nothing.

    Args:
        key: the pretraining or trial.
        message: any message.
    """


@dataclass(frozen=True)
class Study:
    """A study and its results.

    Attributes:
        folder: its folder.
        settings: describes how its cells were configured.
        trials: all planned trials, finished or not.
        results: the rows of the finished trials.
        failed: the failures of the others, by the name of the run.
    """

    folder: Path
    settings: str
    trials: Sequence[Trial]
    results: Results
    failed: dict[str, Failed]

    @property
    def exit_code(self) -> int:
        """The exit code of the first trial that failed; 0 if none did."""
        return next((failed.exit_code for failed in self.failed.values()), 0)

    def as_mapping(self) -> dict[str, Any]:
        """Convert to plain data.

        Returns:
            The object that the command line prints as JSON.
        """
        mapping: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "path": str(self.folder),
            "settings": self.settings,
            "cells": [as_mapping(summary) for summary in summarise(self.trials, self.results)],
        }
        if self.failed:
            mapping["failed"] = [{"run": run, "error": failed.error} for run, failed in self.failed.items()]
        return mapping
