"""The rules for heads: a clustering head fulfils `decda.core.contracts.ClusteringHead`."""

from copy import deepcopy
from itertools import product

import torch
from torch import Tensor, nn

from decda.core.contracts import ClusteringHead
from decda.core.training.starting import takes_seed
from decda.testing.assertions import (
    require_equal,
    require_generators_unmoved,
    require_gradients,
    require_probabilities,
    require_quiet_stdout,
    require_tensor,
    require_tensor_state,
    require_unchanged,
)
from decda.testing.generators import advance_generators
from decda.testing.head_fixture import (
    BATCH,
    D,
    HeadFixture,
    K,
    N,
    batch_of,
    build,
    loss_of,
    make_fixture,
    place,
    sum_of_terms,
)
from decda.testing.inputs import SHAPES, devices, make_copies
from decda.testing.partners import Identity
from decda.testing.rules import Rule, Subject, require
from decda.testing.signature import check_signature
from decda.testing.state import StateSnapshot
from decda.testing.training import require_trains, take_gradient_step


def _signature(subject: Subject) -> None:
    check_signature(subject, ("n_clusters", "embedding_dim"), all_required=True)


def _type(subject: Subject) -> None:
    head = build(subject)
    seen = f"it must be a ClusteringHead, not a {type(head).__name__}; derive the class from ClusteringHead"
    require(isinstance(head, ClusteringHead), seen)
    centers = getattr(head, "centers", None)
    registered = any(centers is tensor for tensor in (*head.parameters(), *head.buffers()))
    seen = f"centers is of type {type(centers).__name__}; set it to a parameter or a registered buffer in __init__"
    require(registered, seen)
    require_tensor("centers", centers, (K, D))


def _shapes(subject: Subject) -> None:
    for shapes, training in product(SHAPES.values(), (True, False)):
        fixture = make_fixture(subject, shape=shapes[0])
        fixture.head.train(training)
        require_tensor("centers after init_centers", fixture.head.centers, (K, D))
        target = fixture.head.refresh(fixture.z)
        require_tensor("refresh", target, (N, K))
        require_tensor("soft_assign", fixture.head.soft_assign(fixture.z), (N, K))
        require_tensor("loss", fixture.loss(target[:BATCH]), ())
    head, z = build(subject, 0, 12, 4), fixture.z[:, :4]  # more clusters than dimensions
    place(head, z, 0)
    require_tensor("refresh with 12 clusters in 4 dimensions", head.refresh(z), (N, 12))
    require_tensor("soft_assign with 12 clusters in 4 dimensions", head.soft_assign(z), (N, 12))


def _batch_of_one(subject: Subject) -> None:
    fixture = make_fixture(subject)
    target = fixture.head.refresh(fixture.z)
    require_tensor("soft_assign of one embedding", fixture.head.soft_assign(fixture.z[:1]), (1, K))
    fixture.x = fixture.x[:1]
    require_tensor("loss of one image", fixture.loss(target[:1]), ())


def _centers(subject: Subject) -> None:
    def place_on(z: Tensor, by: Tensor | None = None) -> Tensor:
        head = make_fixture(subject).head
        if by is None:
            place(head, z, 3)
        else:
            head.init_centers(z, by)
        return head.centers.detach().clone()

    z = make_fixture(subject).z
    placed, other = place_on(z), place_on(make_fixture(subject, 1).z)
    first = [round(value, 4) for value in placed[0].tolist()]
    seen = f"init_centers places the same centers for different embeddings, the first one at {first}"
    require(not torch.equal(placed, other), seen)
    if not takes_seed(build(subject)):
        labels = torch.arange(N) % K
        same = torch.equal(place_on(z, labels), place_on(z, labels.flip(0)))
        require(not same, "init_centers places the same centers for different labels; place them by the labels")
        require_tensor("centers of a start with empty clusters", place_on(z, labels * 0), (K, D))


def _assignment(subject: Subject) -> None:
    for training, factor in product((True, False), (1, 30)):
        fixture = make_fixture(subject)
        fixture.head.train(training)
        z = factor * fixture.z  # also far from the centers, where exponentials underflow or overflow
        q = fixture.head.soft_assign(z)
        require_tensor(f"soft_assign of embeddings as large as {z.abs().max():.3g}", q, (N, K))
        require_probabilities("soft_assign", q)
        again = fixture.head.soft_assign(z)
        seen = "soft_assign returns different values when called again; it must not change the head"
        require(torch.equal(q, again), seen)


def _target(subject: Subject) -> None:
    for training in (True, False):
        fixture = make_fixture(subject)
        fixture.head.train(training)
        target = fixture.head.refresh(fixture.z.clone().requires_grad_())
        seen = "the target of refresh carries a gradient; put @torch.no_grad() before refresh"
        require(not target.requires_grad, seen)
        require_probabilities("the target of refresh", target)


