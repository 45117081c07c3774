"""The rules for augmentations: an augmentation fulfils `decda.core.contracts.Augmentation`."""

from typing import Any

import torch
from torch import Tensor, nn

from decda.core.contracts import Augmentation
from decda.core.parts.parameters import supplied_names
from decda.core.random_keys import keyed_generator
from decda.testing.assertions import (
    require_equal,
    require_generators_unmoved,
    require_quiet_stdout,
    require_tensor,
    require_unchanged,
)
from decda.testing.generators import advance_generators
from decda.testing.inputs import choose_any_shape, choose_shape, devices, images, make_copies
from decda.testing.partners import LinearAutoencoder, PlainHead
from decda.testing.rules import Rule, Skipped, Subject, Violation, require
from decda.testing.signature import check_signature
from decda.testing.state import StateSnapshot
from decda.testing.training import require_trains

BATCH = 6
MANY = 300
"""So many images that it is no coincidence if their random parameters are all equal."""
TABLE = (1, 1, 7)
"""Shape of the rows of a table with 7 columns."""


def build(
    subject: Subject, shape: tuple[int, ...], value_range: tuple[float, float] | None = (0.0, 1.0)
) -> Augmentation:
    """Build the augmentation under test.

    Args:
        subject: the part under test.
        shape: shape of an image (C, H, W), passed on if the signature names `input_shape`.
        value_range: between which values images lie, None for a table; passed on if the signature names it.

    Returns:
        The augmentation.
    """
    supplies: dict[str, Any] = {"input_shape": shape, "value_range": value_range}
    wanted = supplied_names(subject.factory)
    augment: Augmentation = subject.make(**{name: value for name, value in supplies.items() if name in wanted})
    return augment


def _build_with_batch(subject: Subject) -> tuple[Augmentation, Tensor, Tensor]:
    """Build the augmentation, a batch of images, and random parameters for them."""
    shape = choose_any_shape(subject, build)
    augment = build(subject, shape)
    return augment, images(BATCH, shape), _draw(augment)


def _draw(augment: Augmentation, n: int = BATCH, seed: int = 0) -> Tensor:
    return augment.sample(n, keyed_generator(seed, "kit draws"))


def _signature(subject: Subject) -> None:
    check_signature(subject, ("input_shape", "value_range"), all_required=False)


def _type(subject: Subject) -> None:
    augment = build(subject, choose_any_shape(subject, build))
    missing = [name for name in ("sample", "apply") if not callable(getattr(augment, name, None))]
    require(not missing, f"the {type(augment).__name__} that it makes lacks the method {' and '.join(missing)}")


def _shapes(sort: str) -> Rule:
    def check(subject: Subject) -> None:
        choose_any_shape(subject, build)
        try:
            shape = choose_shape(subject, sort, build)
        except Violation as refused:  # an augmentation for colour images only, say
            raise Skipped(str(refused)) from refused
        augment = build(subject, shape)
        draws = _draw(augment)
        require_tensor("sample", draws, (BATCH, None))
        require_tensor(f"apply to {shape}", augment.apply(images(BATCH, shape), draws), (BATCH, *shape))

    demand = f"{sort} images keep their shape and dtype; their random parameters are float32 (n, P)"
    return Rule(f"{sort} images", demand, check)


def _batch_of_one(subject: Subject) -> None:
    augment, x, _ = _build_with_batch(subject)
    draws = _draw(augment, 1)
    require_tensor("sample of one image", draws, (1, None))
    require_tensor("apply to one image", augment.apply(x[:1], draws), (1, *x.shape[1:]))


def _range(subject: Subject) -> None:
    augment, x, _ = _build_with_batch(subject)
    for seed in range(4):
        # Grays, and also pure black and white, where interpolation overshoots the most.
        y = torch.cat([augment.apply(batch, _draw(augment, seed=seed)) for batch in (x, x.round())])
        seen = f"augmented pixels range from {y.min():.4g} to {y.max():.4g}; clamp them to [0, 1]"
        require(bool(y.min() >= -1e-4) and bool(y.max() <= 1 + 1e-4), seen)


def _independence(subject: Subject) -> None:
    augment, x, draws = _build_with_batch(subject)
    several = [_draw(augment, MANY, seed) for seed in range(3)]
    shared = all(bool((rows == rows[:1]).all()) for rows in several) and not torch.equal(several[0], several[1])
    seen = "sample returns the same parameters for all images, although it is called once for all images of an epoch"
    require(not shared, seen)
    together = augment.apply(x, draws)
    for row in (0, BATCH - 1):
        alone = augment.apply(x[row : row + 1], draws[row : row + 1])[0]
        require_equal("the results for an image augmented alone and in a batch", alone, together[row])


