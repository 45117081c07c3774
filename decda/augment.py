"""Any augmentation of kornia as a part: `from_kornia` makes its factory.

A module of a plugin, or a notebook, says::

    import kornia.augmentation as K
    from decda.augment import from_kornia

    perspective = from_kornia(K.RandomPerspective, distortion_scale=0.3, p=0.8)
    '''Random perspective.'''

and registers that object: by an entry point (`perspective = "my_package:perspective"`, the string below it is what
`list-components` tells of it), or by `registry.add("augment", "perspective", perspective)`.
"""

import contextlib
import inspect
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Annotated, Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from decda.core.contracts import Augmentation

Shape = tuple[int, ...]
Drawn = Mapping[str, Tensor]
TRIES = (5, 7) * 8
"""Sizes of the batches that are drawn when a part is made, to learn what is drawn for every image."""
CANVAS = "forward_input_shape"
"""What kornia calls the shape of the batch, among its draws."""


def from_kornia(*parts: Any, **arguments: Any) -> Callable[..., Augmentation]:
    """Make the factory of a part from augmentations of kornia.

    Every image has draws of its own. What kornia draws once for a batch would here be drawn once for all images of an
    epoch, and is refused: `same_on_batch`, a `p_batch` between 0 and 1, the order of `ColorJitter` (give it `order`),
    the kernel size of `RandomMotionBlur` (give one whole number). So is what changes the shape of images.

    Images stay in [0, 1]: what noise, say, would put beyond is cut off at the end.

    A step can be captured as a CUDA graph where kornia reads no number on the host and copies none to the device; else
    it goes on plain.

    Cost: on 256 gray images of 28 x 28, one thread of a CPU, kornia's `RandomAffine` takes about 4 times as long as the
    part `affine`, which draws and warps by itself; nearly all of it is kornia's own time. The draws of an epoch are in
    memory together: 10 numbers an image for `RandomAffine`, but whole images where kornia draws noise, 2 H W + 1
    numbers for `RandomElasticTransform` (440 MB for 70 000 images of 28 x 28, and three times that while drawing).

    Args:
        parts: one class of kornia's 2D augmentations; or modules made already, applied in their order, each alone or
            in an `nn.Sequential`, `ImageSequential` or `AugmentationSequential`.
        arguments: what the class is made with. A bool, int, float, str, or a tuple of these, is the default of a
            parameter of the part (a float where kornia's annotation says float and not int); others are fixed.

    Returns:
        The factory, called as `factory(input_shape, *, ...)`. It raises ValueError for values and an `input_shape`
        that kornia does not take, and for what is refused above.

    Raises:
        TypeError: something else than kornia's 2D augmentations, or arguments that the class does not take.
        ValueError: a container that applies its parts at random, or with arguments of its own.
    """
    module = sys._getframe(1).f_globals.get("__name__", __name__)
    if len(parts) == 1 and inspect.isclass(parts[0]):
        _check_kind(parts[0])
        try:
            inspect.signature(parts[0]).bind(**arguments)
        except TypeError as error:
            raise TypeError(f"kornia's {parts[0].__name__}: {error}.") from error
        return _Factory(parts, arguments, module)
    named = bool(arguments) or any(map(inspect.isclass, parts))
    modules = [] if named else [leaf for part in parts for leaf in _flatten(part)]
    if not modules:
        raise TypeError("from_kornia takes one class and its arguments by name, or modules that are made already.")
    return _Factory(modules, {}, module)


class _Factory:
    """Makes the augmentation; whoever inspects it sees a function with the signature of a part."""

    def __init__(self, parts: Sequence[Any], arguments: Mapping[str, Any], module: str):
        kinds = [part if inspect.isclass(part) else type(part) for part in parts]
        names = [kind.__name__ for kind in kinds]
        summary = (inspect.getdoc(kinds[0]) or "").partition("\n")[0] if len(kinds) == 1 else ""
        self.parts = tuple(parts)
        self.arguments = dict(arguments)
        self.__name__ = self.__qualname__ = "_".join(names)
        self.__module__ = module
        self.__doc__ = f"kornia's {', then '.join(names)}{summary and ': '}{summary.rstrip('.')}."
        self.__signature__ = _signature(kinds[0], arguments)

    def __call__(self, input_shape: Shape, **parameters: Any) -> Augmentation:
        """The augmentation of images of `input_shape` (C, H, W)."""
        self.__signature__.bind(input_shape, **parameters)
        return _KorniaAugmentation([_Stage(module, tuple(input_shape)) for module in self._make(parameters)])

    def _make(self, parameters: Mapping[str, Any]) -> list[Any]:
        if not inspect.isclass(self.parts[0]):
            return deepcopy(list(self.parts))
        arguments = {**self.arguments, **parameters}
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        with _explained(f"kornia cannot make {self.__name__}({given})"):
            return [self.parts[0](**arguments)]


