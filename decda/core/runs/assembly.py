"""RunConfig and registry -> the parts themselves, built in the one possible order and checked at the border."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from decda.core.config.run_config import PART_KINDS, RunConfig
from decda.core.contracts import Augmentation, Autoencoder, ClusteringHead, ImageSet, as_float
from decda.core.errors import BrokenComponent, ContractViolation, DataError, DecdaError, InvalidParameter, in_a_line
from decda.core.files import Files
from decda.core.parts.parameters import wanted_names
from decda.core.parts.registry import Component, Registry
from decda.core.random_keys import key
from decda.core.training.probe import probe

T = TypeVar("T")


@dataclass(frozen=True)
class Model:
    """What is trained, and the augmentation it is trained with."""

    autoencoder: Autoencoder
    head: ClusteringHead
    augment: Augmentation

    def modules(self) -> dict[str, nn.Module]:
        """What `model.safetensors` holds, by name."""
        return {"autoencoder": self.autoencoder, "head": self.head}


def components(config: RunConfig, registry: Registry) -> dict[str, Component]:
    """The loaded component of each part, by kind.

    Raises:
        BrokenComponent: one cannot be imported.
    """
    return {kind: registry.load(registry.find(kind, config.part(kind).name)) for kind in PART_KINDS}


def load_images(config: RunConfig, registry: Registry, files: Files) -> ImageSet:
    """The images of the run's data set, checked.

    Raises:
        DataError: they are missing, or hold what are no images (no pixels, NaN, values outside [0, 1]).
        ContractViolation: the data set returned something else than images.
    """
    component = components(config, registry)["dataset"]
    with torch.random.fork_rng(devices=[]):
        try:
            images: ImageSet = _make(component, config, files=files)
        except BrokenComponent as error:
            if isinstance(error.__cause__, OSError):  # a file it wanted, or could not read
                raise DataError(str(error)) from error
            raise
    owner = _owner(component)
    _expect(isinstance(images, ImageSet), f"{owner} must return an ImageSet, not {type(images).__name__}.")
    check_images(images, owner)
    # Pixels in the order of the shape, so that a part may see them as rows, whoever read them as (H, W, C).
    return replace(images, x=images.x.contiguous())


def check_model(model: Model, config: RunConfig, registry: Registry, images: ImageSet) -> None:
    """Send a few images through copies of the parts, before anything is trained or written.

    Raises:
        ContractViolation: a part fails, or returns what its contract does not allow.
    """
    owners = {kind: _owner(component) for kind, component in components(config, registry).items()}
    x = as_float(images.x[:4])
    with torch.random.fork_rng(devices=[]):
        probe(model.autoencoder, model.head, model.augment, x, owners, config.seed)


def build_model(config: RunConfig, registry: Registry, input_shape: tuple[int, ...]) -> Model:
    """Encoder, head and augmentation for images of that shape; `config.n_clusters` must be resolved.

    Each is built under a forked global generator seeded by (seed, kind), which torch's layers draw from; the generator
    of the caller is left as it was.

    Raises:
        InvalidParameter: a value is out of range.
        ContractViolation: a part is not what `decda.core.contracts` says.
    """
    parts = components(config, registry)
    autoencoder = _make(parts["encoder"], config, input_shape=input_shape)
    owner = _owner(parts["encoder"])
    _expect(isinstance(autoencoder, Autoencoder), f"{owner} must be an Autoencoder, not {_class(autoencoder)}.")
    dim = getattr(autoencoder, "embedding_dim", None)
    _expect(type(dim) is int and dim > 0, f"{owner} must set embedding_dim to a whole number above 0, it is {dim!r}.")

    head = _make(parts["head"], config, n_clusters=config.n_clusters, embedding_dim=dim)
    owner = _owner(parts["head"])
    _expect(isinstance(head, ClusteringHead), f"{owner} must be a ClusteringHead, not {_class(head)}.")
    shape = getattr(getattr(head, "centers", None), "shape", None)
    expected = (config.n_clusters, dim)
    _expect(shape == expected, f"{owner} must set centers to a tensor of shape {expected}, not {shape}.")

    augment = _make(parts["augment"], config, input_shape=input_shape)
    methods = all(callable(getattr(augment, method, None)) for method in ("sample", "apply"))
    _expect(methods, f"{_owner(parts['augment'])} must have the methods sample and apply; {_class(augment)} has not.")
    return Model(autoencoder, head, augment)


def _make(component: Component, config: RunConfig, **supplies: Any) -> Any:
    """Call a factory with what it wants of the supplies and its configured parameters."""
    kind, factory = component.entry.kind, component.factory
    owner = _owner(component)
    wanted = wanted_names(factory)
    # Encoders and heads are told their sizes always; an augmentation and a data set only what they name.
    optional = kind in ("augment", "dataset")
    given = {name: value for name, value in supplies.items() if not optional or name in wanted}
    strange = [name for name in wanted if name not in given]
    if strange:
        raise ContractViolation(f"{owner} wants '{strange[0]}' before the star; only {sorted(supplies)} are supplied.")
    return guarded(owner, lambda: _seeded(config.seed, kind, lambda: factory(**given, **config.part(kind).parameters)))


def guarded(owner: str, make: Callable[[], T]) -> T:
    """Call a part's own code; whatever it raises becomes an error that names the part.

    Raises:
        InvalidParameter: it raised ValueError, as the contract says of values out of range.
        BrokenComponent: it raised anything else.
    """
    try:
        return make()
    except DecdaError:
        raise
    except ValueError as error:
        raise InvalidParameter(f"{owner}: {str(error) or 'a value is out of range'}.") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's code may raise any
        raise BrokenComponent(f"{owner} failed when it was made: {in_a_line(error)}") from error


def _seeded(seed: int, kind: str, make: Callable[[], T]) -> T:
    with torch.random.fork_rng(devices=[]):
        # The CPU's generator alone: torch.manual_seed would reseed the generators of every device and leave them so.
        torch.default_generator.manual_seed(key(seed, kind))
        return make()


def check_images(images: ImageSet, owner: str) -> None:
    """Raise an error unless these are images, with fitting labels and names if any.

    Args:
        images: what a data set returned.
        owner: what errors call it.

    Raises:
        ContractViolation: tensors of another shape, type or place, or names that are none.
        DataError: no pixels, NaN, values outside [0, 1].
    """
    x, y, names = images.x, images.y, images.names
    plain = isinstance(x, Tensor) and x.layout == torch.strided and not x.requires_grad
    _expect(plain and x.dim() == 4, f"{owner} must return images as a plain tensor of shape (N, C, H, W), no gradient.")
    fits = x.dtype in (torch.float32, torch.uint8) and x.device.type == "cpu"
    _expect(fits, f"{owner} must return float32 or uint8 images on the CPU; they are {x.dtype} on {x.device}.")
    if y is not None:
        fits = isinstance(y, Tensor) and y.shape == (len(x),) and y.dtype == torch.int64
        _expect(fits, f"{owner} must return labels as int64 of shape ({len(x)},).")
    named = isinstance(names, Sequence) and len(names) == len(x) and all(isinstance(name, str) for name in names)
    _expect(names is None or named, f"{owner} must return texts, a name for each of its {len(x)} images.")
    if 0 in x.shape:
        raise DataError(f"{owner} holds no pixels: its images have the shape {tuple(x.shape)}.")
    if x.dtype == torch.float32:
        flat = x.flatten(1)
        for bad, what in (
            (~flat.isfinite(), "not finite (NaN or infinite)"),
            ((flat < 0) | (flat > 1), "not in [0, 1]"),
        ):
            rows = bad.any(1).nonzero().flatten()
            if len(rows):
                first = int(rows[0])
                name = f" ({names[first]})" if names is not None else ""
                raise DataError(
                    f"{owner}: {len(rows)} of {len(x)} images have pixels that are {what}, the first is image {first}"
                    f"{name}. Repair or leave out those images; float pixels are expected in [0, 1]."
                )


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise ContractViolation(message)


def _owner(component: Component) -> str:
    entry = component.entry
    return f"{entry.kind} '{entry.name}' ({entry.owner})"


def _class(value: object) -> str:
    return type(value).__name__
