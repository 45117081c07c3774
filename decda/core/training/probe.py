"""Checks that parts fulfil their contracts by sending a first batch through copies of them, before training starts."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import TypeVar

import torch
from torch import Tensor

from decda.core.contracts import Augmentation, Autoencoder, Batch, ClusteringHead
from decda.core.errors import ContractViolation, OutOfMemory, in_a_line, is_out_of_memory
from decda.core.random_keys import derive_seed, keyed_generator
from decda.core.training.starting import takes_seed

T = TypeVar("T")


def probe(
    autoencoder: Autoencoder,
    head: ClusteringHead,
    augment: Augmentation,
    x: Tensor,
    owners: Mapping[str, str],
    seed: int,
) -> None:
    """Call each method of the parts once and check what it returns.

    The calls are made on copies, so that running means, centers and counters do not change.

    Args:
        autoencoder: the encoder, on the CPU.
        head: the clustering head, on the CPU.
        augment: the augmentation.
        x: a few clean images (B, C, H, W), float32 in [0, 1].
        owners: how error messages name the `encoder`, the `head` and the `augment`.
        seed: seed of the random draws made here.

    Raises:
        ContractViolation: a method fails, or does not return what its contract requires.
        OutOfMemory: memory ran out.
    """
    _probe_augment(augment, x, owners["augment"], seed)
    _probe_models(autoencoder, head, x, owners, seed)


def _probe_augment(augment: Augmentation, x: Tensor, owner: str, seed: int) -> None:
    before = x.clone()
    draws = _call(owner, "sample", lambda: augment.sample(len(x), keyed_generator(seed, "probe")))
    _expect(owner, "sample", draws, (len(x), None))
    augmented = _call(owner, "apply", lambda: augment.apply(x, draws))
    _expect(owner, "apply", augmented, tuple(x.shape))
    if not torch.equal(x, before):
        raise ContractViolation(f"{owner}: apply changed its input in place; it must return new images.")


def _probe_models(
    autoencoder: Autoencoder, head: ClusteringHead, x: Tensor, owners: Mapping[str, str], seed: int
) -> None:
    encoder = owners["encoder"]
    for owner, module in ((encoder, autoencoder), (owners["head"], head)):
        invalid = [name for name, value in module.state_dict().items() if not isinstance(value, Tensor)]
        if invalid:  # the trained model could not be saved
            raise ContractViolation(f"{owner}: '{invalid[0]}' in its state_dict is not a tensor; keep it in a buffer.")
    n_clusters, dim = head.centers.shape
    autoencoder = _call(encoder, "deepcopy", lambda: deepcopy(autoencoder))
    z = _call(encoder, "encode", lambda: autoencoder.encode(x))
    _expect(encoder, "encode", z, (len(x), dim))
    _expect(encoder, "decode", _call(encoder, "decode", lambda: autoencoder.decode(z)), tuple(x.shape))
    if not any(weight.requires_grad for weight in autoencoder.parameters()):
        raise ContractViolation(f"{encoder}: it has no weights to train; at least one must require a gradient.")

    owner = owners["head"]
    head = _call(owner, "deepcopy", lambda: deepcopy(head))
    points, by = random_start(head, len(x), seed)
    _call(owner, "init_centers", lambda: head.init_centers(points, by))  # type: ignore[arg-type]
    _expect(owner, "centers after init_centers", head.centers, (n_clusters, dim), verb="be")
    q = _call(owner, "soft_assign", lambda: head.soft_assign(points))
    _expect(owner, "soft_assign", q, (len(points), n_clusters))
    if not torch.allclose(q.sum(1), torch.ones(len(points)), atol=1e-3):
        raise ContractViolation(f"{owner}: each row of soft_assign must sum to 1; the first sums to {q[0].sum():g}.")
    target = _call(owner, "refresh", lambda: head.refresh(points))
    _expect(owner, "refresh", target, (len(points), n_clusters))
    if target.requires_grad:
        raise ContractViolation(f"{owner}: the target that refresh returns must not require a gradient.")
    batch = Batch(z=z, target=target[: len(x)], x=x, decode=autoencoder.decode, index=torch.arange(len(x)))
    terms = _call(owner, "loss", lambda: head.loss(batch))
    if not isinstance(terms, dict) or not terms:
        raise ContractViolation(f"{owner}: loss must return a dict with at least one scalar tensor, not {terms!r}.")
    for name, term in terms.items():
        _expect(owner, f"the term '{name}' of loss", term, (), verb="be")
    if not any(term.requires_grad for term in terms.values()):
        raise ContractViolation(f"{owner}: no term of its loss depends on the weights.")


def random_start(head: ClusteringHead, n: int, seed: int) -> tuple[Tensor, Tensor | int]:
    """What `init_centers` of a head takes: random points, because there may be fewer images than clusters.

    Args:
        head: the clustering head.
        n: how many points there are at least.
        seed: of the draw.

    Returns:
        Points (2 K + n, D), and what the head starts by: their clusters, or a seed.
    """
    n_clusters, dim = head.centers.shape
    points = torch.randn(2 * n_clusters + n, dim, generator=keyed_generator(seed, "probe"))
    return points, derive_seed(seed, "probe") if takes_seed(head) else torch.arange(len(points)) % n_clusters


def _call(owner: str, method: str, call: Callable[[], T]) -> T:
    try:
        return call()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin's code may raise anything
        if is_out_of_memory(error):
            raise OutOfMemory(
                f"Out of memory: {owner} ran out of memory on a first batch of a few images: "
                f"{in_a_line(error)}. Use smaller images or a smaller network."
            ) from error
        raise ContractViolation(f"{owner}: {method} failed on a first batch: {in_a_line(error)}") from error


def _expect(owner: str, what: str, value: object, shape: tuple[int | None, ...], verb: str = "return") -> None:
    """Require a finite float32 tensor of a given shape, in which None means any length."""
    required = "(" + ", ".join("any" if side is None else str(side) for side in shape) + ")"
    if not isinstance(value, Tensor):
        raise ContractViolation(
            f"{owner}: {what} must {verb} a tensor of shape {required}, not {type(value).__name__}."
        )
    fits = value.dim() == len(shape) and all(s in (None, v) for s, v in zip(shape, value.shape, strict=True))
    if not fits or value.dtype != torch.float32:
        seen = f"{value.dtype} of shape {tuple(value.shape)}"
        raise ContractViolation(f"{owner}: {what} must {verb} float32 of shape {required}, not {seen}.")
    if not bool(value.isfinite().all()):
        did = "returned" if verb == "return" else "contains"
        raise ContractViolation(f"{owner}: {what} {did} numbers that are not finite (NaN or infinite).")
