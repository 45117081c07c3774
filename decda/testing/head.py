"""The rules for heads: a clustering head keeps `decda.core.contracts.ClusteringHead`."""

from copy import deepcopy
from itertools import product

import torch
from torch import nn

from decda.core.contracts import ClusteringHead
from decda.testing.common import (
    SHAPES,
    check_signature,
    copies,
    descend,
    devices,
    require_gradients,
    require_tensors,
    require_unchanged,
)
from decda.testing.kit import (
    Rule,
    Subject,
    quiet_stdout,
    require,
    require_equal,
    require_rows,
    require_tensor,
    require_unmoved,
    stir_generators,
)
from decda.testing.partners import Identity
from decda.testing.scene import BATCH, D, K, N, Scene, batch_of, build, loss_of, ready, sum_of_terms
from decda.testing.state import Watch
from decda.testing.training import require_trains


def _signature(subject: Subject) -> None:
    check_signature(subject, ("n_clusters", "embedding_dim"), all_of_them=True)


def _type(subject: Subject) -> None:
    head = build(subject)
    require(isinstance(head, ClusteringHead), f"it makes a {type(head).__name__}; derive it from ClusteringHead")
    centers = getattr(head, "centers", None)
    registered = any(centers is tensor for tensor in (*head.parameters(), *head.buffers()))
    require(
        registered, f"centers is {type(centers).__name__}; set it in __init__ to a parameter or a registered buffer"
    )
    require_tensor("centers", centers, (K, D))


def _shapes(subject: Subject) -> None:
    for shapes, training in product(SHAPES.values(), (True, False)):
        scene = ready(subject, shape=shapes[0])
        scene.head.train(training)
        require_tensor("centers after init_centers", scene.head.centers, (K, D))
        target = scene.head.refresh(scene.z)
        require_tensor("refresh", target, (N, K))
        require_tensor("soft_assign", scene.head.soft_assign(scene.z), (N, K))
        require_tensor("loss", scene.loss(target[:BATCH]), ())
    head, z = build(subject, 0, 12, 4), scene.z[:, :4]  # more clusters than dimensions
    head.init_centers(z, 0)
    require_tensor("refresh with 12 clusters in 4 dimensions", head.refresh(z), (N, 12))
    require_tensor("soft_assign with 12 clusters in 4 dimensions", head.soft_assign(z), (N, 12))


def _batch_of_one(subject: Subject) -> None:
    scene = ready(subject)
    target = scene.head.refresh(scene.z)
    require_tensor("soft_assign of one embedding", scene.head.soft_assign(scene.z[:1]), (1, K))
    scene.x = scene.x[:1]
    require_tensor("loss of one image", scene.loss(target[:1]), ())


def _centers(subject: Subject) -> None:
    placed = []
    for seed in (0, 1):
        scene = ready(subject)
        scene.head.init_centers(ready(subject, seed).z, 3)
        placed.append(scene.head.centers.detach().clone())
    first = [round(value, 4) for value in placed[0][0].tolist()]
    seen = f"init_centers leaves the same centers whatever the embeddings are, the first at {first}"
    require(not torch.equal(*placed), seen)


def _assignment(subject: Subject) -> None:
    for training, factor in product((True, False), (1, 30)):
        scene = ready(subject)
        scene.head.train(training)
        z = factor * scene.z  # far from the centers, too, where exponentials become zero or infinite
        q = scene.head.soft_assign(z)
        require_tensor(f"soft_assign of embeddings as large as {z.abs().max():.3g}", q, (N, K))
        require_rows("soft_assign", q)
        again = scene.head.soft_assign(z)
        require(torch.equal(q, again), "soft_assign gives other numbers a second time; it must change nothing")


def _target(subject: Subject) -> None:
    for training in (True, False):
        scene = ready(subject)
        scene.head.train(training)
        target = scene.head.refresh(scene.z.clone().requires_grad_())
        seen = "the target of refresh carries a gradient; put @torch.no_grad() before refresh"
        require(not target.requires_grad, seen)
        require_rows("the target of refresh", target)


def _gradients(subject: Subject) -> None:
    scene = ready(subject)
    target = scene.head.refresh(scene.z)[:BATCH]
    z = scene.autoencoder.encode(scene.x)
    z.retain_grad()
    loss = sum_of_terms(scene.head.loss(batch_of(scene.autoencoder, scene.x, target, z)))
    require(loss.requires_grad, "the loss depends on no weight")
    loss.backward()
    seen = "no gradient of the loss reaches the embedding, so that the encoder would not move"
    require(z.grad is not None and bool(z.grad.any()), seen)
    require_gradients("the loss", scene.head)


