"""The rules for data sets: a function that returns a `decda.core.contracts.ImageSet`, or an `ImageSource`."""

import pickle
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from decda.core.contracts import ImageSet, ImageSource
from decda.core.errors import ContractViolation, DataError, MissingFile
from decda.core.events import ignore
from decda.core.parts.parameters import read_parameters, supplied_names
from decda.core.runs.collection import collect
from decda.core.runs.images import check_images
from decda.testing.assertions import require_generators_unmoved, require_quiet_stdout
from decda.testing.generators import advance_generators
from decda.testing.rules import Rule, Skipped, Subject, Violation, require
from decda.testing.signature import check_signature


def load(subject: Subject, seed: int = 0) -> Any:
    """Call the function under test.

    Args:
        subject: the part under test.
        seed: seed of torch's global generator during the call.

    Returns:
        What the function returns; of a source, all its images.

    Raises:
        Skipped: one of its files is missing.
    """
    supplies = {"files": subject.files, "input_shape": None}
    supplied = {name: supplies[name] for name in supplied_names(subject.factory) if name in supplies}
    try:
        images = subject.make(seed, **supplied)
    except MissingFile as missing:
        raise Skipped(str(missing).partition(". ")[0]) from missing
    if isinstance(images, ImageSource):
        with tempfile.TemporaryDirectory() as cache:
            return collect(images, Path(cache), "it", ignore)
    return images


def _signature(subject: Subject) -> None:
    check_signature(subject, ("files", "input_shape"), all_required=False)


def _images(subject: Subject) -> None:
    images = load(subject)
    require(isinstance(images, ImageSet), f"it must return an ImageSet, not {type(images).__name__}")
    try:
        check_images(images, "it")
    except (ContractViolation, DataError) as error:
        raise Violation(str(error)) from error
    require(len(images.x) >= 2, f"it has {len(images.x)} image; clustering needs at least two")


def _labels(subject: Subject) -> None:
    y = load(subject).y
    if y is None:
        raise Skipped("it has no labels")
    require(bool((y >= 0).all()), f"classes must be numbered from 0; the smallest label is {int(y.min())}")
    require(len(y.unique()) >= 2, "all images are of one class; return y=None if the classes are unknown")


def _settings(subject: Subject) -> None:
    images = load(subject)
    declared = [parameter.name for parameter in read_parameters(subject.factory)]
    strange = [name for name in images.settings if name not in declared]
    require(not strange, f"it fills in '{', '.join(strange)}', which it does not declare")
    again = load(replace(subject, parameters={**subject.parameters, **images.settings}))
    require(torch.equal(again.x, images.x), "called with the settings that it filled in, it returns different images")


def _determinism(subject: Subject) -> None:
    loaded = []
    for seed in (5, 6):
        random.seed(seed)
        np.random.seed(seed)
        loaded.append(load(subject, seed))
    advice = "draw from a torch.Generator seeded by a parameter of the function"
    require(torch.equal(loaded[0].x, loaded[1].x), f"a second call returns different images; {advice}")
    if loaded[0].y is not None:
        require(torch.equal(loaded[0].y, loaded[1].y), f"a second call returns different labels; {advice}")
    shared = loaded[0].x.data_ptr() == loaded[1].x.data_ptr()
    require(not shared, "a second call returns the same memory; return a copy")


def _generators(subject: Subject) -> None:
    before = advance_generators()
    load(subject)  # torch's global generator is restored after the call; `determinism` detects draws from it
    require_generators_unmoved("the function", before)


def _copies(subject: Subject) -> None:
    images = load(subject)
    again = pickle.loads(pickle.dumps(images))
    require(torch.equal(again.x, images.x), "a pickled copy has different images")


def _stdout(subject: Subject) -> None:
    with require_quiet_stdout("loading"):
        load(subject)


RULES = (
    Rule(
        "signature",
        "files, input_shape or nothing before the star; after it, parameters with type, help and default",
        _signature,
    ),
    Rule("images", "an ImageSet of float32 in [0, 1] or uint8, with matching labels and names", _images, basic=True),
    Rule("labels", "classes are numbered from 0, and there are at least two", _labels),
    Rule("settings", "what it fills in are parameters that give the same images again", _settings),
    Rule("determinism", "equal arguments give equal images, whatever the state of global generators", _determinism),
    Rule("global generators", "it neither draws from nor reseeds a global generator", _generators),
    Rule("copies", "what it returns can be pickled", _copies),
    Rule("stdout", "it writes nothing to stdout", _stdout),
)
