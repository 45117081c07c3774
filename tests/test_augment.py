"""Augmentations of kornia are used as parts."""

import inspect
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args

import kornia.augmentation as K
import numpy as np
import pytest
import torch
from kornia.constants import DataKey
from torch import Generator, Tensor, nn

from decda.augment import from_kornia
from decda.core.config.composition import compose
from decda.core.config.run_config import PartConfig
from decda.core.errors import InvalidParameter
from decda.core.files import Files
from decda.core.parts.parameters import read_parameters
from decda.core.parts.registry import Registry
from decda.core.runs.experiment import run
from decda.core.training.probe import probe
from decda.plugins.encoders.fc import FcAutoencoder
from decda.plugins.heads.dec import DEC
from tests.conftest import SHORT

GRAY, COLOUR, WIDE = (1, 16, 16), (3, 16, 16), (3, 12, 20)
ORDER = (2, 0, 3, 1)
Case = tuple[Callable[..., nn.Module], dict[str, Any]]
CASES: list[Case] = [
    (K.RandomAffine, {"degrees": 10, "translate": (0.1, 0.1), "scale": (0.8, 1.2), "shear": 5.0}),
    (K.RandomPerspective, {"distortion_scale": 0.3}),
    (K.RandomRotation, {"degrees": 30.0}),
    (K.RandomShear, {"shear": 10.0}),
    (K.RandomTranslate, {"translate_x": 0.2, "translate_y": 0.1}),
    (K.RandomElasticTransform, {"kernel_size": (9, 9), "sigma": (4.0, 4.0)}),
    (K.RandomThinPlateSpline, {}),
    (K.RandomHorizontalFlip, {}),
    (K.RandomVerticalFlip, {}),
    (K.RandomErasing, {"value": 0.5}),
    (K.RandomGaussianBlur, {"kernel_size": 3, "sigma": (0.1, 2.0)}),
    (K.RandomGaussianNoise, {"std": 0.2}),
    (K.RandomSaltAndPepperNoise, {}),
    (K.RandomMotionBlur, {"kernel_size": 3, "angle": 35.0, "direction": 0.5}),
    (K.RandomBrightness, {"brightness": (0.5, 1.5)}),
    (K.RandomContrast, {"contrast": (0.5, 1.5)}),
    (K.RandomGamma, {"gamma": (0.5, 2.0)}),
    (K.RandomEqualize, {}),
    (K.RandomPosterize, {"bits": 3}),
    (K.RandomSolarize, {}),
    (K.RandomSharpness, {}),
    (K.RandomInvert, {}),
    (K.RandomChannelDropout, {}),
    (K.RandomPlasmaBrightness, {}),
]
COLOUR_CASES: list[Case] = [
    (K.ColorJitter, {"brightness": 0.2, "contrast": 0.2, "saturation": 0.2, "hue": 0.1, "order": ORDER}),
    (K.RandomChannelShuffle, {}),
    (K.RandomGrayscale, {}),
    (K.RandomPlanckianJitter, {}),
]
EACH = [
    pytest.param(kind, arguments, shape, id=f"{kind.__name__}-{'x'.join(map(str, shape))}")
    for cases, shapes in ((CASES, (GRAY, COLOUR, WIDE)), (COLOUR_CASES, (COLOUR, WIDE)))
    for kind, arguments in cases
    for shape in shapes
]


def seeded(seed: int = 3) -> Generator:
    return Generator().manual_seed(seed)


def images(shape: tuple[int, ...], n: int = 11) -> Tensor:
    return torch.rand(n, *shape, generator=seeded(0))


