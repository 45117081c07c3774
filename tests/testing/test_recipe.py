"""The rules for recipes."""

from pathlib import Path
from typing import Any

import pytest

from decda.core.contracts import ImageSet
from decda.core.files import Files
from decda.core.parts.registry import Registry
from decda.testing.suite import subject_of, try_all

SOUND = {"dataset": "digits", "encoder": "fc", "head": "idec", "augment": "shift"}


def outcomes(recipe: Any, registry: Registry, files: Files | None = None) -> dict[str, tuple[str, str]]:
    entry = registry.add("recipe", "mine", recipe)
    return {o.rule.name: (o.status, o.seen) for o in try_all(subject_of(entry, registry, files))}


def loud() -> dict[str, Any]:
    print("a recipe")
    return SOUND


def by_size(n_samples: int, input_shape: tuple[int, ...], value_range: object) -> dict[str, Any]:
    return {"encoder": "fc", "head": "idec", "augment": "none", "train": {"pretrain_epochs": n_samples}}


def for_large_ones(input_shape: tuple[int, ...]) -> dict[str, Any]:
    return {"encoder": "conv", "head": "idec", "augment": "none"}


def by_colour(colour: str) -> dict[str, Any]:
    return SOUND


def no_images() -> ImageSet:
    return ImageSet(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recipe", "broken", "words"),
    [
        (SOUND, None, ""),
        (lambda: SOUND, None, ""),
        ({**SOUND, "head": "idecc"}, "composes", "Unknown head 'idecc'"),
        ({**SOUND, "head": {"name": "idec", "gama": 1}}, "composes", "no parameter 'gama'"),
        ({**SOUND, "head": {"name": "idec", "gamma": -1.0}}, "first batch", "gamma must not be negative"),
        ({**SOUND, "dataset": "local:bad"}, "first batch", "dataset 'bad'"),
        (loud, "stdout", "a recipe"),
        (by_size, None, ""),
        (for_large_ones, "first batch", "at least 8x8"),
        (by_colour, "composes", "asks for 'colour'"),
    ],
)
def test_recipes(recipe: Any, broken: str | None, words: str) -> None:
    """The parts of a recipe must exist, accept its settings, and process a first batch."""
    registry = Registry.discover()
    registry.add("dataset", "bad", no_images)
    seen = outcomes(recipe, registry)
    if broken is None:
        assert {status for status, _ in seen.values()} == {"passed"}
    else:
        assert seen[broken][0] == "failed"
        assert words in seen[broken][1]


def test_the_first_batch_is_skipped_without_data(tmp_path: Path) -> None:
    """If a file of its data set is missing, a recipe is only composed, and the skipped rule names the file."""
    seen = outcomes({**SOUND, "dataset": "usps"}, Registry.discover(), Files(tmp_path, offline=True))
    assert seen["composes"][0] == "passed"
    assert seen["first batch"][0] == "skipped"
    assert "zip.train.gz" in seen["first batch"][1]
