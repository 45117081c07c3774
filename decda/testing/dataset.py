"""The rules for data sets: a function that returns a `decda.core.contracts.ImageSet`."""

import pickle
import random
from typing import Any

import numpy as np
import torch

from decda.core.contracts import ImageSet
from decda.core.errors import ContractViolation, DataError, MissingFile
from decda.core.parts.parameters import supplied_names
from decda.core.runs.images import check_images
from decda.testing.common import check_signature
from decda.testing.kit import (
    Breach,
    Rule,
    Skipped,
    Subject,
    quiet_stdout,
    require,
    require_unmoved,
    stir_generators,
)


def load(subject: Subject, seed: int = 0) -> Any:
    """What the function returns, called while the global generators have that seed.

    Raises:
        Skipped: a file of its is missing here.
    """
    supplies = {"files": subject.files} if "files" in supplied_names(subject.factory) else {}
    try:
        return subject.make(seed, **supplies)
    except MissingFile as missing:
        raise Skipped(str(missing).partition(". ")[0]) from missing


def _signature(subject: Subject) -> None:
    check_signature(subject, ("files",), all_of_them=False)


def _images(subject: Subject) -> None:
    images = load(subject)
    require(isinstance(images, ImageSet), f"it returns {type(images).__name__}, and should an ImageSet")
    try:
        check_images(images, "it")
    except (ContractViolation, DataError) as error:
        raise Breach(str(error)) from error
    require(len(images.x) >= 2, f"it holds {len(images.x)} image; two at least can be clustered")


def _labels(subject: Subject) -> None:
    y = load(subject).y
    if y is None:
        raise Skipped("it has no labels")
    require(bool((y >= 0).all()), f"classes are numbers from 0 up; the smallest is {int(y.min())}")
    require(len(y.unique()) >= 2, "all images are of one class; return y=None where classes are not known")


def _determinism(subject: Subject) -> None:
    loaded = []
    for seed in (5, 6):
        random.seed(seed)
        np.random.seed(seed)
        loaded.append(load(subject, seed))
    seen = "; draw from a torch.Generator seeded by a parameter of its own"
    require(torch.equal(loaded[0].x, loaded[1].x), f"a second call returns other images{seen}")
    if loaded[0].y is not None:
        require(torch.equal(loaded[0].y, loaded[1].y), f"a second call returns other labels{seen}")
    shared = loaded[0].x.data_ptr() == loaded[1].x.data_ptr()
    require(not shared, "a second call returns the very same memory; return copies")


def _generators(subject: Subject) -> None:
    before = stir_generators()
    load(subject)  # under a global generator of its own, so that of torch moves unseen: `determinism` finds it
    require_unmoved("the function", before)


def _copies(subject: Subject) -> None:
    images = load(subject)
    again = pickle.loads(pickle.dumps(images))
    require(torch.equal(again.x, images.x), "a pickled copy holds other images")


def _stdout(subject: Subject) -> None:
    with quiet_stdout("loading"):
        load(subject)


RULES = (
    Rule("signature", "files or nothing before the star, after it parameters with type, help and default", _signature),
    Rule("images", "an ImageSet of float32 in [0, 1] or uint8, with labels and names that fit", _images, basic=True),
    Rule("labels", "classes are numbers from 0 up, and there are several", _labels),
    Rule("determinism", "the same arguments give the same images, whatever global generators hold", _determinism),
    Rule("global generators", "it neither draws from nor reseeds a global generator", _generators),
    Rule("copies", "what it returns can be pickled", _copies),
    Rule("stdout", "it writes nothing to stdout", _stdout),
)
