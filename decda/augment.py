"""Turn any augmentation of kornia into a part: `from_kornia` makes its factory.

In a module of a plugin, or in a notebook::

    import kornia.augmentation as K
    from decda.augment import from_kornia

    sharpness = from_kornia(K.RandomSharpness, sharpness=0.5, p=0.8)
    '''Random sharpness.'''

Register that object by an entry point (`sharpness = "my_package:sharpness"`) or by
`registry.add("augment", "sharpness", sharpness)`. `list-components` shows the string below the assignment.
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
Params = Mapping[str, Tensor]
TRIAL_SIZES = (5, 7) * 8
"""Sizes of the batches for which a new part draws random parameters, to find out which of them belong to an image."""
SHAPE_KEY = "forward_input_shape"
"""The key under which kornia keeps the shape of the batch among its random parameters."""


def from_kornia(*augmentations: Any, **arguments: Any) -> Callable[..., Augmentation]:
    """Make the factory of a part from augmentations of kornia.

    Every image gets its own random parameters. Whatever kornia draws once per batch would here be drawn once for all
    images of an epoch, and is refused: `same_on_batch`, a `p_batch` between 0 and 1, the order of `ColorJitter` (pass
    `order`), the kernel size of `RandomMotionBlur` (pass a single int). Augmentations that change the shape of images
    are refused, too.

    Images stay in [0, 1]: values beyond, such as noise produces, are clamped at the end.

    A step can be captured as a CUDA graph if kornia reads no number on the host and copies none to the device;
    otherwise the step runs without a graph.

    Cost: on 256 gray images of 28 x 28, on one CPU thread, kornia's `RandomAffine` takes about 4 times as long as the
    part `affine`, which has its own sampling and warp; kornia itself accounts for nearly all of it. The random
    parameters of an epoch are held in memory together: 10 numbers per image for `RandomAffine`, but whole images where
    kornia draws noise: 2 H W + 1 numbers per image for `RandomElasticTransform` (440 MB for 70 000 images of 28 x 28,
    and three times that while they are drawn).

    Args:
        augmentations: one class of kornia's 2D augmentations; or module instances, which are applied in order, each
            alone or in an `nn.Sequential`, `ImageSequential` or `AugmentationSequential`.
        arguments: arguments of the class. Each bool, int, float, str, or tuple of these becomes the default of a
            parameter of the part (a float where kornia's annotation says float and not int); others are fixed.

    Returns:
        The factory, called as `factory(input_shape, *, ...)`. It raises ValueError for values and an `input_shape`
        that kornia does not accept, and for everything that is refused above.

    Raises:
        TypeError: an argument is not a 2D augmentation of kornia, or the class does not accept the arguments.
        ValueError: a container applies its modules at random, or passes them arguments of its own.

    Example:
        >>> import kornia.augmentation as K
        >>> augment = from_kornia(K.RandomHorizontalFlip, p=1.0)(input_shape=(1, 1, 3))
        >>> params = augment.sample(1, torch.Generator().manual_seed(0))
        >>> augment.apply(torch.tensor([[[[0.0, 0.5, 1.0]]]]), params).tolist()
        [[[[1.0, 0.5, 0.0]]]]
    """
    caller = sys._getframe(1).f_globals.get("__name__", __name__)
    if len(augmentations) == 1 and inspect.isclass(augmentations[0]):
        (kind,) = augmentations
        _check_kind(kind)
        try:
            inspect.signature(kind).bind(**arguments)
        except TypeError as error:
            raise TypeError(f"kornia's {kind.__name__}: {error}.") from error
        return _Factory([kind], arguments, caller)
    mixed = bool(arguments) or any(map(inspect.isclass, augmentations))
    modules = [] if mixed else [leaf for each in augmentations for leaf in _flatten(each)]
    if not modules:
        raise TypeError("from_kornia takes either one class with keyword arguments, or module instances alone.")
    return _Factory(modules, {}, caller)


class _Factory:
    """Makes the augmentation; to inspection it looks like a function with the signature of a part."""

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
        """Make the augmentation for images of shape `input_shape` (C, H, W)."""
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
    """Applies augmentations of kornia one after the other."""

    def __init__(self, stages: Sequence["_Stage"]):
        self.stages = tuple(stages)
        self.widths = [sum(stage.widths) for stage in stages]

    def sample(self, n: int, generator: Generator) -> Tensor:
        """Draw the random parameters of n images as kornia does, float32 (n, P)."""
        seed = int(torch.randint(2**63 - 1, (), generator=generator, device=generator.device))
        with _seeded(seed):
            params = torch.cat([stage.pack(stage.draw(n)) for stage in self.stages], 1)
        return params.to(generator.device)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        """Augment images (B, C, H, W) by their parameters (B, P), and clamp them to [0, 1]."""
        for stage, rows in zip(self.stages, params.split(self.widths, 1), strict=True):
            x = stage.apply(x, rows)
        return x.clamp(0, 1)


class _Field(NamedTuple):
    """One random parameter that kornia draws for every image: its name, its shape per image and its dtype."""

    name: str
    shape: Shape
    dtype: torch.dtype

    def restore(self, columns: Tensor) -> Tensor:
        """Turn the columns (B, width) back into the tensor that kornia drew."""
        return columns.reshape(len(columns), *self.shape).to(self.dtype)


class _Stage:
    """One augmentation of kornia, with its random parameters packed into one row of numbers per image.

    Args:
        module: a 2D augmentation, which the stage takes over.
        input_shape: (C, H, W).

    Raises:
        ValueError: the module does not accept such images, changes their shape, or does not draw for each image alone.
    """

    def __init__(self, module: Any, input_shape: Shape):
        self.module = module.cpu()  # random parameters are drawn on the CPU
        self.name = type(module).__name__
        self.input_shape = input_shape
        self.fields: list[_Field] = []
        self.counters: list[_Field] = []  # numbers the images of a batch, so it is not random
        self.shared: dict[str, Tensor] = {}  # has no row per image, so it must not affect the result
        self.forward_shape = input_shape  # the shape that kornia records; RandomCrop pads images before
        gated = 0 < module.p_batch < 1 or (module.same_on_batch and 0 < module.p < 1)
        self._expect(not gated, "it draws once per batch whether it applies (same_on_batch, p_batch)")
        with _explained(f"kornia's {self.name} fails for input_shape {input_shape}"), _seeded(0):
            trials = [self.draw(n) for n in TRIAL_SIZES]
        with _seeded(0):
            again = self.draw(TRIAL_SIZES[0])
        repeated = all(torch.equal(again[name], value) for name, value in trials[0].items())
        self._expect(repeated, "it does not draw from torch's generator alone")
        for name in trials[0]:
            self._classify(name, [params[name] for params in trials])
        self.widths = [math.prod(field.shape) for field in self.fields]
        self._check_transform(trials)

    def draw(self, n: int) -> dict[str, Tensor]:
        """Draw for n images, from torch's global generator."""
        with torch.no_grad():
            params: dict[str, Tensor] = self.module.forward_parameters(torch.Size((n, *self.input_shape)))
        return params

    def pack(self, params: Params) -> Tensor:
        """Pack kornia's random parameters into rows (n, width)."""
        columns = [params[field.name].float() for field in self.fields]
        return torch.cat([c.reshape(len(c), w) for c, w in zip(columns, self.widths, strict=True)], 1)

    def apply(self, x: Tensor, rows: Tensor) -> Tensor:
        """Augment images (B, C, H, W) by rows (B, width)."""
        columns = rows.split(self.widths, 1)
        params = {field.name: field.restore(c) for field, c in zip(self.fields, columns, strict=True)}
        # Transform every image and select afterwards, because nothing here may read on the host which ones apply.
        # kornia's own call is no alternative: it stores the parameters in the module.
        applies = (params["batch_prob"] > 0.5).reshape(-1, 1, 1, 1)
        return torch.where(applies, self._transform(x, {**self.shared, **params}), x)

    def _transform(self, x: Tensor, params: Params) -> Tensor:
        module, numbers = self.module, torch.arange(len(x), device=x.device)
        params = {**params, **{field.name: field.restore(numbers) for field in self.counters}}
        params[SHAPE_KEY] = torch.tensor((len(x), *self.forward_shape))
        matrix = None
        # Where kornia computes the matrix lazily, the images do not depend on it.
        if hasattr(module, "compute_transformation") and not getattr(module, "_compute_matrix_lazily", False):
            matrix = module.compute_transformation(x, params, module.flags)
        y: Tensor = module.apply_transform(x, params, module.flags, transform=matrix)
        return y.to(x.dtype)

    def _classify(self, name: str, values: Sequence[Tensor]) -> None:
        """Decide from its values in all trials what kind of parameter this is."""
        first = values[0]
        field = _Field(name, tuple(first.shape[1:]), first.dtype)
        if name == SHAPE_KEY:
            self.forward_shape = tuple(first[1:].tolist())
        elif any(value.shape[:1] != (n,) for value, n in zip(values, TRIAL_SIZES, strict=True)):
            self.shared[name] = first
        elif all(v.numel() == len(v) and v.flatten().tolist() == list(range(len(v))) for v in values):
            self.counters.append(field)
        else:
            fixed = all(v.shape[1:] == field.shape for v in values)
            self._expect(fixed, f"the shape of its random parameter '{name}' varies", name)
            alike = all(bool((v == v[:1]).all()) for v in values)
            constant = all(torch.equal(v[0], first[0]) for v in values)
            self._expect(constant or not alike, f"it draws '{name}' once per batch", name)
            exact = field.dtype.is_floating_point or all(torch.equal(v.float().to(v.dtype), v) for v in values)
            self._expect(exact, f"it draws '{name}' as integers that float32 cannot represent", name)
            self.fields.append(field)

    def _check_transform(self, trials: Sequence[Params]) -> None:
        """Transform a few images: the result must keep their shape and depend only on them and their rows."""
        with _explained(f"kornia's {self.name} fails for input_shape {self.input_shape}"), _seeded(0):
            x = torch.rand(TRIAL_SIZES[0], *self.input_shape)
            before = torch.get_rng_state()
            y = self._transform(x, trials[0])
            drew = not torch.equal(torch.get_rng_state(), before)
        self._expect(not drew, "it draws random numbers while it transforms")
        changed = f"it changes the shape of images from {self.input_shape} to {tuple(y.shape[1:])}"
        self._expect(y.shape == x.shape, changed)
        for name in self.shared:
            others = [self._transform(x, {**trials[0], name: params[name]}) for params in trials[2::2]]
            same = all(torch.equal(other, y) for other in others)
            self._expect(same, f"it draws '{name}' once per batch", name)

    def _expect(self, condition: bool, problem: str, argument: str = "") -> None:
        if not condition:
            accepted = inspect.signature(type(self.module)).parameters
            fix = f"; pass a fixed value for its argument '{argument}'" if argument in accepted else ""
            raise ValueError(f"kornia's {self.name} cannot be used: {problem}{fix}")


def _flatten(part: Any) -> list[nn.Module]:
    """List the augmentations that a module contains, in order."""
    import kornia.augmentation as K

    if type(part) not in (nn.Sequential, K.ImageSequential, K.AugmentationSequential):
        _check_kind(type(part))
        return [part]
    if getattr(part, "random_apply", False):
        raise ValueError(f"{type(part).__name__} draws once per batch which of its modules apply (random_apply).")
    if any(key.name != "MASK" for key in getattr(part, "extra_args", ())):
        raise ValueError(f"{type(part).__name__} has extra_args; pass them to the augmentations inside it.")
    return [leaf for child in part for leaf in _flatten(child)]


def _check_kind(kind: type) -> None:
    import kornia.augmentation as K

    if issubclass(kind, K.AugmentationBase2D):
        return
    reason = "it is not a 2D augmentation of kornia"
    if issubclass(kind, K.MixAugmentationBaseV2):
        reason = "it combines the images of a batch and may change labels; here each image is augmented alone"
    elif issubclass(kind, K.AugmentationBase3D):
        reason = "it is for volumes; images here are (C, H, W)"
    raise TypeError(f"from_kornia cannot use {kind.__name__}: {reason}.")


def _signature(kind: type, arguments: Mapping[str, Any]) -> inspect.Signature:
    """Build the signature of a part: `input_shape`, and after the star the arguments that users may set."""
    accepted = inspect.signature(kind).parameters if arguments else {}
    parameters = [inspect.Parameter("input_shape", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Shape)]
    for name, value in arguments.items():
        words = re.findall(r"\w+", str(accepted[name].annotation)) if name in accepted else []
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
    """Return the type of a value as parts declare it; None for a value that cannot be written as text."""
    if type(value) is tuple:
        kinds = tuple(None if type(each) is tuple else _declared(each) for each in value)
        return tuple[kinds] if kinds and None not in kinds else None  # type: ignore[valid-type]
    typed = type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))
    return type(value) if typed else None


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch's global generator within the block, and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        # Only the CPU's generator: torch.manual_seed would reseed those of all devices, which are not restored.
        torch.default_generator.manual_seed(seed)
        yield


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn any error of kornia into a ValueError that says what failed."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what}: {(str(error).strip().splitlines() or [type(error).__name__])[0]}") from error