def _determinism(subject: Subject) -> None:
    augment, x, draws = _build_with_batch(subject)
    torch.manual_seed(5)
    first = augment.apply(x, draws)
    torch.manual_seed(6)
    require(torch.equal(_draw(augment), draws), "sample returns different parameters for equal generators")
    seen = "apply returns different images for equal images and parameters"
    require(torch.equal(augment.apply(x, draws), first), seen)
    _draw(augment, seed=9)
    require(torch.equal(augment.apply(x, draws), first), "apply depends on what was sampled in between")
    several = [_draw(augment, MANY, seed) for seed in range(3)]
    ignored = all(torch.equal(rows, several[0]) for rows in several) and not bool((several[0] == several[0][:1]).all())
    require(not ignored, "sample returns equal parameters for different generators; draw from the one that is passed")
    source = keyed_generator(0, "kit draws")
    stuck = torch.equal(augment.sample(MANY, source), augment.sample(MANY, source))
    varied = not torch.equal(several[0], several[1])
    seen = "sample returns the same parameters twice from one generator, which it must advance"
    require(not (stuck and varied), seen)


def _generators(subject: Subject) -> None:
    augment, x, draws = _build_with_batch(subject)
    before = advance_generators()
    _draw(augment)
    require_generators_unmoved("sample", before)
    augment.apply(x, draws)
    require_generators_unmoved("apply", before)


def _in_place(subject: Subject) -> None:
    augment, x, _ = _build_with_batch(subject)
    snapshot = StateSnapshot(augment)
    augment.apply(x, _draw(augment, seed=1))
    snapshot.require_only_in_place_changes("sample or apply")


def _dtype(subject: Subject) -> None:
    augment, x, draws = _build_with_batch(subject)
    for dtype in (torch.float64, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        require_tensor(f"apply to {name}", augment.apply(x.to(dtype), draws), tuple(x.shape), dtype)


def _device(subject: Subject) -> None:
    augment, x, draws = _build_with_batch(subject)
    require(draws.device.type == "cpu", f"sample returns parameters on {draws.device} for a generator on the CPU")
    for device in devices():
        y = augment.apply(x.to(device), draws.to(device))
        require(y.device.type == device, f"apply returns images on {y.device} for images on {device}")


def _inputs(subject: Subject) -> None:
    augment, x, draws = _build_with_batch(subject)
    before = {"x": x.clone(), "params": draws.clone()}
    augment.apply(x, draws)
    require_unchanged("apply", {"x": x, "params": draws}, before)


def _copies(subject: Subject) -> None:
    augment, x, draws = _build_with_batch(subject)
    for way, copy in make_copies(augment).items():
        require(torch.equal(_draw(copy), draws), f"the {way} copy samples different parameters than the part itself")
        require_equal(f"apply of the part and of its {way} copy", augment.apply(x, draws), copy.apply(x, draws))


def _degenerate(subject: Subject) -> None:
    augment, x, draws = _build_with_batch(subject)
    for what, batch in (("black", x * 0), ("white", x * 0 + 1)):
        require_tensor(f"apply to {what} images", augment.apply(batch, draws), tuple(x.shape))
    if "value_range" in supplied_names(subject.factory):
        _try_tables(subject)


def _try_tables(subject: Subject) -> None:
    try:
        augment = build(subject, TABLE, None)
    except ValueError:  # it asks, and says that it cannot take them
        return
    draws, rows = _draw(augment), images(BATCH, TABLE)
    for scale in (0.0, 1.0, 1e6):
        y = augment.apply((rows - 0.5) * scale, draws)
        require_tensor("apply to the rows of a table", y, (BATCH, *TABLE))
    require(not bool((y.abs() <= 1).all()), "the values of tables, which may be any, are clamped")


def _stdout(subject: Subject) -> None:
    with require_quiet_stdout("building, sampling or applying"):
        augment, x, draws = _build_with_batch(subject)
        augment.apply(x, draws)


def _training(subject: Subject) -> None:
    shape = choose_any_shape(subject, build)

    def parts() -> tuple[nn.Module, nn.Module, object]:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            return LinearAutoencoder(shape, 4), PlainHead(3, 4), build(subject, shape)

    require_trains(parts, shape)


RULES = (
    Rule(
        "signature",
        "input_shape, value_range or nothing before the star; after it, parameters with type, help and default",
        _signature,
    ),
    Rule("type", "an object with the methods sample and apply", _type, basic=True),
    *(_shapes(sort) for sort in ("gray", "colour", "odd", "non-square")),
    Rule("batch of one", "a single image can be augmented", _batch_of_one),
    Rule("range", "pixels in [0, 1] stay in [0, 1]", _range),
    Rule(
        "independence",
        "each image is augmented by its own random parameters, independent of its batch",
        _independence,
    ),
    Rule("determinism", "sample depends only on its generator, apply only on images and parameters", _determinism),
    Rule("global generators", "once built, it neither draws from nor reseeds a global generator", _generators),
    Rule("in place", "sample and apply do not modify the part", _in_place),
    Rule("dtype", "images keep their dtype, also float64 and bfloat16", _dtype),
    Rule("device", "apply computes on the device of its images and reads no tensor's value on the host", _device),
    Rule("inputs", "apply does not modify images or parameters", _inputs),
    Rule("copies", "it can be pickled and deep-copied", _copies),
    Rule(
        "degenerate images",
        "constant images give finite images; so do the rows of a table, where value_range is asked for",
        _degenerate,
    ),
    Rule("stdout", "it writes nothing to stdout", _stdout),
    Rule("training", "a short training succeeds, and repeating it gives the same labels", _training),
)