def reference(modules: list[Any], x: Tensor, seed: int = 3) -> Tensor:
    """Apply kornia itself to x, with the draws of `sample(len(x), seeded(seed))`, and clamp the result to [0, 1]."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**63 - 1, (), generator=seeded(seed))))
        draws = [module.forward_parameters(x.shape) for module in modules]
    for module, drawn in zip(modules, draws, strict=True):
        x = module(x.clone(), params=drawn)
    return x.clamp(0, 1)


@pytest.mark.parametrize(("kind", "arguments", "shape"), EACH)
def test_images_are_those_of_kornia(kind: Any, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    """The result equals that of kornia itself with the same draws, and the input images are not changed."""
    augment = from_kornia(kind, p=0.6, **arguments)(shape)
    x = images(shape)
    draws = augment.sample(len(x), seeded())
    assert draws.dtype == torch.float32
    made = augment.apply(x, draws)
    assert torch.equal(made, reference([kind(p=0.6, **arguments)], x))
    assert torch.equal(x, images(shape))
    assert torch.equal(made, augment.apply(x, draws))


@pytest.mark.parametrize(("kind", "arguments", "shape"), EACH)
def test_batches_of_an_epoch_are_independent(kind: Any, arguments: dict[str, Any], shape: tuple[int, ...]) -> None:
    """An image is augmented the same way in any batch, because the trainer splits the draws of all images."""
    augment = from_kornia(kind, p=0.6, **arguments)(shape)
    x = images(shape)
    draws = augment.sample(len(x), seeded())
    order = torch.randperm(len(x), generator=seeded())
    parts = [augment.apply(x[index], draws[index]) for index in order.split(4)]
    assert torch.allclose(torch.cat(parts), augment.apply(x, draws)[order], atol=1e-5)


def states() -> bytes:
    return pickle.dumps((torch.get_rng_state().tolist(), np.random.get_state(), random.getstate()))


def test_draws_depend_on_the_given_generator_alone() -> None:
    """Equal generators lead to equal draws, independently of the global ones, which are left untouched."""
    augment = from_kornia(K.RandomPerspective(0.3), K.RandomGaussianNoise(p=0.5))(GRAY)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        before = states()
        generator = seeded()
        first, second = augment.sample(5, generator), augment.sample(5, generator)
        augment.apply(images(GRAY, 5), first)
        assert states() == before
        torch.manual_seed(2)
        assert torch.equal(augment.sample(5, seeded()), first)
    assert not torch.equal(first, second)


def test_the_global_generator_is_restored_if_kornia_fails() -> None:
    """The global generator is untouched after a part was made, and after kornia raised in the middle of drawing."""

    class Broken(K.RandomInvert):
        def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
            torch.rand(3)
            if batch_shape[0] > 7:
                raise RuntimeError("too many")
            return {}

    before = states()
    augment = from_kornia(Broken)(GRAY)
    with pytest.raises(RuntimeError, match="too many"):
        augment.sample(8, seeded())
    assert states() == before


def test_probability() -> None:
    """p=0 changes no image, p=1 all of them, and p=0.5 about half, depending on their draws."""
    x = images(GRAY, 400)
    for p, least, most in ((0.0, 0, 0), (0.5, 160, 240), (1.0, 400, 400)):
        augment = from_kornia(K.RandomInvert, p=p)(GRAY)
        changed = (augment.apply(x, augment.sample(400, seeded())) != x).flatten(1).any(1)
        assert least <= int(changed.sum()) <= most


def test_dtype_and_integers() -> None:
    """Images keep their dtype, and integers drawn by kornia are passed back to it as integers."""

    class Probe(K.IntensityAugmentationBase2D):
        seen: Tensor

        def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
            n = batch_shape[0]
            return {"big": torch.randint(2**24, (n, 2)), "flag": torch.rand(n, 3) < 0.5}

        def apply_transform(self, input: Tensor, params: Any, flags: Any, transform: Any = None) -> Tensor:
            assert params["flag"].dtype == torch.bool
            type(self).seen = params["big"]
            return input.clone()

    augment = from_kornia(Probe)(GRAY)
    draws = augment.sample(50, seeded())
    assert augment.apply(images(GRAY, 50).double(), draws).dtype == torch.float64
    assert Probe.seen.dtype == torch.int64
    assert torch.equal(Probe.seen, draws[:, :2].to(torch.int64))
    assert Probe.seen.max() > 2**23


@pytest.mark.parametrize(
    "kind", [case[0] for case in (*CASES, *COLOUR_CASES) if case[0] not in (K.RandomGaussianBlur, K.RandomMotionBlur)]
)
def test_nothing_is_read_on_the_host(kind: Any) -> None:
    """On the device `meta`, which holds no numbers, images and draws go through: a step could be captured."""
    arguments = next(arguments for each, arguments in (*CASES, *COLOUR_CASES) if each is kind)
    augment = from_kornia(kind, p=0.6, **arguments)(COLOUR)
    x, draws = images(COLOUR), augment.sample(11, seeded())
    made = augment.apply(x.to("meta"), draws.to("meta"))
    assert (made.shape, made.dtype, made.device.type) == (x.shape, x.dtype, "meta")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda *modules: modules,
        lambda *modules: [nn.Sequential(*modules)],
        lambda first, *rest: [first, K.ImageSequential(K.AugmentationSequential(*rest))],
    ],
    ids=["in a row", "nn.Sequential", "nested"],
)
def test_several_modules(wrap: Callable[..., list[nn.Module]]) -> None:
    """Modules are applied in order, bare or in containers, and their draws are concatenated."""
    modules = [K.RandomPerspective(0.3, p=0.8), K.RandomErasing(p=0.5), K.RandomInvert(p=0.5)]
    factory = from_kornia(*wrap(*modules))
    augment = factory(GRAY)
    x = images(GRAY)
    draws = augment.sample(len(x), seeded())
    assert torch.equal(augment.apply(x, draws), reference(modules, x))
    assert read_parameters(factory) == ()
    assert factory.__doc__ == "kornia's RandomPerspective, then RandomErasing, then RandomInvert."


def test_parts_made_of_a_module_do_not_share_it() -> None:
    """Changes to one augmentation do not affect another one of the same factory."""
    module = K.RandomInvert(p=1.0)
    factory = from_kornia(module)
    one, other = factory(GRAY), factory(GRAY)
    one.stages[0].module.p = 0.0  # type: ignore[attr-defined]
    x = images(GRAY)
    assert torch.equal(other.apply(x, other.sample(len(x), seeded())), 1 - x)


def test_the_signature_is_that_of_a_part() -> None:
    """Arguments that a user can type are parameters, with the given values as defaults; others are passed on."""
    fixed = torch.tensor([0.9, 1.1])
    factory = from_kornia(
        K.RandomAffine, degrees=10, translate=(0, 0.1), scale=fixed, shear=None, resample="nearest", keepdim=True, p=0.8
    )
    names = ["degrees", "translate", "resample", "keepdim", "p"]
    parameters = read_parameters(factory)
    assert list(inspect.signature(factory).parameters) == ["input_shape", *names]
    assert [parameter.name for parameter in parameters] == names
    assert [parameter.type for parameter in parameters] == [float, tuple[float, float], str, bool, float]
    assert repr([p.default for p in parameters]) == "[10.0, (0.0, 0.1), 'nearest', True, 0.8]"
    assert parameters[0].help == "degrees of kornia's RandomAffine"
    assert factory(GRAY).stages[0].module._param_generator.scale is fixed  # type: ignore[attr-defined]


def test_integers_stay_integers_where_kornia_expects_them() -> None:
    """A size does not become a float, and an argument is a parameter only if it is finite and not an empty tuple."""
    factory = from_kornia(K.RandomGaussianBlur, kernel_size=(3, 5), sigma=(1, 2), border_type="reflect")
    assert [p.type for p in read_parameters(factory)] == [tuple[int, int], tuple[float, float], str]
    nested = from_kornia(K.RandomErasing, scale=(0.1, float("inf")), ratio=())
    assert read_parameters(nested) == ()


def test_names_of_the_factory() -> None:
    """A factory has the name of kornia's class and the module in which it was made."""
    factory = from_kornia(K.RandomPerspective)
    assert (factory.__module__, factory.__qualname__, factory.__name__) == (__name__, *["RandomPerspective"] * 2)
    assert str(factory.__doc__).startswith("kornia's RandomPerspective: Apply a random perspective")
    assert get_args(inspect.signature(from_kornia(K.RandomPerspective, p=0.5)).parameters["p"].annotation)[0] is float