def _gradients(subject: Subject) -> None:
    fixture = make_fixture(subject)
    target = fixture.head.refresh(fixture.z)[:BATCH]
    z = fixture.autoencoder.encode(fixture.x)
    z.retain_grad()
    loss = sum_of_terms(fixture.head.loss(batch_of(fixture.autoencoder, fixture.x, target, z)))
    require(loss.requires_grad, "the loss does not depend on any weight")
    loss.backward()
    seen = "no gradient of the loss reaches the embedding, so the encoder would not be trained"
    require(z.grad is not None and bool(z.grad.any()), seen)
    require_gradients("the loss", fixture.head)


def _determinism(subject: Subject) -> None:
    results = []
    for noise in (5, 6):  # the state of the global generator must not matter
        fixture = make_fixture(subject, 1)
        torch.manual_seed(noise)
        place(fixture.head, fixture.z, 3)
        centers = fixture.head.centers.detach().clone()
        target = fixture.head.refresh(fixture.z)
        results.append((centers, target, fixture.head.soft_assign(fixture.z), fixture.loss(target[:BATCH])))
    for what, one, other in zip(("init_centers", "refresh", "soft_assign", "loss"), *results, strict=True):
        require(torch.equal(one, other), f"{what} returns different values for equal embeddings and seeds")


def _generators(subject: Subject) -> None:
    head, fixture = build(subject), make_fixture(subject)
    before = advance_generators()
    place(head, fixture.z, 3)
    require_generators_unmoved("init_centers", before)
    target = head.refresh(fixture.z)
    require_generators_unmoved("refresh", before)
    head.soft_assign(fixture.z)
    require_generators_unmoved("soft_assign", before)
    loss_of(head, fixture.autoencoder, fixture.x, target[:BATCH])
    require_generators_unmoved("loss", before)


def _in_place(subject: Subject) -> None:
    head, fixture = build(subject), make_fixture(subject)
    snapshot = StateSnapshot(head)
    place(head, fixture.z, 3)
    snapshot.require_only_in_place_changes("init_centers")
    fixture.head = head
    for training in (True, False, True):
        head.train(training)  # as in a run: targets are computed in eval mode, losses in training mode
        target = head.refresh(fixture.z)[:BATCH]
        snapshot.require_only_in_place_changes("refresh")
        take_gradient_step([*fixture.autoencoder.parameters(), *head.parameters()], fixture.loss(target))
        snapshot.require_only_in_place_changes("loss")
        head.soft_assign(fixture.z)
        snapshot.require_only_in_place_changes("soft_assign")


def _dtype(subject: Subject) -> None:
    fixture = make_fixture(subject, dtype=torch.float64)
    target = fixture.head.refresh(fixture.z)
    require_tensor("refresh in float64", target, (N, K), torch.float64)
    require_tensor("soft_assign in float64", fixture.head.soft_assign(fixture.z), (N, K), torch.float64)
    require_tensor("loss in float64", fixture.loss(target[:BATCH]), (), torch.float64)


def _device(subject: Subject) -> None:
    for device in devices():
        fixture = make_fixture(subject)
        head, autoencoder = fixture.head.to(device), fixture.autoencoder.to(device)
        z, x = fixture.z.to(device), fixture.x.to(device)
        if device != "meta":
            place(head, z, 0)  # may compute on the CPU and read values
        for training in (False, True):
            head.train(training)
            target = head.refresh(z)
        loss = loss_of(head, autoencoder, x, target[:BATCH])
        for what, value in (("refresh", target), ("soft_assign", head.soft_assign(z)), ("loss", loss)):
            require(value.device == z.device, f"{what} returns a tensor on {value.device} for one on {z.device}")
        loss.backward()


def _inputs(subject: Subject) -> None:
    head, fixture = build(subject), make_fixture(subject)
    z, x = fixture.autoencoder.encode(fixture.x).detach(), fixture.x
    target = head.soft_assign(z).detach()
    inputs = {"z (B, D)": z, "x": x, "target": target, "z (N, D)": fixture.z}
    before = {name: value.clone() for name, value in inputs.items()}
    for training in (False, True):
        head.train(training)
        place(head, fixture.z, 3)
        require_unchanged("init_centers", inputs, before)
        head.refresh(fixture.z)
        require_unchanged("refresh", inputs, before)
        head.soft_assign(z)
        require_unchanged("soft_assign", inputs, before)
    head.loss(batch_of(fixture.autoencoder, x, target, z))
    require_unchanged("loss", inputs, before)


@torch.no_grad()
def _state_dict(subject: Subject) -> None:
    fixture, other = make_fixture(subject, 0), build(subject, 1)
    require_tensor_state(fixture.head)
    with torch.enable_grad():
        fixture.train(3)
    other.load_state_dict(fixture.head.state_dict())
    _require_alike("after its state was saved and loaded", fixture, other)


