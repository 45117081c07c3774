"""The rules for starts, with functions that break each of them."""

import os
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from torch import Tensor

from decda.core.contracts import Views
from decda.core.functional import kmeans_labels
from decda.testing import check_start
from decda.testing.rules import Subject
from decda.testing.suite import RULES, try_all
from tests.testing.breakages import Breakage, failures


def sound(z: Tensor, n_clusters: int, seed: int, *, n_init: Annotated[int, "restarts"] = 2) -> Tensor:
    """K-means."""
    return kmeans_labels(z, n_clusters, seed, n_init=n_init)


def seeing(z: Tensor, n_clusters: int, seed: int, views: Views) -> Tensor:
    """K-means of the mean of augmented copies."""
    return kmeans_labels(torch.stack(list(views(2))).mean(0), n_clusters, seed, n_init=2)


def known(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    """Labels of one set."""
    raise AssertionError("it must not be tried on other embeddings")


known.whole_set = True  # type: ignore[attr-defined]


def two_before_the_star(z: Tensor, n_clusters: int) -> Tensor:
    return sound(z, n_clusters, 0)


def in_another_order(n_clusters: int, z: Tensor, seed: int) -> Tensor:
    return sound(z, n_clusters, seed)


def helpless(z: Tensor, n_clusters: int, seed: int, *, n_init: int = 2) -> Tensor:
    return sound(z, n_clusters, seed)


class Class:
    def __init__(self, z: Tensor, n_clusters: int, seed: int): ...


def short(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    return sound(z, n_clusters, seed)[1:]


def floating(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    return sound(z, n_clusters, seed).float()


def from_one(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    return sound(z, n_clusters, seed) + 1


def wants_many(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    if len(z) < 10:
        raise ValueError("perplexity must be less than n_samples")
    return sound(z, n_clusters, seed)


def blind(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    return torch.arange(len(z)).flip(0) * n_clusters // len(z)


def unseeded(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    return sound(z + 0.5 * torch.rand_like(z), n_clusters, seed)


def numpy_seeding(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    np.random.seed(3)
    return sound(z, n_clusters, seed)


def writing(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    z -= z.mean(0)
    return sound(z, n_clusters, seed)


def setting(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    os.environ["A_THREAD_COUNT"] = str(int(os.environ["A_THREAD_COUNT"]) + 1)
    return sound(z, n_clusters, seed)


def dividing(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    scaled = z / z.std()
    if not scaled.isfinite().all():
        raise ValueError("Input contains NaN")
    return sound(scaled, n_clusters, seed)


def planar(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    return sound(z[:, [0, 1]], n_clusters, seed)


def loud(z: Tensor, n_clusters: int, seed: int) -> Tensor:
    print("clustering")
    return sound(z, n_clusters, seed)


BREAKAGES = [
    Breakage("signature", two_before_the_star, "before the star must stand z, n_clusters, seed"),
    Breakage("signature", in_another_order, "in this order"),
    Breakage("signature", helpless, "'n_init' has no help"),
    Breakage("signature", Class, "it must be a function, not a class"),
    Breakage("labels", short, "must return int64 labels of shape (60,), not torch.int64 of shape (59,)"),
    Breakage("labels", floating, "not torch.float32"),
    Breakage("labels", from_one, "returned labels from 1 to 3; of 3 clusters they must be 0 to 2"),
    Breakage("labels", wants_many, "perplexity"),
    Breakage("clear clusters", blind, "or cuts through them"),
    Breakage("determinism", unseeded, "give different labels"),
    Breakage("global generators", unseeded, "the global generator of torch;"),
    Breakage("global generators", numpy_seeding, "of numpy.random;"),
    Breakage("inputs", writing, "changes its input z in place"),
    Breakage("surroundings", setting, "changes the environment variable A_THREAD_COUNT"),
    Breakage("degenerate embeddings", dividing, "Input contains NaN"),
    Breakage("degenerate embeddings", planar, "index 1 is out of bounds"),
    Breakage("stdout", loud, "writes 'clustering\\n"),
]


@pytest.mark.parametrize("start", [sound, seeing, known])
def test_sound_starts_pass(start: Any) -> None:
    """With views or without; one that belongs to one set is not tried on others."""
    check_start(start)
    skipped = [outcome.rule.name for outcome in try_all(Subject("start", "it", start)) if outcome.status == "skipped"]
    assert len(skipped) == (len(RULES["start"]) - 1 if start is known else 0)


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda b: f"{b.rule}-{b.factory.__name__}")
def test_a_rule_finds_its_breakage(breakage: Breakage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rule is broken by a start made for it, and says what it saw."""
    monkeypatch.setenv("A_THREAD_COUNT", "1")
    assert breakage.seen in failures("start", breakage.factory)[breakage.rule]


def test_every_rule_has_a_breakage() -> None:
    """Training is covered by the others: what breaks it breaks them, too."""
    assert {rule.name for rule in RULES["start"]} - {breakage.rule for breakage in BREAKAGES} == {"training"}