def local(registry: Registry, **factories: Any) -> Registry:
    own = Registry(registry)
    for name, factory in factories.items():
        own.add("augment", name, factory)
    return own


def test_a_run(registry: Registry, tmp_path: Path) -> None:
    """A run trains with such a part, passes settings on to kornia, and can be repeated from its config.toml."""
    factory = from_kornia(K.RandomPerspective, distortion_scale=0.3, p=0.8)
    own = local(registry, distorted=factory, several=from_kornia(K.RandomRotation(10.0), K.RandomErasing(p=0.5)))
    assert own.summary(own.find("augment", "distorted")).startswith("kornia's RandomPerspective: ")
    parts: dict[str, str | None] = {"augment": "distorted"}
    config = compose(own, parts=parts, settings=(*SHORT, "augment.distortion_scale=0.4"))
    assert config.part("augment") == PartConfig("local:distorted", {"distortion_scale": 0.4, "p": 0.8})
    files = Files(offline=True)
    first = run(config, own, files, out=tmp_path / "one")
    again = run(compose(own, config=first.folder / "config.toml"), own, files, out=tmp_path / "two")
    assert (first.folder / "labels.csv").read_bytes() == (again.folder / "labels.csv").read_bytes()
    plain = run(compose(own, parts=parts, settings=SHORT), own, files, out=tmp_path / "three")
    assert not np.array_equal(first.confidence, plain.confidence)
    several = compose(own, parts={"augment": "several"}, settings=SHORT)
    assert np.isfinite(run(several, own, files, out=tmp_path / "four").confidence).all()


