"""The rules for encoders: an autoencoder keeps `decda.core.contracts.Autoencoder`."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from decda.core.contracts import Autoencoder
from decda.testing.common import (
    any_shape,
    check_signature,
    choose_shape,
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
    images,
    quiet_stdout,
    require,
    require_equal,
    require_tensor,
    require_unmoved,
    stir_generators,
)
from decda.testing.partners import Identity, PlainHead
from decda.testing.state import Watch
from decda.testing.training import require_trains

BATCH = 6
MANY = 300
"""Images in a batch that is larger than any that is trained with: sets are embedded by thousands."""


def build(subject: Subject, shape: tuple[int, ...], seed: int = 0) -> Autoencoder:
    """The autoencoder for images of that shape."""
    autoencoder: Autoencoder = subject.make(seed, input_shape=shape)
    return autoencoder


def _ready(subject: Subject, seed: int = 0, dtype: torch.dtype = torch.float32) -> tuple[Autoencoder, Tensor]:
    """One that was built, in the mode of training, and a batch for it."""
    shape = any_shape(subject, build)
    return build(subject, shape, seed).to(dtype).train(), images(BATCH, shape, dtype=dtype)


def _reconstruction(autoencoder: Autoencoder, x: Tensor) -> Tensor:
    return F.mse_loss(autoencoder.decode(autoencoder.encode(x)), x)


def _signature(subject: Subject) -> None:
    check_signature(subject, ("input_shape",), all_of_them=True)


def _type(subject: Subject) -> None:
    part = build(subject, any_shape(subject, build))
    require(isinstance(part, Autoencoder), f"it makes a {type(part).__name__}; derive it from Autoencoder")
    dim = getattr(part, "embedding_dim", None)
    require(type(dim) is int and dim > 0, f"embedding_dim is {dim!r}; set it in __init__ to a whole number above 0")
    require(any(weight.requires_grad for weight in part.parameters()), "it has no weights to train")


def _shapes(sort: str) -> Rule:
    def check(subject: Subject) -> None:
        shape = choose_shape(subject, sort, build)
        autoencoder = build(subject, shape)
        for training in (True, False):
            autoencoder.train(training)
            z = autoencoder.encode(images(BATCH, shape))
            require_tensor(f"encode of {shape}", z, (BATCH, autoencoder.embedding_dim))
            require_tensor(f"decode for {shape}", autoencoder.decode(z), (BATCH, *shape))

    return Rule(f"{sort} images", f"{sort} images become (B, D) float32, and images of their shape again", check)


def _batch_of_one(subject: Subject) -> None:
    autoencoder, x = _ready(subject)
    for training in (True, False):
        autoencoder.train(training)
        z = autoencoder.encode(x[:1])
        require_tensor("encode of one image", z, (1, autoencoder.embedding_dim))
        require_tensor("decode of one embedding", autoencoder.decode(z), (1, *x.shape[1:]))


@torch.no_grad()
def _independence(subject: Subject) -> None:
    autoencoder, x = _ready(subject)
    autoencoder.encode(x)  # what is learned from batches has seen one
    autoencoder.eval()
    x = images(MANY, tuple(x.shape[1:]))
    z = autoencoder.encode(x)
    require(torch.equal(autoencoder.encode(x), z), "in eval mode encode gives other numbers a second time")
    require_equal("the embedding of an image alone and in a batch", autoencoder.encode(x[:1]), z[:1])
    decoded = autoencoder.decode(z)[:1]
    require_equal("an image decoded alone and in a batch", autoencoder.decode(z[:1]), decoded)


def _gradients(subject: Subject) -> None:
    autoencoder, x = _ready(subject)
    _reconstruction(autoencoder, x).backward()
    require_gradients("the reconstruction", autoencoder)
    largest = max(weight.grad.abs().max() for weight in autoencoder.parameters() if weight.grad is not None)
    require(bool(largest > 0), "all gradients of the reconstruction are zero")
    autoencoder.zero_grad()
    z = autoencoder.encode(x)
    require(z.requires_grad, "the embedding carries no gradient, so that no head can move the encoder")
    z.square().sum().backward()
    reached = [name for name, weight in autoencoder.named_parameters() if weight.grad is not None and weight.grad.any()]
    require(bool(reached), "no gradient of the embedding reaches a weight, so that no head can move the encoder")


def _determinism(subject: Subject) -> None:
    (first, x), (second, _) = _ready(subject, 1), _ready(subject, 1)
    torch.manual_seed(5)
    here = first.encode(x), first.decode(first.encode(x))
    torch.manual_seed(6)
    there = second.encode(x), second.decode(second.encode(x))
    for what, one, other in zip(("encode", "decode"), here, there, strict=True):
        require(torch.equal(one, other), f"{what} gives other numbers a second time, with equal weights and images")


def _generators(subject: Subject) -> None:
    autoencoder, x = _ready(subject)
    before = stir_generators()
    for training in (True, False):
        autoencoder.train(training)
        autoencoder.decode(autoencoder.encode(x))
        require_unmoved("encode or decode", before)


def _in_place(subject: Subject) -> None:
    autoencoder, x = _ready(subject)
    watch = Watch(autoencoder)
    for _ in range(2):
        descend(list(autoencoder.parameters()), _reconstruction(autoencoder, x))
        watch.require_kept("training")
    autoencoder.eval()
    autoencoder.decode(autoencoder.encode(x))
    watch.require_kept("encoding or decoding in eval mode")


def _dtype(subject: Subject) -> None:
    autoencoder, x = _ready(subject, dtype=torch.float64)
    z = autoencoder.encode(x)
    require_tensor("encode in float64", z, (BATCH, autoencoder.embedding_dim), torch.float64)
    require_tensor("decode in float64", autoencoder.decode(z), tuple(x.shape), torch.float64)


def _device(subject: Subject) -> None:
    for device in devices():
        autoencoder, x = _ready(subject)
        autoencoder, x = autoencoder.to(device), x.to(device)
        for training in (False, True):
            z = autoencoder.train(training).encode(x)
            for what, value in (("encode", z), ("decode", autoencoder.decode(z))):
                require(value.device == x.device, f"{what} gives a tensor on {value.device} for one on {x.device}")
        _reconstruction(autoencoder, x).backward()


def _inputs(subject: Subject) -> None:
    autoencoder, x = _ready(subject)
    before = x.clone()
    for training in (False, True):
        z = autoencoder.train(training).encode(x).detach()
        require_unchanged("encode", {"x": x}, {"x": before})
        embedded = z.clone()
        autoencoder.decode(z)
        require_unchanged("decode", {"z": z}, {"z": embedded})


@torch.no_grad()
def _state_dict(subject: Subject) -> None:
    (autoencoder, x), (other, _) = _ready(subject, 0), _ready(subject, 1)
    require_tensors(autoencoder)
    with torch.enable_grad():
        descend(list(autoencoder.parameters()), _reconstruction(autoencoder, x))
    other.load_state_dict(autoencoder.state_dict())
    for part in (autoencoder, other):
        part.eval()
    z = autoencoder.encode(x)
    require_equal("encode with weights saved and loaded", other.encode(x), z)
    require_equal("decode with weights saved and loaded", other.decode(z), autoencoder.decode(z))


@torch.no_grad()
def _copies(subject: Subject) -> None:
    autoencoder, x = _ready(subject)
    autoencoder.eval()
    for how, copy in copies(autoencoder).items():
        require_equal(f"encode by a {how} and by the part itself", copy.encode(x), autoencoder.encode(x))


def _degenerate(subject: Subject) -> None:
    autoencoder, x = _ready(subject)
    for what, batch in (("black", x * 0), ("white", x * 0 + 1), ("duplicated", x[:1].repeat(BATCH, 1, 1, 1))):
        loss = _reconstruction(autoencoder, batch)
        require(bool(loss.isfinite()), f"the reconstruction of {what} images is {loss.item():g}")
        autoencoder.zero_grad()
        loss.backward()
        require_gradients(f"the reconstruction of {what} images", autoencoder)


def _stdout(subject: Subject) -> None:
    with quiet_stdout("building, encoding or decoding"):
        autoencoder, x = _ready(subject)
        _reconstruction(autoencoder, x).backward()
        _reconstruction(autoencoder.eval(), x)


def _training(subject: Subject) -> None:
    shape = any_shape(subject, build)

    def parts() -> tuple[nn.Module, nn.Module, object]:
        autoencoder = build(subject, shape)
        return autoencoder, PlainHead(3, autoencoder.embedding_dim), Identity()

    require_trains(parts, shape)


RULES = (
    Rule("signature", "input_shape before the star, after it parameters with type, help and default", _signature),
    Rule("type", "an Autoencoder with embedding_dim, and weights to train", _type, basic=True),
    *(_shapes(sort) for sort in ("gray", "colour", "odd", "non-square")),
    Rule("batch of one", "one image alone can be encoded and decoded, in either mode", _batch_of_one),
    Rule("independence", "in eval mode an image and its embedding do not depend on their batch", _independence),
    Rule("gradients", "gradients reach every weight that asks for one, and the encoder from its embedding", _gradients),
    Rule("determinism", "encode and decode draw nothing at random", _determinism),
    Rule("global generators", "once built, it neither draws from nor reseeds a global generator", _generators),
    Rule("in place", "what changes while training is a parameter or a buffer, changed in place", _in_place),
    Rule("dtype", "in float64 it computes in float64", _dtype),
    Rule("device", "it works where its inputs are, and reads no tensor's value on the host", _device),
    Rule("inputs", "encode and decode leave their inputs as they are", _inputs),
    Rule("state_dict", "weights saved and loaded give equal outputs", _state_dict),
    Rule("copies", "it can be pickled and deep-copied", _copies),
    Rule("degenerate images", "losses and gradients are finite on constant and on duplicated images", _degenerate),
    Rule("stdout", "it writes nothing to stdout", _stdout),
    Rule("training", "a short training goes through, and again gives the same labels", _training),
)
