"""The rules for heads, with heads that break each of them."""

import os
import random
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from decda.core.contracts import Batch, ClusteringHead
from decda.testing import check_head
from decda.testing.rules import Subject
from decda.testing.suite import try_all
from tests.testing.breakages import Breakage, failures


class Sound(ClusteringHead):
    """Anneals at each refresh, so that everything a head may change does change."""

    def __init__(
        self, n_clusters: int, embedding_dim: int, *, rate: Annotated[float, "growth at each refresh"] = 2.0
    ) -> None:
        super().__init__()
        self.rate = rate
        self.centers = nn.Parameter(torch.zeros(n_clusters, embedding_dim))
        self.alpha: Tensor
        self.register_buffer("alpha", torch.ones(()))

    @torch.no_grad()
    def init_centers(self, z: Tensor, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.centers.copy_(z[torch.randperm(len(z), generator=generator)[: len(self.centers)]])

    def soft_assign(self, z: Tensor) -> Tensor:
        return (-self.alpha * self.distances(z)).softmax(1)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        self.alpha.mul_(self.rate)
        return self.soft_assign(z)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"kmeans": (batch.target * self.distances(batch.z)).sum(1).mean()}

    def distances(self, z: Tensor) -> Tensor:
        return (z.unsqueeze(1) - self.centers).square().mean(2)


class Frozen(Sound):
    """Has a layer that requires no gradient."""

    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        self.teacher = nn.Linear(embedding_dim, embedding_dim).requires_grad_(False)


class Spherical(Sound):
    """Places centers by directions alone, independently of the scale."""

    def init_centers(self, z: Tensor, seed: int) -> None:
        super().init_centers(nn.functional.normalize(z), seed)


class SelfPaced(Sound):
    """Ignores images farther away than the farthest of the clean set, as self-paced learning does."""

    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        self.reach: Tensor
        self.register_buffer("reach", torch.zeros(()))

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        target = super().refresh(z)
        self.reach.copy_((target * self.distances(z)).sum(1).max())
        return target

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        losses = (batch.target * self.distances(batch.z)).sum(1)
        return {"easy": torch.where(losses <= self.reach + 1e-4, losses, 0).mean()}


@pytest.mark.parametrize("factory", [Frozen, Spherical, SelfPaced])
def test_unusual_but_sound_heads_pass(factory: Any) -> None:
    """Unusual heads pass if the contract allows them."""
    check_head(factory)


def test_a_sound_head_passes() -> None:
    """A head that anneals in a buffer breaks no rule, for several parameter values."""
    check_head(Sound)
    check_head(Sound, rate=1.5)


class Untyped(Sound):
    def __init__(self, n_clusters, embedding_dim, *, rate=2.0) -> None:
        super().__init__(n_clusters, embedding_dim)


class Helpless(Sound):
    def __init__(self, n_clusters: int, embedding_dim: int, *, rate: float = 2.0) -> None:
        super().__init__(n_clusters, embedding_dim)


class Greedy(Sound):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)


class WantsMore(Sound):
    def __init__(self, n_clusters: int, embedding_dim: int, rate: float = 2.0) -> None:
        super().__init__(n_clusters, embedding_dim)


class WantsLess(Sound):
    def __init__(self, n_clusters: int, *, embedding_dim: Annotated[int, "D"] = 5) -> None:
        super().__init__(n_clusters, embedding_dim)


class Required(Sound):
    def __init__(self, n_clusters: int, embedding_dim: int, *, rate: Annotated[float, "growth"]) -> None:
        super().__init__(n_clusters, embedding_dim, rate=rate)


class NoHead(nn.Module):
    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__()


class Unregistered(Sound):
    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        del self.centers
        self.centers = torch.zeros(n_clusters, embedding_dim)


class WrongShape(Sound):
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"kmeans": (batch.target * self.distances(batch.z)).sum(1)}


class NoTerms(Sound):
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {}


class GrayOnly(Sound):
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {"reconstruction": (batch.decode(batch.z) - batch.x).view(len(batch.x), 1, 9, 9).square().mean()}


