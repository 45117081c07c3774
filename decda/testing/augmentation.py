"""The rules for augmentations: an augmentation keeps `decda.core.contracts.Augmentation`."""

from typing import Any

import torch
from torch import Tensor, nn

from decda.core.contracts import Augmentation
from decda.core.parts.parameters import supplied_names
from decda.core.random_keys import keyed_generator
from decda.testing.common import any_shape, check_signature, choose_shape, copies, devices, require_unchanged
from decda.testing.kit import (
    Breach,
    Rule,
    Skipped,
    Subject,
    images,
    quiet_stdout,
    require,
    require_equal,
    require_tensor,
    require_unmoved,
    stir_generators,
)
from decda.testing.partners import LinearAutoencoder, PlainHead
from decda.testing.state import Watch
from decda.testing.training import require_trains

BATCH, MANY = 6, 300
"""Images at a time, and so many that draws which are equal among them are no coincidence."""


def build(subject: Subject, shape: tuple[int, ...]) -> Augmentation:
    """The augmentation for images of that shape."""
    supplies: dict[str, Any] = {"input_shape": shape} if "input_shape" in supplied_names(subject.factory) else {}
    augment: Augmentation = subject.make(**supplies)
    return augment


def _ready(subject: Subject) -> tuple[Augmentation, Tensor, Tensor]:
    """An augmentation, images and draws for them."""
    shape = any_shape(subject, build)
    augment = build(subject, shape)
    return augment, images(BATCH, shape), _draw(augment)


def _draw(augment: Augmentation, n: int = BATCH, seed: int = 0) -> Tensor:
    return augment.sample(n, keyed_generator(seed, "kit draws"))


def _signature(subject: Subject) -> None:
    check_signature(subject, ("input_shape",), all_of_them=False)


def _type(subject: Subject) -> None:
    augment = build(subject, any_shape(subject, build))
    missing = [name for name in ("sample", "apply") if not callable(getattr(augment, name, None))]
    require(not missing, f"it makes a {type(augment).__name__} without the method {' and '.join(missing)}")


def _shapes(sort: str) -> Rule:
    def check(subject: Subject) -> None:
        any_shape(subject, build)
        try:
            shape = choose_shape(subject, sort, build)
        except Breach as refused:  # one for colour images alone, say
            raise Skipped(str(refused)) from refused
        augment = build(subject, shape)
        draws = _draw(augment)
        require_tensor("sample", draws, (BATCH, None))
        require_tensor(f"apply to {shape}", augment.apply(images(BATCH, shape), draws), (BATCH, *shape))

    return Rule(f"{sort} images", f"{sort} images keep their shape and type, by draws (n, P) in float32", check)


def _batch_of_one(subject: Subject) -> None:
    augment, x, _ = _ready(subject)
    draws = _draw(augment, 1)
    require_tensor("sample of one image", draws, (1, None))
    require_tensor("apply to one image", augment.apply(x[:1], draws), (1, *x.shape[1:]))


def _range(subject: Subject) -> None:
    augment, x, _ = _ready(subject)
    for seed in range(4):
        # Any grays, and black and white alone, which overshoot the most where neighbours are mixed.
        y = torch.cat([augment.apply(batch, _draw(augment, seed=seed)) for batch in (x, x.round())])
        seen = f"pixels reach from {y.min():.4g} to {y.max():.4g}; clamp them to [0, 1]"
        require(bool(y.min() >= -1e-4) and bool(y.max() <= 1 + 1e-4), seen)


def _independence(subject: Subject) -> None:
    augment, x, draws = _ready(subject)
    several = [_draw(augment, MANY, seed) for seed in range(3)]
    shared = all(bool((rows == rows[:1]).all()) for rows in several) and not torch.equal(several[0], several[1])
    require(not shared, "sample gives all images the same draw, and it is asked for those of a whole epoch")
    together = augment.apply(x, draws)
    for row in (0, BATCH - 1):
        alone = augment.apply(x[row : row + 1], draws[row : row + 1])[0]
        require_equal("an image augmented alone and in a batch", alone, together[row])


