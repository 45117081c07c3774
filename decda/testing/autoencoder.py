"""The rules for encoders: an autoencoder fulfils `decda.core.contracts.Autoencoder`."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from decda.core.contracts import Autoencoder
from decda.testing.assertions import (
    require_equal,
    require_generators_unmoved,
    require_gradients,
    require_quiet_stdout,
    require_tensor,
    require_tensor_state,
    require_unchanged,
)
from decda.testing.generators import advance_generators
from decda.testing.inputs import choose_any_shape, choose_shape, devices, images, make_copies
from decda.testing.partners import Identity, PlainHead
from decda.testing.rules import Rule, Subject, require
from decda.testing.signature import check_signature
from decda.testing.state import StateSnapshot
from decda.testing.training import require_trains, take_gradient_step

BATCH = 6
LARGE_BATCH = 300
"""Larger than a training batch, because whole sets are embedded in batches of thousands of images."""


def build(subject: Subject, shape: tuple[int, ...], seed: int = 0) -> Autoencoder:
    """Build the autoencoder under test.

    Args:
        subject: the part under test.
        shape: shape of an image (C, H, W).
        seed: seed of the initial weights.

    Returns:
        The autoencoder.
    """
    autoencoder: Autoencoder = subject.make(seed, input_shape=shape)
    return autoencoder


def _build_with_batch(
    subject: Subject, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[Autoencoder, Tensor]:
    """Build the autoencoder, in training mode, and a batch of images for it."""
    shape = choose_any_shape(subject, build)
    return build(subject, shape, seed).to(dtype).train(), images(BATCH, shape, dtype=dtype)


def _reconstruction(autoencoder: Autoencoder, x: Tensor) -> Tensor:
    return F.mse_loss(autoencoder.decode(autoencoder.encode(x)), x)


def _signature(subject: Subject) -> None:
    check_signature(subject, ("input_shape",), all_required=True)


def _type(subject: Subject) -> None:
    part = build(subject, choose_any_shape(subject, build))
    seen = f"it must be an Autoencoder, not a {type(part).__name__}; derive the class from Autoencoder"
    require(isinstance(part, Autoencoder), seen)
    dim = getattr(part, "embedding_dim", None)
    require(type(dim) is int and dim > 0, f"embedding_dim is {dim!r}; set it to a positive int in __init__")
    require(any(weight.requires_grad for weight in part.parameters()), "it has no trainable weights")


def _shapes(sort: str) -> Rule:
    def check(subject: Subject) -> None:
        shape = choose_shape(subject, sort, build)
        autoencoder = build(subject, shape)
        for training in (True, False):
            autoencoder.train(training)
            z = autoencoder.encode(images(BATCH, shape))
            require_tensor(f"encode of {shape}", z, (BATCH, autoencoder.embedding_dim))
            require_tensor(f"decode for {shape}", autoencoder.decode(z), (BATCH, *shape))

    return Rule(f"{sort} images", f"{sort} images are encoded to float32 (B, D) and decoded to their own shape", check)


def _batch_of_one(subject: Subject) -> None:
    autoencoder, x = _build_with_batch(subject)
    for training in (True, False):
        autoencoder.train(training)
        z = autoencoder.encode(x[:1])
        require_tensor("encode of one image", z, (1, autoencoder.embedding_dim))
        require_tensor("decode of one embedding", autoencoder.decode(z), (1, *x.shape[1:]))


@torch.no_grad()
def _independence(subject: Subject) -> None:
    autoencoder, x = _build_with_batch(subject)
    autoencoder.encode(x)  # running statistics, if there are any, have seen a batch
    autoencoder.eval()
    x = images(LARGE_BATCH, tuple(x.shape[1:]))
    z = autoencoder.encode(x)
    require(torch.equal(autoencoder.encode(x), z), "in eval mode, encode returns different values when called again")
    require_equal("the embeddings of an image alone and in a batch", autoencoder.encode(x[:1]), z[:1])
    decoded = autoencoder.decode(z)[:1]
    require_equal("the reconstructions of an image alone and in a batch", autoencoder.decode(z[:1]), decoded)


def _gradients(subject: Subject) -> None:
    autoencoder, x = _build_with_batch(subject)
    _reconstruction(autoencoder, x).backward()
    require_gradients("the reconstruction", autoencoder)
    largest = max(weight.grad.abs().max() for weight in autoencoder.parameters() if weight.grad is not None)
    require(bool(largest > 0), "all gradients of the reconstruction are zero")
    autoencoder.zero_grad()
    z = autoencoder.encode(x)
    require(z.requires_grad, "the embedding carries no gradient, so no head could train the encoder")
    z.square().sum().backward()
    reached = [name for name, weight in autoencoder.named_parameters() if weight.grad is not None and weight.grad.any()]
    require(bool(reached), "no gradient of the embedding reaches a weight, so no head could train the encoder")


def _determinism(subject: Subject) -> None:
    (first, x), (second, _) = _build_with_batch(subject, 1), _build_with_batch(subject, 1)
    torch.manual_seed(5)
    here = first.encode(x), first.decode(first.encode(x))
    torch.manual_seed(6)
    there = second.encode(x), second.decode(second.encode(x))
    for what, one, other in zip(("encode", "decode"), here, there, strict=True):
        require(torch.equal(one, other), f"{what} returns different values for equal weights and images")


def _generators(subject: Subject) -> None:
    autoencoder, x = _build_with_batch(subject)
    before = advance_generators()
    for training in (True, False):
        autoencoder.train(training)
        autoencoder.decode(autoencoder.encode(x))
        require_generators_unmoved("encode or decode", before)


def _in_place(subject: Subject) -> None:
    autoencoder, x = _build_with_batch(subject)
    snapshot = StateSnapshot(autoencoder)
    for _ in range(2):
        take_gradient_step(list(autoencoder.parameters()), _reconstruction(autoencoder, x))
        snapshot.require_only_in_place_changes("training")
    autoencoder.eval()
    autoencoder.decode(autoencoder.encode(x))
    snapshot.require_only_in_place_changes("encoding or decoding in eval mode")


def _dtype(subject: Subject) -> None:
    autoencoder, x = _build_with_batch(subject, dtype=torch.float64)
    z = autoencoder.encode(x)
    require_tensor("encode in float64", z, (BATCH, autoencoder.embedding_dim), torch.float64)
    require_tensor("decode in float64", autoencoder.decode(z), tuple(x.shape), torch.float64)


def _device(subject: Subject) -> None:
    for device in devices():
        autoencoder, x = _build_with_batch(subject)
        autoencoder, x = autoencoder.to(device), x.to(device)
        for training in (False, True):
            z = autoencoder.train(training).encode(x)
            for what, value in (("encode", z), ("decode", autoencoder.decode(z))):
                require(value.device == x.device, f"{what} returns a tensor on {value.device} for one on {x.device}")
        _reconstruction(autoencoder, x).backward()


def _inputs(subject: Subject) -> None:
    autoencoder, x = _build_with_batch(subject)
    before = x.clone()
    for training in (False, True):
        z = autoencoder.train(training).encode(x).detach()
        require_unchanged("encode", {"x": x}, {"x": before})
        embedded = z.clone()
        autoencoder.decode(z)
        require_unchanged("decode", {"z": z}, {"z": embedded})


@torch.no_grad()
def _state_dict(subject: Subject) -> None:
    (autoencoder, x), (other, _) = _build_with_batch(subject, 0), _build_with_batch(subject, 1)
    require_tensor_state(autoencoder)
    with torch.enable_grad():
        take_gradient_step(list(autoencoder.parameters()), _reconstruction(autoencoder, x))
    other.load_state_dict(autoencoder.state_dict())
    for part in (autoencoder, other):
        part.eval()
    z = autoencoder.encode(x)
    require_equal("encode before and after its weights were saved and loaded", z, other.encode(x))
    decoded = autoencoder.decode(z)
    require_equal("decode before and after its weights were saved and loaded", decoded, other.decode(z))


@torch.no_grad()
def _copies(subject: Subject) -> None:
    autoencoder, x = _build_with_batch(subject)
    autoencoder.eval()
    for way, copy in make_copies(autoencoder).items():
        require_equal(f"encode of the part and of its {way} copy", autoencoder.encode(x), copy.encode(x))


def _degenerate(subject: Subject) -> None:
    autoencoder, x = _build_with_batch(subject)
    for what, batch in (("black", x * 0), ("white", x * 0 + 1), ("duplicated", x[:1].repeat(BATCH, 1, 1, 1))):
        loss = _reconstruction(autoencoder, batch)
        require(bool(loss.isfinite()), f"the reconstruction of {what} images is {loss.item():g}")
        autoencoder.zero_grad()
        loss.backward()
        require_gradients(f"the reconstruction of {what} images", autoencoder)


def _stdout(subject: Subject) -> None:
    with require_quiet_stdout("building, encoding or decoding"):
        autoencoder, x = _build_with_batch(subject)
        _reconstruction(autoencoder, x).backward()
        _reconstruction(autoencoder.eval(), x)


def _training(subject: Subject) -> None:
    shape = choose_any_shape(subject, build)

    def parts() -> tuple[nn.Module, nn.Module, object]:
        autoencoder = build(subject, shape)
        return autoencoder, PlainHead(3, autoencoder.embedding_dim), Identity()

    require_trains(parts, shape)


RULES = (
    Rule("signature", "input_shape before the star; after it, parameters with type, help and default", _signature),
    Rule("type", "an Autoencoder with embedding_dim and trainable weights", _type, basic=True),
    *(_shapes(sort) for sort in ("gray", "colour", "odd", "non-square")),
    Rule("batch of one", "a single image can be encoded and decoded, in training and in eval mode", _batch_of_one),
    Rule("independence", "in eval mode, encoding and decoding do not depend on the rest of the batch", _independence),
    Rule("gradients", "gradients reach every trainable weight, and the encoder through its embedding", _gradients),
    Rule("determinism", "encode and decode draw no random numbers", _determinism),
    Rule("global generators", "once built, it neither draws from nor reseeds a global generator", _generators),
    Rule("in place", "what changes during training is a parameter or a buffer, changed in place", _in_place),
    Rule("dtype", "converted to float64, it computes in float64", _dtype),
    Rule("device", "it computes on the device of its inputs and reads no tensor's value on the host", _device),
    Rule("inputs", "encode and decode do not modify their inputs", _inputs),
    Rule("state_dict", "saving and loading the weights preserves the outputs", _state_dict),
    Rule("copies", "it can be pickled and deep-copied", _copies),
    Rule("degenerate images", "losses and gradients are finite for constant and for duplicated images", _degenerate),
    Rule("stdout", "it writes nothing to stdout", _stdout),
    Rule("training", "a short training succeeds, and repeating it gives the same labels", _training),
)
