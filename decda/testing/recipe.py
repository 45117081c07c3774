"""The rules for recipes: a mapping of a configuration's shape, whose parts there are."""

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.errors import DecdaError, MissingFile
from decda.core.runs.experiment import prepare
from decda.testing.kit import Breach, Rule, Skipped, Subject, quiet_stdout


def _compose(subject: Subject) -> RunConfig:
    try:
        return compose(subject.registry, recipe=subject.factory)
    except DecdaError as error:
        raise Breach(str(error)) from error


def _composes(subject: Subject) -> None:
    _compose(subject)


def _first_batch(subject: Subject) -> None:
    config = _compose(subject)
    try:
        prepare(config, subject.registry, subject.files)
    except MissingFile as missing:
        raise Skipped(str(missing).partition(". ")[0]) from missing
    except DecdaError as error:
        raise Breach(str(error)) from error


def _stdout(subject: Subject) -> None:
    with quiet_stdout("making the mapping"):
        _compose(subject)


RULES = (
    Rule("composes", "its parts are registered and its settings are theirs", _composes, basic=True),
    Rule("first batch", "its images go through its parts", _first_batch),
    Rule("stdout", "it writes nothing to stdout", _stdout),
)