def _determinism(subject: Subject) -> None:
    augment, x, draws = _ready(subject)
    torch.manual_seed(5)
    first = augment.apply(x, draws)
    torch.manual_seed(6)
    require(torch.equal(_draw(augment), draws), "sample gives other draws for an equal generator")
    require(torch.equal(augment.apply(x, draws), first), "apply gives other images for the same images and draws")
    _draw(augment, seed=9)
    require(torch.equal(augment.apply(x, draws), first), "apply depends on what was drawn in between")
    several = [_draw(augment, MANY, seed) for seed in range(3)]
    deaf = all(torch.equal(rows, several[0]) for rows in several) and not bool((several[0] == several[0][:1]).all())
    require(not deaf, "sample gives the same draws for other generators; draw from the one it is given")
    source = keyed_generator(0, "kit draws")
    stuck = torch.equal(augment.sample(MANY, source), augment.sample(MANY, source))
    varied = not torch.equal(several[0], several[1])
    require(not (stuck and varied), "sample gives the same draws twice from one generator, which it must move on")


def _generators(subject: Subject) -> None:
    augment, x, draws = _ready(subject)
    before = stir_generators()
    _draw(augment)
    require_unmoved("sample", before)
    augment.apply(x, draws)
    require_unmoved("apply", before)


def _in_place(subject: Subject) -> None:
    augment, x, _ = _ready(subject)
    watch = Watch(augment)
    augment.apply(x, _draw(augment, seed=1))
    watch.require_kept("sample or apply")


def _dtype(subject: Subject) -> None:
    augment, x, draws = _ready(subject)
    for dtype in (torch.float64, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        require_tensor(f"apply to {name}", augment.apply(x.to(dtype), draws), tuple(x.shape), dtype)


def _device(subject: Subject) -> None:
    augment, x, draws = _ready(subject)
    require(draws.device.type == "cpu", f"sample gives draws on {draws.device} for a generator on the CPU")
    for device in devices():
        y = augment.apply(x.to(device), draws.to(device))
        require(y.device.type == device, f"apply gives images on {y.device} for images on {device}")


def _inputs(subject: Subject) -> None:
    augment, x, draws = _ready(subject)
    before = {"x": x.clone(), "params": draws.clone()}
    augment.apply(x, draws)
    require_unchanged("apply", {"x": x, "params": draws}, before)


def _copies(subject: Subject) -> None:
    augment, x, draws = _ready(subject)
    for how, copy in copies(augment).items():
        require(torch.equal(_draw(copy), draws), f"a {how} draws otherwise than the part itself")
        require_equal(f"apply by a {how} and by the part itself", copy.apply(x, draws), augment.apply(x, draws))


def _degenerate(subject: Subject) -> None:
    augment, x, draws = _ready(subject)
    for what, batch in (("black", x * 0), ("white", x * 0 + 1)):
        require_tensor(f"apply to {what} images", augment.apply(batch, draws), tuple(x.shape))


def _stdout(subject: Subject) -> None:
    with quiet_stdout("building, sampling or applying"):
        augment, x, draws = _ready(subject)
        augment.apply(x, draws)


def _training(subject: Subject) -> None:
    shape = any_shape(subject, build)

    def parts() -> tuple[nn.Module, nn.Module, object]:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            return LinearAutoencoder(shape, 4), PlainHead(3, 4), build(subject, shape)

    require_trains(parts, shape)


RULES = (
    Rule(
        "signature",
        "input_shape or nothing before the star, after it parameters with type, help and default",
        _signature,
    ),
    Rule("type", "an object with the methods sample and apply", _type, basic=True),
    *(_shapes(sort) for sort in ("gray", "colour", "odd", "non-square")),
    Rule("batch of one", "one image alone can be augmented", _batch_of_one),
    Rule("range", "pixels in [0, 1] stay in [0, 1]", _range),
    Rule("independence", "an image is augmented by its own draws alone, whatever its batch", _independence),
    Rule("determinism", "sample depends on its generator alone, apply on images and draws alone", _determinism),
    Rule("global generators", "once built, it neither draws from nor reseeds a global generator", _generators),
    Rule("in place", "sampling and applying leave the part as it is", _in_place),
    Rule("dtype", "images keep their type, float64 and bfloat16 too", _dtype),
    Rule("device", "apply works where its images are, and reads no tensor's value on the host", _device),
    Rule("inputs", "apply leaves images and draws as they are", _inputs),
    Rule("copies", "it can be pickled and deep-copied", _copies),
    Rule("degenerate images", "constant images stay finite", _degenerate),
    Rule("stdout", "it writes nothing to stdout", _stdout),
    Rule("training", "a short training goes through, and again gives the same labels", _training),
)