def _determinism(subject: Subject) -> None:
    results = []
    for noise in (5, 6):  # what a global generator holds must not matter
        scene = ready(subject, 1)
        torch.manual_seed(noise)
        scene.head.init_centers(scene.z, 3)
        centers = scene.head.centers.detach().clone()
        target = scene.head.refresh(scene.z)
        results.append((centers, target, scene.head.soft_assign(scene.z), scene.loss(target[:BATCH])))
    for what, one, other in zip(("init_centers", "refresh", "soft_assign", "loss"), *results, strict=True):
        require(torch.equal(one, other), f"{what} gives other numbers a second time, with equal embeddings and seed")


def _generators(subject: Subject) -> None:
    head, scene = build(subject), ready(subject)
    before = stir_generators()
    head.init_centers(scene.z, 3)
    require_unmoved("init_centers", before)
    target = head.refresh(scene.z)
    require_unmoved("refresh", before)
    head.soft_assign(scene.z)
    require_unmoved("soft_assign", before)
    loss_of(head, scene.autoencoder, scene.x, target[:BATCH])
    require_unmoved("loss", before)


def _in_place(subject: Subject) -> None:
    head, scene = build(subject), ready(subject)
    watch = Watch(head)
    head.init_centers(scene.z, 3)
    watch.require_kept("init_centers")
    scene.head = head
    for training in (True, False, True):
        head.train(training)  # centers are placed and targets taken in eval mode, losses in training mode
        target = head.refresh(scene.z)[:BATCH]
        watch.require_kept("refresh")
        descend([*scene.autoencoder.parameters(), *head.parameters()], scene.loss(target))
        watch.require_kept("loss")
        head.soft_assign(scene.z)
        watch.require_kept("soft_assign")


def _dtype(subject: Subject) -> None:
    scene = ready(subject, dtype=torch.float64)
    target = scene.head.refresh(scene.z)
    require_tensor("refresh in float64", target, (N, K), torch.float64)
    require_tensor("soft_assign in float64", scene.head.soft_assign(scene.z), (N, K), torch.float64)
    require_tensor("loss in float64", scene.loss(target[:BATCH]), (), torch.float64)


def _device(subject: Subject) -> None:
    for device in devices():
        scene = ready(subject)
        head, autoencoder = scene.head.to(device), scene.autoencoder.to(device)
        z, x = scene.z.to(device), scene.x.to(device)
        if device != "meta":
            head.init_centers(z, 0)  # may well compute on the CPU, and read
        for training in (False, True):
            head.train(training)
            target = head.refresh(z)
        loss = loss_of(head, autoencoder, x, target[:BATCH])
        for what, value in (("refresh", target), ("soft_assign", head.soft_assign(z)), ("loss", loss)):
            require(value.device == z.device, f"{what} gives a tensor on {value.device} for one on {z.device}")
        loss.backward()


def _inputs(subject: Subject) -> None:
    head, scene = build(subject), ready(subject)
    z, x = scene.autoencoder.encode(scene.x).detach(), scene.x
    target = head.soft_assign(z).detach()
    inputs = {"z": z, "x": x, "target": target, "all z": scene.z}
    before = {name: value.clone() for name, value in inputs.items()}
    for training in (False, True):
        head.train(training)
        head.init_centers(scene.z, 3)
        require_unchanged("init_centers", inputs, before)
        head.refresh(scene.z)
        require_unchanged("refresh", inputs, before)
        head.soft_assign(z)
        require_unchanged("soft_assign", inputs, before)
    head.loss(batch_of(scene.autoencoder, x, target, z))
    require_unchanged("loss", inputs, before)


@torch.no_grad()
def _state_dict(subject: Subject) -> None:
    scene, other = ready(subject, 0), build(subject, 1)
    require_tensors(scene.head)
    with torch.enable_grad():
        scene.descend(3)
    other.load_state_dict(scene.head.state_dict())
    _require_alike("after its state was saved and loaded", scene, other)


@torch.no_grad()
def _copies(subject: Subject) -> None:
    scene = ready(subject)
    with torch.enable_grad():
        scene.descend(2)
    for how, copy in copies(scene.head).items():
        _require_alike(f"after a {how}", deepcopy(scene), copy)