class _KorniaAugmentation:
    """Augmentations of kornia, one after the other."""

    def __init__(self, stages: Sequence["_Stage"]):
        self.stages = tuple(stages)
        self.widths = [sum(stage.widths) for stage in stages]

    def sample(self, n: int, generator: Generator) -> Tensor:
        """What kornia draws for n images, as numbers (n, P)."""
        seed = int(torch.randint(2**63 - 1, (), generator=generator, device=generator.device))
        with _seeded(seed):
            drawn = torch.cat([stage.pack(stage.draw(n)) for stage in self.stages], 1)
        return drawn.to(generator.device)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Augment images (B, C, H, W) by draws (B, P); what leaves [0, 1] is cut off."""
        for stage, rows in zip(self.stages, params.split(self.widths, 1), strict=True):
            x = stage.apply(x, rows)
        return x.clamp(0, 1)


class _Field(NamedTuple):
    """What kornia draws for every image under one name: its shape without the batch, and its dtype."""

    name: str
    shape: Shape
    dtype: torch.dtype

    def restore(self, columns: Tensor) -> Tensor:
        """Its columns (B, width) as kornia drew them."""
        return columns.reshape(len(columns), *self.shape).to(self.dtype)


class _Stage:
    """One augmentation of kornia: its draws as rows of numbers, and the images that it makes by such rows.

    Args:
        module: a 2D augmentation, which becomes the stage's own.
        input_shape: (C, H, W).

    Raises:
        ValueError: it does not take such images, changes their shape, or does not draw for every image by itself.
    """

    def __init__(self, module: Any, input_shape: Shape):
        self.module = module.cpu()  # where it draws
        self.name = type(module).__name__
        self.input_shape = input_shape
        self.fields: list[_Field] = []
        self.counters: list[_Field] = []  # what numbers the images of a batch, and so is no draw
        self.shared: dict[str, Tensor] = {}  # what has no row for every image, and must not matter
        self.canvas = input_shape  # what kornia says the images measure; RandomCrop pads them before
        gated = 0 < module.p_batch < 1 or (module.same_on_batch and 0 < module.p < 1)
        self._expect(not gated, "draws once for a whole batch whether to apply it (same_on_batch, p_batch)")
        with _explained(f"kornia's {self.name} fails for input_shape {input_shape}"), _seeded(0):
            tries = [self.draw(n) for n in TRIES]
        with _seeded(0):
            again = self.draw(TRIES[0])
        repeated = all(torch.equal(again[name], value) for name, value in tries[0].items())
        self._expect(repeated, "draws by other generators than torch's")
        for name in tries[0]:
            self._learn(name, [drawn[name] for drawn in tries])
        self.widths = [math.prod(field.shape) for field in self.fields]
        self._try(tries)

    def draw(self, n: int) -> dict[str, Tensor]:
        """Draw for n images, from torch's global generator."""
        with torch.no_grad():
            drawn: dict[str, Tensor] = self.module.forward_parameters(torch.Size((n, *self.input_shape)))
        return drawn

    def pack(self, drawn: Drawn) -> Tensor:
        """Draws as rows (n, width)."""
        columns = [drawn[field.name].float() for field in self.fields]
        return torch.cat([c.reshape(len(c), w) for c, w in zip(columns, self.widths, strict=True)], 1)

    def apply(self, x: Tensor, rows: Tensor) -> Tensor:
        """Augment images (B, C, H, W) by rows (B, width)."""
        columns = rows.split(self.widths, 1)
        drawn = {field.name: field.restore(c) for field, c in zip(self.fields, columns, strict=True)}
        # All are transformed and then chosen from, for nothing here may read which are to be. Not by kornia's own call,
        # which keeps the draws in the module.
        chosen = (drawn["batch_prob"] > 0.5).reshape(-1, 1, 1, 1)
        return torch.where(chosen, self._transform(x, {**self.shared, **drawn}), x)

    def _transform(self, x: Tensor, drawn: Drawn) -> Tensor:
        module, numbers = self.module, torch.arange(len(x), device=x.device)
        drawn = {**drawn, **{field.name: field.restore(numbers) for field in self.counters}}
        drawn[CANVAS] = torch.tensor((len(x), *self.canvas))
        matrix = None
        # Where kornia itself leaves the matrix for later, images do not depend on it.
        if hasattr(module, "compute_transformation") and not getattr(module, "_compute_matrix_lazily", False):
            matrix = module.compute_transformation(x, drawn, module.flags)
        made: Tensor = module.apply_transform(x, drawn, module.flags, transform=matrix)
        return made.to(x.dtype)

    def _learn(self, name: str, values: Sequence[Tensor]) -> None:
        """Where a parameter belongs, by its values in all tries."""
        first = values[0]
        field = _Field(name, tuple(first.shape[1:]), first.dtype)
        if name == CANVAS:
            self.canvas = tuple(first[1:].tolist())
        elif any(value.shape[:1] != (n,) for value, n in zip(values, TRIES, strict=True)):
            self.shared[name] = first
        elif all(v.numel() == len(v) and v.flatten().tolist() == list(range(len(v))) for v in values):
            self.counters.append(field)
        else:
            self._expect(all(v.shape[1:] == field.shape for v in values), f"draws '{name}' in shapes that change", name)
            alike = all(bool((v == v[:1]).all()) for v in values)
            constant = all(torch.equal(v[0], first[0]) for v in values)
            self._expect(constant or not alike, f"draws '{name}' once for a whole batch", name)
            exact = field.dtype.is_floating_point or all(torch.equal(v.float().to(v.dtype), v) for v in values)
            self._expect(exact, f"draws '{name}' as whole numbers that float32 does not hold", name)
            self.fields.append(field)

    def _try(self, tries: Sequence[Drawn]) -> None:
        """Transform a few images: it must work, keep their shape, and depend on nothing but them and their rows."""
        with _explained(f"kornia's {self.name} fails for input_shape {self.input_shape}"), _seeded(0):
            x = torch.rand(TRIES[0], *self.input_shape)
            before = torch.get_rng_state()
            made = self._transform(x, tries[0])
            drew = not torch.equal(torch.get_rng_state(), before)
        self._expect(not drew, "draws while it transforms")
        self._expect(made.shape == x.shape, f"makes {tuple(made.shape[1:])} of images of {self.input_shape}")
        for name in self.shared:
            others = [self._transform(x, {**tries[0], name: drawn[name]}) for drawn in tries[2::2]]
            same = all(torch.equal(other, made) for other in others)
            self._expect(same, f"draws '{name}' once for a whole batch", name)

    def _expect(self, sound: bool, problem: str, argument: str = "") -> None:
        if not sound:
            takes = inspect.signature(type(self.module)).parameters
            fix = f"; give its argument '{argument}'" if argument in takes else ""
            raise ValueError(f"kornia's {self.name} cannot be a part, for it {problem}{fix}")