class Normed(Sound):
    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        self.norm = nn.BatchNorm1d(embedding_dim)

    def distances(self, z: Tensor) -> Tensor:
        return super().distances(self.norm(z))


class NotShares(Sound):
    def soft_assign(self, z: Tensor) -> Tensor:
        return (-self.distances(z)).exp()


class Negative(Sound):
    def soft_assign(self, z: Tensor) -> Tensor:
        q = super().soft_assign(z)
        return 2 * q - 1 / q.shape[1]


class Attached(Sound):
    def refresh(self, z: Tensor) -> Tensor:
        return self.soft_assign(z)


class TargetNotShares(Sound):
    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        return 2 * self.soft_assign(z)


class Detached(Sound):
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return super().loss(replace(batch, z=batch.z.detach()))


class Unused(Sound):
    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        self.spare = nn.Parameter(torch.ones(3))


class Unseeded(Sound):
    @torch.no_grad()
    def init_centers(self, z: Tensor, seed: int) -> None:
        self.centers.copy_(z[torch.randperm(len(z))[: len(self.centers)]])


class Reseeding(Sound):
    @torch.no_grad()
    def init_centers(self, z: Tensor, seed: int) -> None:
        torch.manual_seed(seed)
        self.centers.copy_(z[torch.randperm(len(z))[: len(self.centers)]])


class NumpySeeding(Sound):
    def init_centers(self, z: Tensor, seed: int) -> None:
        np.random.seed(seed)
        super().init_centers(z, seed)


class PythonDrawing(Sound):
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        random.random()
        return super().loss(batch)


class Counting(Sound):
    refreshes = 0

    def refresh(self, z: Tensor) -> Tensor:
        self.refreshes += 1
        return super().refresh(z)


class Replacing(Sound):
    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        self.alpha = self.alpha * 2
        return self.soft_assign(z)


class ReplacingData(Sound):
    def init_centers(self, z: Tensor, seed: int) -> None:
        self.centers.data = z[: len(self.centers)].clone()


class Growing(Sound):
    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        self.register_buffer("seen", torch.ones(1))
        return self.soft_assign(z)


class Reading(Sound):
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        weight = 1.0 if float(batch.target.sum()) > 0 else 0.0
        return {name: weight * term for name, term in super().loss(batch).items()}


class Homebound(Sound):
    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        self.weight = torch.ones(n_clusters)

    def distances(self, z: Tensor) -> Tensor:
        return super().distances(z) * self.weight


class Single(Sound):
    def distances(self, z: Tensor) -> Tensor:
        return super().distances(z).float()


class Writing(Sound):
    def refresh(self, z: Tensor) -> Tensor:
        z -= z.mean(0)
        return super().refresh(z)


class Forgetful(Sound):
    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        self.register_buffer("alpha", torch.ones(()), persistent=False)


class Unpicklable(Sound):
    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        self.metric = lambda z: z.square()


class Rooted(Sound):
    def distances(self, z: Tensor) -> Tensor:
        return (z.unsqueeze(1) - self.centers).square().sum(2).sqrt()


class Divided(Sound):
    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        distances = self.distances(z)
        return (-distances / distances.std()).softmax(1)


class Loud(Sound):
    def init_centers(self, z: Tensor, seed: int) -> None:
        print("placing centers")
        super().init_centers(z, seed)


class Diverging(Sound):
    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        self.alpha.pow_(2).add_(1e9)
        return (self.alpha * self.distances(z)).softmax(1)


class Changing(Sound):
    """Changes the names of its terms, which no single call reveals."""

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        return {f"after {self.alpha.item():g}": super().loss(batch)["kmeans"]}


class Failing(Sound):
    def soft_assign(self, z: Tensor) -> Tensor:
        raise KeyError("q")


class Leaving(Sound):
    def soft_assign(self, z: Tensor) -> Tensor:
        raise SystemExit(0)


class CountsInPython(Sound):
    """Anneals with a plain number, which is not part of the state_dict."""

    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        self.sharpness = 1.0

    def soft_assign(self, z: Tensor) -> Tensor:
        return (-self.sharpness * self.distances(z)).softmax(1)

    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        self.sharpness *= 2
        return self.soft_assign(z)