def _require_alike(when: str, scene: Scene, other: ClusteringHead) -> None:
    """Two heads go on alike, through two more refreshes."""
    for number in range(2):
        assigned = scene.head.soft_assign(scene.z), other.soft_assign(scene.z)
        require_equal(f"soft_assign before and {when}", *assigned)
        targets = scene.head.refresh(scene.z), other.refresh(scene.z)
        require_equal(f"refresh {number + 1} before and {when}", *targets)
        losses = [loss_of(head, scene.autoencoder, scene.x, targets[0][:BATCH]) for head in (scene.head, other)]
        require_equal(f"loss before and {when}", *losses)


def _degenerate(subject: Subject) -> None:
    for what in ("constant", "duplicated"):
        scene = ready(subject)
        scene.x = scene.x * 0 + 1 if what == "constant" else scene.x[:1].repeat(BATCH, 1, 1, 1)
        with torch.no_grad():
            distinct = scene.autoencoder.encode(scene.x)[:1]  # by the same batch as the loss: equal to the last bit
        # Constant images share one embedding; of duplicated ones there are fewer distinct ones than clusters.
        scene.z = distinct.repeat(N, 1) if what == "constant" else torch.cat([distinct, scene.z[-1:]]).repeat(N // 2, 1)
        scene.head.init_centers(scene.z, 0)
        target = scene.head.refresh(scene.z)
        require_tensor(f"refresh of {what} images", target, (N, K))
        require_rows(f"refresh of {what} images", target)
        require_rows(f"soft_assign of {what} images", scene.head.soft_assign(scene.z))
        loss = scene.loss(target[:BATCH])
        require(bool(loss.isfinite()), f"the loss of {what} images is {loss.item():g}")
        loss.backward()
        require_gradients(f"the loss of {what} images", scene.head)
        for name, weight in scene.autoencoder.named_parameters():
            finite = weight.grad is None or bool(weight.grad.isfinite().all())
            require(finite, f"the gradient of the loss of {what} images for the autoencoder's {name} is not finite")


def _stdout(subject: Subject) -> None:
    with quiet_stdout("building, placing centers, refreshing or computing the loss"):
        scene = ready(subject)
        scene.descend()
        scene.head.eval().refresh(scene.z)
        scene.head.soft_assign(scene.z)


def _training(subject: Subject) -> None:
    shape = (1, 9, 9)

    def parts() -> tuple[nn.Module, nn.Module, object]:
        scene = ready(subject)
        return scene.autoencoder, build(subject), Identity()

    require_trains(parts, shape)


RULES = (
    Rule(
        "signature",
        "n_clusters and embedding_dim before the star, after it parameters with type, help and default",
        _signature,
    ),
    Rule("type", "a ClusteringHead whose centers are a parameter or buffer (K, D)", _type, basic=True),
    Rule("shapes", "targets and assignments (N, K) and scalar terms, float32, for images of any shape", _shapes),
    Rule("batch of one", "one image alone has an assignment and a loss", _batch_of_one),
    Rule("centers", "init_centers places the centers by the embeddings", _centers),
    Rule("assignment", "rows of soft_assign are shares that sum to 1, and taking them changes nothing", _assignment),
    Rule("target", "refresh gives no gradient, and rows that sum to 1", _target),
    Rule("gradients", "gradients reach the embedding and every parameter of the head that asks for one", _gradients),
    Rule("determinism", "equal embeddings and seed give equal centers, targets and losses", _determinism),
    Rule("global generators", "once built, it neither draws from nor reseeds a global generator", _generators),
    Rule("in place", "what changes while training is a parameter or a buffer, changed in place", _in_place),
    Rule("dtype", "in float64 it computes in float64", _dtype),
    Rule("device", "it works where its inputs are, and reads no tensor's value on the host", _device),
    Rule("inputs", "no method changes what it is given", _inputs),
    Rule("state_dict", "a state saved and loaded goes on alike", _state_dict),
    Rule("copies", "it can be pickled and deep-copied", _copies),
    Rule("degenerate images", "losses and gradients are finite on constant and on duplicated images", _degenerate),
    Rule("stdout", "it writes nothing to stdout", _stdout),
    Rule("training", "a short training goes through, and again gives the same labels", _training),
)