def _flatten(part: Any) -> list[nn.Module]:
    """The augmentations that a module holds, in their order."""
    import kornia.augmentation as K

    if type(part) not in (nn.Sequential, K.ImageSequential, K.AugmentationSequential):
        _check_kind(type(part))
        return [part]
    if getattr(part, "random_apply", False):
        raise ValueError(f"{type(part).__name__} draws once for a whole batch which of its parts apply (random_apply).")
    if any(key.name != "MASK" for key in getattr(part, "extra_args", ())):
        raise ValueError(f"{type(part).__name__} has extra_args; give them to the augmentations in it.")
    return [leaf for child in part for leaf in _flatten(child)]


def _check_kind(kind: type) -> None:
    import kornia.augmentation as K

    if issubclass(kind, K.AugmentationBase2D):
        return
    reason = "is no 2D augmentation of kornia"
    if issubclass(kind, K.MixAugmentationBaseV2):
        reason = "works on the images of a batch together, and may change labels; here each image is augmented alone"
    elif issubclass(kind, K.AugmentationBase3D):
        reason = "is for volumes; images here are (C, H, W)"
    raise TypeError(f"from_kornia cannot take {kind.__name__}, for it {reason}.")


def _signature(kind: type, arguments: Mapping[str, Any]) -> inspect.Signature:
    """That of a part: `input_shape`, and after the star what of the arguments the user may set."""
    takes = inspect.signature(kind).parameters if arguments else {}
    parameters = [inspect.Parameter("input_shape", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Shape)]
    for name, value in arguments.items():
        words = re.findall(r"\w+", str(takes[name].annotation)) if name in takes else []
        default = _as_floats(value) if "float" in words and "int" not in words else value
        if (declared := _declared(default)) is not None:
            annotation = Annotated[declared, f"{name} of kornia's {kind.__name__}"]  # type: ignore[valid-type]
            keyword = inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter(name, keyword, default=default, annotation=annotation))
    return inspect.Signature(parameters)


def _as_floats(value: Any) -> Any:
    if type(value) is tuple:
        return tuple(_as_floats(each) for each in value)
    return float(value) if type(value) is int else value


def _declared(value: Any) -> Any:
    """The type of a value as parts declare it; None for one that nobody can type."""
    if type(value) is tuple:
        kinds = tuple(None if type(each) is tuple else _declared(each) for each in value)
        return tuple[kinds] if kinds and None not in kinds else None  # type: ignore[valid-type]
    typed = type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))
    return type(value) if typed else None


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """What is drawn in here from torch's global generator depends on the seed alone; afterwards it is as before."""
    with torch.random.fork_rng(devices=[]):
        # The CPU's generator alone: torch.manual_seed would reseed the generators of every device and leave them so.
        torch.default_generator.manual_seed(seed)
        yield


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """An error of kornia becomes a ValueError that says of what."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what}: {(str(error).strip().splitlines() or [type(error).__name__])[0]}") from error