class Unplaced(Sound):
    def init_centers(self, z: Tensor, seed: int) -> None:
        pass


class Overflowing(Sound):
    def soft_assign(self, z: Tensor) -> Tensor:
        q = (-self.distances(z)).exp()
        return q / q.sum(1, keepdim=True)


class Moving(Sound):
    def soft_assign(self, z: Tensor) -> Tensor:
        with torch.no_grad():
            self.alpha.mul_(0.9)
        return super().soft_assign(z)


class HardInEval(Sound):
    def soft_assign(self, z: Tensor) -> Tensor:
        return super().soft_assign(z) if self.training else self.distances(z).argmin(1)


class LogitsInEval(Sound):
    @torch.no_grad()
    def refresh(self, z: Tensor) -> Tensor:
        return super().refresh(z) if self.training else -self.distances(z)


class ExtraState(Sound):
    def get_extra_state(self) -> dict[str, int]:
        return {"refreshes": 3}

    def set_extra_state(self, state: dict[str, int]) -> None:
        pass


class CountingInEval(Sound):
    def __init__(self, n_clusters: int, embedding_dim: int) -> None:
        super().__init__(n_clusters, embedding_dim)
        self.refreshes = 0

    def refresh(self, z: Tensor) -> Tensor:
        self.refreshes += not self.training
        return super().refresh(z)


class WritingInEval(Sound):
    def refresh(self, z: Tensor) -> Tensor:
        if not self.training:
            z -= z.mean(0)
        return super().refresh(z)


class LoudBelowPython(Sound):
    def refresh(self, z: Tensor) -> Tensor:
        os.write(1, b"refreshing")
        return super().refresh(z)


class FewClusters(Sound):
    @torch.no_grad()
    def init_centers(self, z: Tensor, seed: int) -> None:
        self.centers.copy_(z.mean(0) + torch.eye(z.shape[1], dtype=z.dtype)[: len(self.centers)])


BREAKAGES = [
    Breakage("state_dict", ExtraState, "'_extra_state' in its state_dict is not a tensor"),
    Breakage("in place", CountingInEval, "refresh changes the attribute 'refreshes'"),
    Breakage("inputs", WritingInEval, "refresh changes its input z (N, D) in place"),
    Breakage("stdout", LoudBelowPython, "writes 'refreshing"),
    Breakage("shapes", FewClusters, "RuntimeError"),
    Breakage("centers", Unplaced, "the same centers for different embeddings, the first one at [0.0, 0.0"),
    Breakage("assignment", Overflowing, "soft_assign of embeddings as large as"),
    Breakage("assignment", Moving, "soft_assign returns different values when called again"),
    Breakage("shapes", HardInEval, "must be float32 of shape (30, 3); it is int64 of shape (30)"),
    Breakage("target", LogitsInEval, "negative entries"),
    Breakage("signature", Untyped, "'rate' has no type"),
    Breakage("signature", Helpless, "'rate' has no help; declare it as rate: Annotated["),
    Breakage("signature", Greedy, "'*args"),
    Breakage("signature", WantsMore, "'rate' stands before the star"),
    Breakage("signature", WantsLess, "'embedding_dim' is missing"),
    Breakage("signature", Required, "'rate' has no default"),
    Breakage("type", NoHead, "it must be a ClusteringHead, not a NoHead"),
    Breakage("type", Unregistered, "registered buffer"),
    Breakage("shapes", WrongShape, "the term 'kmeans' of loss must be float32 of shape (); it is float32 of shape (7)"),
    Breakage("shapes", NoTerms, "{}"),
    Breakage("shapes", GrayOnly, "RuntimeError"),
    Breakage("shapes", Failing, "KeyError: 'q' (test_head.py, line"),
    Breakage("shapes", Leaving, "SystemExit"),
    Breakage("batch of one", Normed, "ValueError"),
    Breakage("assignment", NotShares, "each row of soft_assign must sum to 1; one sums to"),
    Breakage("assignment", Negative, "negative entries, the smallest is -0.3"),
    Breakage("target", Attached, "put @torch.no_grad()"),
    Breakage("target", TargetNotShares, "sums to 2"),
    Breakage("gradients", Detached, "no gradient of the loss reaches the embedding"),
    Breakage("gradients", Unused, "'spare' gets no gradient"),
    Breakage("determinism", Unseeded, "init_centers returns different values for equal embeddings and seeds"),
    Breakage("global generators", Unseeded, "init_centers draws from or reseeds the global generator of torch;"),
    Breakage("global generators", Reseeding, "init_centers draws from or reseeds the global generator of torch;"),
    Breakage("global generators", NumpySeeding, "of numpy.random;"),
    Breakage("global generators", PythonDrawing, "loss draws from or reseeds the global generator of random;"),
    Breakage("in place", Counting, "refresh changes the attribute 'refreshes'"),
    Breakage("in place", CountsInPython, "'sharpness', which is neither a parameter nor a buffer"),
    Breakage("in place", Replacing, "refresh replaces 'alpha' with a new tensor"),
    Breakage("in place", ReplacingData, "init_centers replaces 'centers' with a new tensor"),
    Breakage("in place", Growing, "adds or removes the parameter or buffer 'seen'"),
    Breakage("device", Reading, "meta"),
    Breakage("device", Homebound, "device"),
    Breakage("dtype", Single, "must be float64 of shape (30, 3); it is float32"),
    Breakage("inputs", Writing, "refresh changes its input z (N, D) in place"),
    Breakage("state_dict", Forgetful, "soft_assign before and after its state was saved and loaded"),
    Breakage("state_dict", CountsInPython, "soft_assign before and after its state was saved and loaded"),
    Breakage("copies", Unpicklable, "pickle fails"),
    Breakage("degenerate images", Rooted, "not finite"),
    Breakage("degenerate images", Divided, "not finite"),
    Breakage("stdout", Loud, "writes 'placing centers\\n' to stdout"),
    Breakage("training", Changing, "The loss of the head returned the terms"),
]