@torch.no_grad()
def _copies(subject: Subject) -> None:
    fixture = make_fixture(subject)
    with torch.enable_grad():
        fixture.train(2)
    for way, copy in make_copies(fixture.head).items():
        _require_alike(f"after copying it by {way}", deepcopy(fixture), copy)


def _require_alike(when: str, fixture: HeadFixture, other: ClusteringHead) -> None:
    """Require that two heads compute the same through two more refreshes."""
    for number in range(2):
        assigned = fixture.head.soft_assign(fixture.z), other.soft_assign(fixture.z)
        require_equal(f"soft_assign before and {when}", *assigned)
        targets = fixture.head.refresh(fixture.z), other.refresh(fixture.z)
        require_equal(f"refresh {number + 1} before and {when}", *targets)
        losses = [loss_of(head, fixture.autoencoder, fixture.x, targets[0][:BATCH]) for head in (fixture.head, other)]
        require_equal(f"loss before and {when}", *losses)


def _degenerate(subject: Subject) -> None:
    for what in ("constant", "duplicated"):
        fixture = make_fixture(subject)
        fixture.x = fixture.x * 0 + 1 if what == "constant" else fixture.x[:1].repeat(BATCH, 1, 1, 1)
        with torch.no_grad():
            # Encoded in the same batch as for the loss, to be bitwise equal.
            distinct = fixture.autoencoder.encode(fixture.x)[:1]
        if what == "duplicated":  # two distinct embeddings, fewer than clusters; constant images share a single one
            distinct = torch.cat([distinct, fixture.z[-1:]])
        fixture.z = distinct.repeat(N // len(distinct), 1)
        place(fixture.head, fixture.z, 0)
        target = fixture.head.refresh(fixture.z)
        require_tensor(f"refresh of {what} images", target, (N, K))
        require_probabilities(f"refresh of {what} images", target)
        require_probabilities(f"soft_assign of {what} images", fixture.head.soft_assign(fixture.z))
        loss = fixture.loss(target[:BATCH])
        require(bool(loss.isfinite()), f"the loss of {what} images is {loss.item():g}")
        loss.backward()
        require_gradients(f"the loss of {what} images", fixture.head)
        for name, weight in fixture.autoencoder.named_parameters():
            finite = weight.grad is None or bool(weight.grad.isfinite().all())
            seen = f"the gradient of the loss of {what} images with respect to the autoencoder's {name} is not finite"
            require(finite, seen)


def _stdout(subject: Subject) -> None:
    with require_quiet_stdout("building, placing centers, refreshing or computing the loss"):
        fixture = make_fixture(subject)
        fixture.train()
        fixture.head.eval().refresh(fixture.z)
        fixture.head.soft_assign(fixture.z)


def _training(subject: Subject) -> None:
    shape = (1, 9, 9)

    def parts() -> tuple[nn.Module, nn.Module, object]:
        fixture = make_fixture(subject)
        return fixture.autoencoder, build(subject), Identity()

    require_trains(parts, shape)


RULES = (
    Rule(
        "signature",
        "n_clusters and embedding_dim before the star; after it, parameters with type, help and default",
        _signature,
    ),
    Rule("type", "a ClusteringHead whose centers are a parameter or buffer (K, D)", _type, basic=True),
    Rule("shapes", "targets and assignments are (N, K) and loss terms scalars, float32, for any image shape", _shapes),
    Rule("batch of one", "a single image can be assigned and has a loss", _batch_of_one),
    Rule("centers", "init_centers places the centers according to embeddings and labels", _centers),
    Rule(
        "assignment", "rows of soft_assign are probabilities that sum to 1, and the call changes nothing", _assignment
    ),
    Rule("target", "the target carries no gradient, and its rows sum to 1", _target),
    Rule("gradients", "gradients reach the embedding and every trainable parameter of the head", _gradients),
    Rule("determinism", "equal embeddings and seeds give equal centers, targets and losses", _determinism),
    Rule("global generators", "once built, it neither draws from nor reseeds a global generator", _generators),
    Rule("in place", "what changes during training is a parameter or a buffer, changed in place", _in_place),
    Rule("dtype", "converted to float64, it computes in float64", _dtype),
    Rule("device", "it computes on the device of its inputs and reads no tensor's value on the host", _device),
    Rule("inputs", "no method modifies its inputs", _inputs),
    Rule("state_dict", "after its state was saved and loaded, it continues identically", _state_dict),
    Rule("copies", "it can be pickled and deep-copied", _copies),
    Rule("degenerate images", "losses and gradients are finite for constant and for duplicated images", _degenerate),
    Rule("stdout", "it writes nothing to stdout", _stdout),
    Rule("training", "a short training succeeds, and repeating it gives the same labels", _training),
)
