"""The rules for starts: a function that clusters embeddings, as `decda.core.contracts.Start` says."""

import inspect
import os
import random
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from decda.core.contracts import Views
from decda.core.errors import ContractViolation
from decda.core.parts.parameters import supplied_names
from decda.core.random_keys import keyed_generator
from decda.core.training.starting import require_labels
from decda.testing.assertions import require_generators_unmoved, require_quiet_stdout, require_unchanged
from decda.testing.generators import advance_generators
from decda.testing.rules import Rule, Skipped, Subject, Violation, require
from decda.testing.signature import check_signature
from decda.testing.training import require_trains_from

N, K, D = 60, 3, 5
"""Number of embeddings, of clusters, dimension of the embedding."""
SUPPLIED = ("z", "n_clusters", "seed")


def _clouds(n: int = N, n_clusters: int = K, dim: int = D, spread: float = 0.02) -> tuple[Tensor, Tensor]:
    """Points (n, dim) around corners that lie far apart, and the corner of each (n,)."""
    generator = keyed_generator(0, "kit clouds")
    corners = 4 * torch.randn(n_clusters, dim, generator=generator)
    which = torch.arange(n) % n_clusters
    return corners[which] + spread * torch.randn(n, dim, generator=generator), which


def _cluster(subject: Subject, z: Tensor, n_clusters: int = K, seed: int = 0) -> Tensor:
    given = {"views": _views_of(z)} if "views" in supplied_names(subject.factory) else {}
    labels: Tensor = subject.factory(z, n_clusters, seed, **given, **subject.parameters)
    return labels


def _views_of(z: Tensor) -> Views:
    """Copies that lie about as near as augmented images lie to the clean ones."""

    def views(n: int) -> Iterator[Tensor]:
        for number in range(n):
            noise = torch.randn(z.shape, generator=keyed_generator(0, "kit views", number))
            yield z + 0.1 * z.std() * noise if len(z) > 1 else z

    return views


def _tried(check: Callable[[Subject], None]) -> Callable[[Subject], None]:
    """A rule that gives a start other embeddings than its own, which one that belongs to one set cannot take."""

    def rule(subject: Subject) -> None:
        if getattr(subject.factory, "whole_set", False):
            raise Skipped("it says whole_set = True: it belongs to one set of images")
        check(subject)

    return rule


def _signature(subject: Subject) -> None:
    order = supplied_names(subject.factory)
    check_signature(subject, (*SUPPLIED, "views"), all_required=False)
    seen = f"before the star must stand z, n_clusters, seed, and views if it wants them, in this order, not {order}"
    require(order in (SUPPLIED, (*SUPPLIED, "views")), seen)
    require(not inspect.isclass(subject.factory), "it must be a function, not a class")


def _labels(subject: Subject) -> None:
    for n, n_clusters in ((N, K), (K, K), (K + 1, K), (K + 2, K), (7, 2), (20, 1), (200, 12)):
        labels = _cluster(subject, _clouds(n, n_clusters)[0], n_clusters)
        try:
            require_labels(labels, n, n_clusters, "it")
        except ContractViolation as violation:
            raise Violation(f"for {n} embeddings and {n_clusters} clusters {violation}") from violation


def _clear_clusters(subject: Subject) -> None:
    z, which = _clouds()
    labels = _cluster(subject, z)
    pairs = len(torch.stack([which, labels]).unique(dim=1).T)
    found = len(labels.unique())
    seen = f"of {K} clusters as far apart as 100 times their width it makes {found}, or cuts through them"
    require(pairs == K and found == K, seen)


def _determinism(subject: Subject) -> None:
    z = torch.rand(N, D, generator=keyed_generator(0, "kit start"))
    results = []
    for noise in (5, 6):  # the state of the global generators must not matter
        torch.manual_seed(noise)
        np.random.seed(noise)
        random.seed(noise)
        results.append(_cluster(subject, z, seed=2**40 + 3))
    require(torch.equal(*results), "equal embeddings and an equal seed give different labels")


def _generators(subject: Subject) -> None:
    before = advance_generators()
    _cluster(subject, _clouds()[0])
    require_generators_unmoved("it", before)


def _inputs(subject: Subject) -> None:
    z = _clouds()[0]
    before = {"z": z.clone()}
    _cluster(subject, z)
    require_unchanged("it", {"z": z}, before)


def _surroundings(subject: Subject) -> None:
    threads, environment = torch.get_num_threads(), dict(os.environ)
    grad = torch.is_grad_enabled()
    try:
        _cluster(subject, _clouds()[0])
        require(torch.is_grad_enabled() == grad, "it switches gradients on or off")
        changed = sorted(
            name for name in {*environment, *os.environ} if environment.get(name) != os.environ.get(name)
            if not name.startswith(("KMP_", "NUMBA_", "OMP_", "TF_"))
        )  # fmt: skip
        require(not changed, f"it changes the environment variable {', '.join(changed)}")
    finally:
        torch.set_num_threads(threads)


def _degenerate(subject: Subject) -> None:
    for what, z in (
        ("equal embeddings", torch.ones(N, D)),
        ("two distinct embeddings", torch.tensor([[0.0], [1.0]]).repeat(N // 2, D)),
        ("embeddings as large as 1e4", 1e4 * _clouds()[0]),
        ("embeddings as small as 1e-4", 1e-4 * _clouds()[0]),
        ("embeddings of one dimension", _clouds(dim=1)[0]),
    ):
        try:
            require_labels(_cluster(subject, z), N, K, "it")
        except ContractViolation as violation:
            raise Violation(f"for {what} {violation}") from violation


def _stdout(subject: Subject) -> None:
    with require_quiet_stdout("clustering"):
        _cluster(subject, _clouds()[0])


def _training(subject: Subject) -> None:
    require_trains_from(lambda z, n_clusters, seed, views: _cluster(subject, z, n_clusters, seed))


RULES = (
    Rule("signature", "z, n_clusters and seed before the star; after it, parameters with type and help", _signature),
    Rule("labels", "int64 labels (N,) from 0 to K - 1, for any N from K up", _tried(_labels), basic=True),
    Rule("clear clusters", "clusters that lie far apart are found", _tried(_clear_clusters)),
    Rule("determinism", "equal embeddings and an equal seed give equal labels", _tried(_determinism)),
    Rule("global generators", "it neither draws from nor reseeds a global generator", _tried(_generators)),
    Rule("inputs", "it does not change the embeddings", _tried(_inputs)),
    Rule("surroundings", "gradients and environment variables are as before", _tried(_surroundings)),
    Rule("degenerate embeddings", "equal, huge, tiny and one-dimensional embeddings get labels", _tried(_degenerate)),
    Rule("stdout", "it writes nothing to stdout", _tried(_stdout)),
    Rule("training", "a short training starts from it, and repeating it gives the same labels", _tried(_training)),
)