def test_values_that_kornia_does_not_accept(registry: Registry, tmp_path: Path) -> None:
    """A value that kornia rejects is reported as the user's mistake, with kornia's reason."""
    own = local(registry, affine2=from_kornia(K.RandomAffine, degrees=10.0))
    config = compose(own, parts={"augment": "affine2"}, settings=(*SHORT, "augment.degrees=1000"))
    with pytest.raises(InvalidParameter, match=r"kornia cannot make RandomAffine\(degrees=1000.0\): degrees out of"):
        run(config, own, Files(offline=True), out=tmp_path / "run")


def test_the_contract_holds() -> None:
    """Such a part passes the probe with a first batch."""
    owners = dict.fromkeys(("encoder", "head", "augment"), "part")
    augment = from_kornia(K.RandomElasticTransform(), K.RandomAffine(10.0))(GRAY)
    encoder = FcAutoencoder(GRAY, hidden=(5,), embedding_dim=3)
    probe(encoder, DEC(2, 3), augment, images(GRAY, 4), owners, 0)


@pytest.mark.parametrize(
    "copy", [deepcopy, lambda value: pickle.loads(pickle.dumps(value))], ids=["deepcopy", "pickle"]
)
def test_copies(copy: Callable[[Any], Any]) -> None:
    """Factories and augmentations can be copied, and copies behave the same."""
    for factory in (
        from_kornia(K.RandomAffine, degrees=10.0, translate=(0.1, 0.1)),
        from_kornia(K.RandomPerspective(), K.RandomGaussianNoise()),
    ):
        augment = factory(GRAY)
        x, draws = images(GRAY), augment.sample(11, seeded())
        for twin in (copy(augment), copy(factory)(GRAY)):
            assert torch.equal(twin.sample(11, seeded()), draws)
            assert torch.equal(twin.apply(x, draws), augment.apply(x, draws))
        assert inspect.signature(copy(factory)) == inspect.signature(factory)


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda: from_kornia(), "one class with keyword arguments"),
        (lambda: from_kornia(nn.Sequential()), "one class with keyword arguments"),
        (lambda: from_kornia(K.RandomAffine, 10), "one class with keyword arguments"),
        (lambda: from_kornia(K.RandomInvert(), p=0.3), "one class with keyword arguments"),
        (lambda: from_kornia(3), "cannot use int: it is not a 2D augmentation of kornia"),
        (lambda: from_kornia(nn.Identity), "cannot use Identity: it is not a 2D"),
        (lambda: from_kornia(nn.Sequential(K.RandomInvert(), nn.Identity())), "cannot use Identity"),
        (lambda: from_kornia(K.VideoSequential(K.RandomInvert())), "cannot use VideoSequential"),
        (lambda: from_kornia(K.RandomMixUpV2), "RandomMixUpV2: it combines the images of a batch"),
        (lambda: from_kornia(K.RandomMixUpV2()), "RandomMixUpV2: it combines the images of a batch"),
        (lambda: from_kornia(K.RandomAffine3D, degrees=3), "RandomAffine3D: it is for volumes"),
        (lambda: from_kornia(K.RandomAffine), "kornia's RandomAffine: missing a required argument: 'degrees'"),
        (lambda: from_kornia(K.RandomInvert, q=0.5), "kornia's RandomInvert: got an unexpected keyword argument 'q'"),
        (lambda: from_kornia(K.RandomInvert, p=0.5)(GRAY, q=0.5), "unexpected keyword argument 'q'"),
    ],
)
def test_unsuitable_arguments_are_refused(make: Callable[[], Any], pattern: str) -> None:
    """Anything but a 2D augmentation of kornia, passed correctly, is a TypeError that says why."""
    with pytest.raises(TypeError, match=pattern):
        make()