class NoNames(Sound):
    def loss(self, batch: Batch) -> Any:
        return super().loss(batch)["kmeans"]


def test_rules_after_a_basic_one_are_skipped() -> None:
    """If a basic rule is broken, later rules are skipped and say why."""
    outcomes = list(try_all(Subject("head", "the part", NoHead)))
    assert [outcome.rule.name for outcome in outcomes if outcome.status == "failed"] == ["type"]
    assert {outcome.seen for outcome in outcomes[2:]} == {"not tried, because the rule 'type' is broken"}


def test_a_loss_that_is_no_dict_is_explained_by_every_rule() -> None:
    """Every rule that uses the loss itself says what it should be."""
    seen = failures("head", NoNames)
    for rule in ("shapes", "batch of one", "gradients", "determinism", "dtype", "device", "degenerate images"):
        assert "must return a dict of scalar tensors" in seen[rule]


def test_the_reported_line_is_in_the_part() -> None:
    """The reported line is in the part, not in decda's core or in the kit, where its mistake only shows up."""
    assert "step.py" not in failures("head", NoNames)["training"]


def test_a_single_mistake_is_reported_once() -> None:
    """A head that prints breaks the rule about stdout and no other."""
    assert set(failures("head", Loud)) == {"stdout"}


def test_the_assertion_names_part_rule_and_value() -> None:
    """`check_head` raises an AssertionError with a line for each broken rule."""
    with pytest.raises(AssertionError, match=r"head Loud breaks the rule 'stdout' \(it writes.*placing centers"):
        check_head(Loud)
    with pytest.raises(AssertionError) as caught:
        check_head(Unseeded)
    assert len(str(caught.value).splitlines()) >= 2


def test_values_are_passed_by_name() -> None:
    """The value of a parameter without a default is passed to the check by name."""
    check_head(Required, rate=2.0)


def test_checks_restore_global_generators() -> None:
    """Even a part that reseeds global generators does not affect other tests."""
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    for factory in (Reseeding, NumpySeeding, PythonDrawing):
        failures("head", factory)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
