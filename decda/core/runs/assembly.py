"""RunConfig and registry -> the parts themselves, built in the one possible order and checked at the border."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from decda.core.config.run_config import DEFAULT_START, PART_KINDS, RunConfig
from decda.core.contracts import Autoencoder, ClusteringHead, ImageSet, Start, Views, as_float
from decda.core.errors import (
    BrokenComponent,
    ConfigError,
    ContractViolation,
    DecdaError,
    InvalidParameter,
    OutOfMemory,
    in_a_line,
    is_out_of_memory,
)
from decda.core.parts.class_checks import loss_defect
from decda.core.parts.discovery import OWN_PACKAGE
from decda.core.parts.parameters import supplied_names
from decda.core.parts.registry import LOCAL, Component, Registry
from decda.core.random_keys import derive_seed, keyed_generator
from decda.core.training.model import Model
from decda.core.training.precision import resolve_precision
from decda.core.training.probe import probe
from decda.core.training.shared_probe import probe_portions
from decda.core.training.starting import require_labels, takes_seed

T = TypeVar("T")


def components(config: RunConfig, registry: Registry, kinds: Iterable[str] = PART_KINDS) -> dict[str, Component]:
    """The loaded component of each part of a run.

    Args:
        config: of the run.
        registry: where its parts are.
        kinds: which of them.

    Returns:
        Components by kind.

    Raises:
        BrokenComponent: one cannot be imported.
    """
    return {kind: registry.load(registry.find(kind, config.part(kind).name)) for kind in kinds}


def build_model(
    config: RunConfig,
    registry: Registry,
    input_shape: tuple[int, ...],
    value_range: tuple[float, float] | None = (0.0, 1.0),
) -> Model:
    """Build encoder, head and augmentation for images of a given shape.

    Each is built under a forked global generator seeded by (seed, kind), from which PyTorch's layers draw; the caller's
    generator is left as it was.

    Args:
        config: with `n_clusters` resolved, a number.
        registry: where the parts are.
        input_shape: (C, H, W).
        value_range: between which values the images lie; None for the rows of a table.

    Returns:
        The model, on the CPU.

    Raises:
        InvalidParameter: a value is out of range.
        ConfigError: the augmentation is for images, and there is a table.
        ContractViolation: a part is not what `decda.core.contracts` requires.
        OutOfMemory: a part does not fit into memory.
    """
    parts = components(config, registry, ("encoder", "augment"))
    if value_range is None:
        _require_augmentation_of_tables(parts["augment"], registry, input_shape)
    try:
        autoencoder = make_part(parts["encoder"], config.encoder.parameters, config.seed, input_shape=input_shape)
    except InvalidParameter as error:
        if value_range is not None or config.encoder.short == "fc":
            raise
        raise InvalidParameter(f"{error} A table goes with the encoder fc.") from error
    owner = owner_of(parts["encoder"])
    _expect(isinstance(autoencoder, Autoencoder), f"{owner} must be an Autoencoder, not {_class(autoencoder)}.")
    dim = getattr(autoencoder, "embedding_dim", None)
    _expect(type(dim) is int and dim > 0, f"{owner} must set embedding_dim to a whole number above 0, not to {dim!r}.")
    assert isinstance(dim, int)
    head = build_head(config, registry, config.known_clusters, dim)
    augment = make_part(
        parts["augment"], config.augment.parameters, config.seed, input_shape=input_shape, value_range=value_range
    )
    methods = all(callable(getattr(augment, method, None)) for method in ("sample", "apply"))
    _expect(methods, f"{owner_of(parts['augment'])} must have the methods sample and apply; {_class(augment)} has not.")
    return Model(autoencoder, head, augment, resolve_precision(config.train.precision, torch.device("cpu")))


def build_head(config: RunConfig, registry: Registry, n_clusters: int, embedding_dim: int) -> ClusteringHead:
    """Build the head of a run, seeded as `build_model` says.

    Args:
        config: of the run.
        registry: where the head is.
        n_clusters: K.
        embedding_dim: D.

    Returns:
        The head, on the CPU.

    Raises:
        InvalidParameter: a value is out of range.
        ContractViolation: it is not what `decda.core.contracts` requires.
        OutOfMemory: it does not fit into memory.
    """
    component = components(config, registry, ("head",))["head"]
    parameters = config.head.parameters
    head = make_part(component, parameters, config.seed, n_clusters=n_clusters, embedding_dim=embedding_dim)
    owner = owner_of(component)
    _expect(isinstance(head, ClusteringHead), f"{owner} must be a ClusteringHead, not {_class(head)}.")
    defect = loss_defect(type(head))
    _expect(defect is None, f"{owner} cannot be used: {defect}.")
    shape = getattr(getattr(head, "centers", None), "shape", None)
    expected = (n_clusters, embedding_dim)
    _expect(shape == expected, f"{owner} must set centers to a tensor of shape {expected}, not {shape}.")
    checked: ClusteringHead = head
    return checked


def build_start(config: RunConfig, registry: Registry) -> Start:
    """The start of a run, with its parameters; what goes wrong in it becomes an error that names it.

    Args:
        config: of the run.
        registry: where its parts are.

    Returns:
        A function `(z, n_clusters, seed, views) -> labels`. It leaves the number of PyTorch's threads as it was:
        libraries that a start calls change it.
    """
    component = registry.load(registry.find("start", config.start.name))
    owner, parameters = owner_of(component), dict(config.start.parameters)

    wanted = supplied_names(component.factory)

    def start(z: Tensor, n_clusters: int, seed: int, views: Views, /) -> Tensor:
        given = {"views": views} if "views" in wanted else {}
        threads = torch.get_num_threads()
        try:
            make = partial(component.factory, z, n_clusters, seed, **given, **parameters)
            labels: Tensor = guarded(owner, make, "failed")
        finally:
            torch.set_num_threads(threads)
        require_labels(labels, len(z), n_clusters, owner)
        return labels

    return start


def check_start(start: Start, model: Model, config: RunConfig, registry: Registry, n_samples: int) -> None:
    """Try a start on a few random points before anything is trained or written.

    Where the clusters are yet to be counted, it is tried with the smallest number that may be found.

    Args:
        start: from `build_start`.
        model: from `build_model`.
        config: of the run, with `n_clusters` resolved.
        registry: where its parts are.
        n_samples: number of images.

    Raises:
        ConfigError: the head places its centers by itself, which goes with the default start alone; or the start
            belongs to one set of images, and the clusters are yet to be counted.
        InvalidParameter: a parameter of the start is out of range.
        ContractViolation: it returns something else than labels.
        BrokenComponent: it fails.
    """
    component = registry.load(registry.find("start", config.start.name))
    if takes_seed(model.head):
        if config.start.name != DEFAULT_START:
            head = owner_of(registry.load(registry.find("head", config.head.name)))
            raise ConfigError(
                f"{head} places its centers by itself (init_centers(z, seed), version 2 of the contract), so it goes "
                f"with the start kmeans alone, not with {config.start.short}. Choose kmeans, or another head.",
                parameter="start",
            )
        return
    counted = config.n_clusters == "auto"
    n_clusters = config.train.n_clusters_range[0] if counted else len(model.head.centers)
    dim = model.head.centers.shape[1]
    if getattr(component.factory, "whole_set", False):
        if counted:
            raise ConfigError(
                f"{owner_of(component)} brings clusters of its own, so there is nothing to count: with it, n_clusters "
                "must be their number, not auto.",
                parameter="n_clusters",
            )
        points = torch.zeros(n_samples, dim)
    else:
        points = torch.randn(2 * n_clusters + 4, dim, generator=keyed_generator(config.seed, "probe start"))
    with torch.random.fork_rng(devices=[]):
        start(points, n_clusters, derive_seed(config.seed, "probe start"), lambda n: (points for _ in range(n)))


def check_model(model: Model, config: RunConfig, registry: Registry, images: ImageSet, *, shared: bool = False) -> None:
    """Send a few images through copies of the parts, before anything is trained or written.

    Args:
        model: from `build_model`.
        config: of the run.
        registry: where its parts are.
        images: of the run.
        shared: whether several processes share the run.

    Raises:
        ConfigError: the processes would compute something else than one.
        ContractViolation: a part fails, or returns what its contract does not allow.
        OutOfMemory: memory ran out.
    """
    owners = {kind: owner_of(component) for kind, component in components(config, registry).items()}
    x = as_float(images.x[:4].contiguous())
    with torch.random.fork_rng(devices=[]):
        probe(model.autoencoder, model.head, model.augment, x, owners, config.seed)
        if shared:
            probe_portions(model.autoencoder, model.head, x, owners, config.seed)


def make_part(component: Component, parameters: Mapping[str, Any], seed: int, **supplies: Any) -> Any:
    """Call a factory with what it asks for before the star, and with its configured parameters.

    Args:
        component: the loaded part.
        parameters: a value for each of its parameters.
        seed: of the run.
        supplies: what may be asked for, by name.

    Returns:
        What the factory returned.

    Raises:
        InvalidParameter: a value is out of range.
        ContractViolation: the factory asks for something that is not supplied.
        BrokenComponent: it failed.
        OutOfMemory: the part does not fit into memory.
    """
    kind, factory = component.entry.kind, component.factory
    owner = owner_of(component)
    wanted = supplied_names(factory)
    # Encoders and heads always get their sizes; an augmentation and a data set only what they name.
    optional = kind in ("augment", "dataset")
    if kind == "dataset":
        supplies.setdefault("input_shape", None)  # images for a model that is yet to be built may have any
    given = {name: value for name, value in supplies.items() if not optional or name in wanted}
    strange = [name for name in wanted if name not in given]
    if strange:
        raise ContractViolation(f"{owner} wants '{strange[0]}' before the star; only {sorted(supplies)} are supplied.")
    return guarded(owner, lambda: _seeded(seed, kind, lambda: factory(**given, **parameters)))


def owner_of(component: Component) -> str:
    """What errors call a part: `"head 'idec' (decda 0.1.0)"`.

    Args:
        component: the part.
    """
    entry = component.entry
    return f"{entry.kind} '{entry.name}' ({entry.owner})"


def _require_augmentation_of_tables(component: Component, registry: Registry, input_shape: tuple[int, ...]) -> None:
    """Refuse an augmentation that does not ask for `value_range`, and is for images alone."""
    unfit = [link for link in component.links or (component,) if not _takes_tables(link)]
    if not unfit:
        return
    fitting = []
    for entry in registry:  # of other packages none is imported only for a message
        if entry.kind == "augment" and entry.package in (OWN_PACKAGE, LOCAL):
            with suppress(DecdaError):
                fitting += [entry.name] if _takes_tables(registry.load(entry)) else []
    columns = input_shape[-1]
    raise ConfigError(
        f"{owner_of(unfit[0])} is for images, and these are the rows of a table ({columns} "
        f"column{'' if columns == 1 else 's'}). Choose one that takes tables: {', '.join(fitting) or 'none is known'}.",
        parameter="augment",
    )


def _takes_tables(component: Component) -> bool:
    return "value_range" in supplied_names(component.factory)


def guarded(owner: str, make: Callable[[], T], failed: str = "failed while it was built") -> T:
    """Call a part's own code; whatever it raises becomes an error that names the part.

    Args:
        owner: from `owner_of`.
        make: what is called.
        failed: how the error says that it raised.

    Returns:
        What it returned.

    Raises:
        InvalidParameter: it raised a ValueError.
        OutOfMemory: memory ran out.
        BrokenComponent: it raised anything else.
    """
    try:
        return make()
    except DecdaError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin's code may raise anything
        if is_out_of_memory(error):
            raise OutOfMemory(
                f"Out of memory: {owner} does not fit ({in_a_line(error)}). Choose smaller images, or parameters that "
                "need less."
            ) from error
        if isinstance(error, ValueError):
            reason = str(error).removesuffix(".") or "a value is out of range"
            raise InvalidParameter(f"{owner}: {reason}.") from error
        raise BrokenComponent(f"{owner} {failed}: {in_a_line(error)}") from error


def _seeded(seed: int, kind: str, make: Callable[[], T]) -> T:
    with torch.random.fork_rng(devices=[]):
        # The CPU's generator alone: torch.manual_seed would reseed the generators of every device and leave them so.
        torch.default_generator.manual_seed(derive_seed(seed, kind))
        return make()


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise ContractViolation(message)


def _class(value: object) -> str:
    return type(value).__name__
