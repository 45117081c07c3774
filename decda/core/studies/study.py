"""A study: the cells of a table, several seeds each; what it came to, as data."""

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
    """A trial has its row among the results.

    Attributes:
        row: the row.
        kept: whether it was finished before this start.
    """

    row: Mapping[str, Any]
    kept: bool


Key = Pretraining | Trial
Notify = Callable[[Key, Message | Entered], None]
"""A listener to a study: gets what runs, and what is told of it."""


def ignore(key: Key, told: Message | Entered) -> None:
    """A listener that does not listen."""


@dataclass(frozen=True)
class Study:
    """What a study came to.

    Attributes:
        folder: its folder.
        settings: how its cells were configured, in words.
        trials: all that were planned, finished or not.
        results: the rows of those that are finished.
        failed: why others have no result, by the name of the run.
    """

    folder: Path
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
            "path": str(self.folder),
            "settings": self.settings,
            "cells": [as_mapping(summary) for summary in summarise(self.trials, self.results)],
        }
        if self.failed:
            mapping["failed"] = [{"run": run, "error": failed.error} for run, failed in self.failed.items()]
        return mapping