class Shared(K.IntensityAugmentationBase2D):
    """A custom augmentation, as authors may write it."""

    def __init__(self, draw: Callable[[int], Tensor], late: bool = False, **arguments: Any):
        super().__init__(p=1.0, **arguments)
        self.draw_, self.late = draw, late

    def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
        return {"drawn": self.draw_(batch_shape[0])}

    def apply_transform(self, input: Tensor, params: Any, flags: Any, transform: Any = None) -> Tensor:
        return input + (torch.rand(()) if self.late else params["drawn"].flatten()[0])


@pytest.mark.parametrize(
    ("make", "pattern"),
    [
        (lambda: K.RandomAffine(10.0, same_on_batch=True), "whether it applies .same_on_batch, p_batch"),
        (
            lambda: K.RandomAffine(10.0, same_on_batch=True, p=1.0),
            "RandomAffine .* draws 'angle' once per batch",
        ),
        (lambda: K.RandomGaussianNoise(same_on_batch=True, p=1.0), "draws 'gaussian_noise' once"),
        (lambda: K.Normalize(0.5, 0.5, p=0.5), "Normalize .* draws once per batch whether it applies"),
        (lambda: Shared(lambda n: torch.rand(n), p_batch=0.5), "whether it applies"),
        (lambda: K.ColorJitter(0.2, 0.2), "draws 'order' once per batch; pass a fixed value for its argument 'order'"),
        (lambda: K.RandomMotionBlur((3, 5), 35.0, 0.5), "draws 'ksize_factor' once per batch"),
        (lambda: K.RandomRain((5, 9), (1, 4), (1, 2)), "the shape of its random parameter 'coordinates_factor' varies"),
        (lambda: Shared(lambda n: torch.randint(2**40, (n,))), "integers that float32 cannot represent"),
        (lambda: Shared(lambda n: torch.rand(n), late=True), "draws random numbers while it transforms"),
        (lambda: Shared(lambda n: torch.from_numpy(np.random.rand(n))), "does not draw from torch's generator alone"),
        (lambda: K.CenterCrop(8, p=1.0), r"CenterCrop .* the shape of images from \(3, 16, 16\) to \(3, 8, 8\)"),
        (lambda: K.Resize((8, 9), p=1.0), r"Resize .* the shape of images from \(3, 16, 16\) to \(3, 8, 9\)"),
        (lambda: K.ImageSequential(K.RandomInvert(), random_apply=1), "ImageSequential draws once per batch"),
        (
            lambda: K.AugmentationSequential(K.RandomInvert(), extra_args={DataKey.IMAGE: {"resample": "nearest"}}),
            "AugmentationSequential has extra_args",
        ),
    ],
)
def test_draws_shared_by_a_batch_are_refused(make: Callable[[], nn.Module], pattern: str) -> None:
    """A draw shared by a batch would be shared by an epoch, so it is refused when the part is made, with the reason."""
    with pytest.raises(ValueError, match=pattern):
        from_kornia(make())(COLOUR)


def test_shared_draws_that_make_no_difference() -> None:
    """A crop to the images' own size, an order of a single step, or a constant is accepted, because nothing varies."""
    x = images(COLOUR)
    for module in (
        K.ColorJitter(brightness=0.4),
        K.RandomCrop((16, 16), padding=2, p=1.0),
        K.RandomResizedCrop((16, 16), p=1.0),
        K.Normalize(0.5, 0.5),
    ):
        augment = from_kornia(module)(COLOUR)
        assert torch.equal(augment.apply(x, augment.sample(len(x), seeded())), reference([module], x))


def test_images_that_kornia_does_not_accept() -> None:
    """A colour augmentation of gray images is an error that names the class and the shape."""
    with pytest.raises(ValueError, match=r"kornia's RandomHue fails for input_shape \(1, 16, 16\): Input size must"):
        from_kornia(K.RandomHue, hue=0.1)(GRAY)


def test_importing_it_loads_no_kornia() -> None:
    """`import decda.augment` does not import kornia."""
    code = "import sys, decda.augment; sys.exit('kornia' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
