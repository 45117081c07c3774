"""The rules for augmentations, with augmentations that break each of them."""

from typing import Annotated

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from decda.testing import check_augmentation
from decda.testing.rules import Subject
from decda.testing.suite import try_all
from tests.testing.breakages import Breakage


class Sound:
    """Random brightness."""

    def __init__(self, *, strength: Annotated[float, "share of the brightness that may be lost"] = 0.5) -> None:
        self.strength = strength

    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.rand(n, 1, generator=generator)

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return x * (1 - self.strength * params.to(x.dtype).view(-1, 1, 1, 1))


class Shaped(Sound):
    """Needs the shape of the images."""

    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.weight = 1 / input_shape[0]


class OfTables(Sound):
    """Takes the rows of a table, too."""

    def __init__(self, value_range: tuple[float, float] | None) -> None:
        super().__init__()
        self.value_range = value_range

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        y = x + params.to(x.dtype).view(-1, 1, 1, 1)
        return y if self.value_range is None else y.clamp(*self.value_range)


class Refusing(Shaped):
    """Asks for the range of values, and refuses tables."""

    def __init__(self, input_shape: tuple[int, int, int], value_range: tuple[float, float] | None) -> None:
        super().__init__(input_shape)
        if value_range is None:
            raise ValueError("it is for images")


@pytest.mark.parametrize("factory", [Sound, Shaped, OfTables, Refusing])
def test_a_sound_augmentation_passes(factory) -> None:
    """A sound augmentation breaks no rule, with or without `input_shape` and `value_range`."""
    check_augmentation(factory)


class ColourOnly(Sound):
    """Refuses gray images, as a shift of hues does."""

    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        super().__init__()
        if input_shape[0] != 3:
            raise ValueError("it needs three channels")


def test_refused_images_are_skipped() -> None:
    """An augmentation may refuse some kinds of images by ValueError."""
    check_augmentation(ColourOnly)
    outcomes = {o.rule.name: o for o in try_all(Subject("augment", "the part", ColourOnly))}
    assert outcomes["gray images"].status == "skipped"
    assert "it needs three channels" in outcomes["gray images"].seen


class Clamping(OfTables):
    """Clamps the values of tables as well."""

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return super().apply(x, params).clamp(0, 1)


class Normalising(OfTables):
    """Divides by the deviation of each row, which may be 0."""

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return super().apply(x, params) if self.value_range else x / x.std((1, 2, 3), keepdim=True)


class WantsMore(Sound):
    def __init__(self, strength: float = 0.5) -> None:
        super().__init__()


class NoMethods:
    pass


class GrayOnly(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return super().apply(x, params)[:, :1]


class Double(Sound):
    def sample(self, n: int, generator: Generator) -> Tensor:
        return super().sample(n, generator).double()


class EvenOnly(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return super().apply(x, params)[..., : x.shape[-1] // 2 * 2]


class Turning(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return super().apply(x, params).rot90(1, (2, 3))


class Squeezing(Sound):
    def sample(self, n: int, generator: Generator) -> Tensor:
        return super().sample(n, generator).squeeze()


class Brighter(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return x * (1 + params.to(x.dtype).view(-1, 1, 1, 1))


class Standardising(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return x * (x.amax() * 0.5)


class Drawing(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return x * torch.rand(len(x), 1, 1, 1, dtype=x.dtype, device=x.device)


class Deaf(Sound):
    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.rand(n, 1)


class Remembering(Sound):
    def sample(self, n: int, generator: Generator) -> Tensor:
        self.last = super().sample(n, generator)
        return self.last

    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return super().apply(x, self.last[: len(x)])


class NumpySeeding(Sound):
    def sample(self, n: int, generator: Generator) -> Tensor:
        np.random.seed(0)
        return super().sample(n, generator)


class Single(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return super().apply(x.float(), params)


class Reading(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return super().apply(x, params) if bool(params.any()) else x


class Masking(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        dark = params[:, 0] > 0.5
        y = x.clone()
        y[dark] = x[dark] / 2
        return y


class Writing(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return x.mul_(params.to(x.dtype).view(-1, 1, 1, 1))


class Unpicklable(Sound):
    def __init__(self) -> None:
        super().__init__()
        self.curve = lambda x: x


class Stretching(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        return (x - low) / (high - low)


class Loud(Sound):
    def sample(self, n: int, generator: Generator) -> Tensor:
        print(n)
        return super().sample(n, generator)


class Exact(Sound):
    """Fails to draw for more than 20 images."""

    def sample(self, n: int, generator: Generator) -> Tensor:
        if n > 20:
            raise MemoryError("too many")
        return super().sample(n, generator)


class Sharing(Sound):
    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.rand(1, 1, generator=generator).expand(n, 1)


class Constant(Sound):
    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.rand(n, 1, generator=Generator().manual_seed(0))


class Boosting(Sound):
    def apply(self, x: Tensor, params: Tensor) -> Tensor:
        return x + 2 * x * (1 - x)  # does not change black and white


class Stuck(Sound):
    def sample(self, n: int, generator: Generator) -> Tensor:
        return torch.rand(n, 1, generator=Generator().manual_seed(generator.initial_seed()))


BREAKAGES = [
    Breakage("determinism", Stuck, "the same parameters twice from one generator"),
    Breakage("independence", Sharing, "sample returns the same parameters for all images"),
    Breakage("determinism", Constant, "sample returns equal parameters for different generators"),
    Breakage("range", Boosting, "clamp them to [0, 1]"),
    Breakage("signature", WantsMore, "'strength' stands before the star, where only input_shape, value_range may"),
    Breakage("degenerate images", Clamping, "the values of tables, which may be any, are clamped"),
    Breakage("degenerate images", Normalising, "apply to the rows of a table"),
    Breakage("type", NoMethods, "lacks the method sample and apply"),
    Breakage("gray images", Double, "sample must be float32 of shape (6, any); it is float64"),
    Breakage("colour images", GrayOnly, "apply to (3, 16, 16)"),
    Breakage("odd images", EvenOnly, "(6, 1, 17, 16)"),
    Breakage("non-square images", Turning, "(6, 1, 24, 13)"),
    Breakage("batch of one", Squeezing, "sample of one image must be float32 of shape (1, any)"),
    Breakage("range", Brighter, "clamp them to [0, 1]"),
    Breakage("independence", Standardising, "an image augmented alone and in a batch differ: ["),
    Breakage("determinism", Drawing, "apply returns different images for equal images and parameters"),
    Breakage("determinism", Deaf, "sample returns different parameters for equal generators"),
    Breakage("determinism", Remembering, "what was sampled in between"),
    Breakage("global generators", Deaf, "sample draws from"),
    Breakage("global generators", Drawing, "apply draws from"),
    Breakage("global generators", NumpySeeding, "numpy.random"),
    Breakage("in place", Remembering, "'last'"),
    Breakage("dtype", Single, "apply to float64 must be float64"),
    Breakage("device", Reading, "meta"),
    Breakage("device", Masking, "meta"),
    Breakage("inputs", Writing, "apply changes its input x in place"),
    Breakage("copies", Unpicklable, "pickle fails"),
    Breakage("degenerate images", Stretching, "not finite"),
    Breakage("stdout", Loud, "to stdout"),
    Breakage("training", Exact, "MemoryError: too many"),
]
