"""The rules for recipes: a mapping in the shape of a configuration, whose parts are all registered."""

from collections.abc import Callable

import torch

from decda.core.config.composition import compose
from decda.core.config.run_config import RunConfig
from decda.core.contracts import ImageSet
from decda.core.errors import DecdaError, MissingFile
from decda.core.parts.parameters import supplied_names
from decda.core.parts.registry import Registry
from decda.core.runs.opening import ImageOpener
from decda.core.runs.preparation import prepare
from decda.testing.assertions import require_quiet_stdout
from decda.testing.rules import Rule, Skipped, Subject, Violation

EXAMPLES = ((1, 9, 12), (3, 16, 16), (1, 1, 7))
"""Shapes of the images that a recipe is tried on which chooses by them; the last ones are the rows of a table."""


def _compose(subject: Subject) -> list[tuple[RunConfig, Registry]]:
    """The configurations that a recipe makes: one, or one for each example if it chooses by the images."""
    try:
        factory = subject.registry.load(subject.registry.find("recipe", subject.factory)).factory
        if not callable(factory) or not supplied_names(factory):
            return [(compose(subject.registry, recipe=subject.factory), subject.registry)]
        made = []
        for shape in EXAMPLES:
            registry = subject.registry.copy()
            dataset = registry.add("dataset", "example", _example(shape)).qualified
            look, parts = ImageOpener(registry, subject.files), {"dataset": dataset}
            made.append((compose(registry, recipe=subject.factory, parts=parts, look=look, n_clusters=3), registry))
        return made
    except DecdaError as error:
        raise Violation(str(error)) from error


def _example(shape: tuple[int, ...]) -> Callable[[], ImageSet]:
    def example() -> ImageSet:
        x = torch.rand(40, *shape, generator=torch.Generator().manual_seed(0))
        return ImageSet(x, value_range=None if shape[1] == 1 else (0.0, 1.0))

    return example


def _composes(subject: Subject) -> None:
    _compose(subject)


def _first_batch(subject: Subject) -> None:
    for config, registry in _compose(subject):
        try:
            prepare(config, registry, subject.files)
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
