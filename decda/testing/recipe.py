"""The rules for recipes: a mapping in the shape of a configuration, whose parts are all registered."""

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.errors import DecdaError, MissingFile
from decda.core.runs.preparation import prepare
from decda.testing.assertions import require_quiet_stdout
from decda.testing.rules import Rule, Skipped, Subject, Violation


def _compose(subject: Subject) -> RunConfig:
    try:
        return compose(subject.registry, recipe=subject.factory)
    except DecdaError as error:
        raise Violation(str(error)) from error


def _composes(subject: Subject) -> None:
    _compose(subject)


def _first_batch(subject: Subject) -> None:
    config = _compose(subject)
    try:
        prepare(config, subject.registry, subject.files)
    except MissingFile as missing:
        raise Skipped(str(missing).partition(". ")[0]) from missing
    except DecdaError as error:
        raise Violation(str(error)) from error


def _stdout(subject: Subject) -> None:
    with require_quiet_stdout("creating the mapping"):
        _compose(subject)


RULES = (
    Rule("composes", "all its parts are registered and accept its settings", _composes, basic=True),
    Rule("first batch", "a first batch of its images passes through its parts", _first_batch),
    Rule("stdout", "it writes nothing to stdout", _stdout),
)
