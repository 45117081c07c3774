"""The configuration of a run: plain frozen data, complete, in and out of TOML."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from decda.core.errors import DataError, InvalidParameter
from decda.core.parts.parameters import read_parameters

PART_KINDS = ("dataset", "encoder", "head", "augment")
OptimizerName = Literal["sgd", "adam"]
LARGE_SET = 20_000
"""Sets above this are refreshed at the interval of MNIST (70,000 images), others at that of MNIST-TEST (10,000)."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How to train; the defaults are the paper's for the convolutional network.

    Raises:
        ValueError: a number out of range.
    """

    pretrain_epochs: Annotated[int, "epochs of pretraining the autoencoder"] = 500
    batch_size: Annotated[int, "images in a batch, at most the whole set"] = 256
    max_iter: Annotated[int, "most iterations (batches) of clustering"] = 20_000
    update_interval: Annotated[
        int | None, "iterations between two refreshes of the target; none: 140 above 20,000 images, else 30"
    ] = None
    tol: Annotated[float, "clustering stops when a smaller share of labels changed between two refreshes"] = 0.001
    augment_in: Annotated[
        Literal["both", "pretrain", "cluster", "neither"], "the phases in which images are augmented"
    ] = "both"
    drop_last: Annotated[
        bool | None, "leave out the partial batch of a pretraining epoch; none: only where images are augmented"
    ] = None
    pretrain_optimizer: Annotated[OptimizerName, "optimizer of pretraining"] = "adam"
    pretrain_learning_rate: Annotated[float, "learning rate of pretraining"] = 0.001
    pretrain_momentum: Annotated[float, "momentum of pretraining, for sgd"] = 0.9
    cluster_optimizer: Annotated[OptimizerName, "optimizer of clustering"] = "adam"
    cluster_learning_rate: Annotated[float, "learning rate of clustering"] = 0.001
    cluster_momentum: Annotated[float, "momentum of clustering, for sgd"] = 0.9
    step: Annotated[
        Literal["auto", "plain", "compiled", "graph"],
        "how a step is made: as written, by torch.compile, as a CUDA graph; auto: a graph on a CUDA device, else plain",
    ] = "auto"
    precision: Annotated[
        Literal["float32", "tf32", "bfloat16"],
        "in what networks compute; tf32: CUDA alone; bfloat16: 1.7 times as fast on a CPU, .007 less ACC on digits",
    ] = "float32"

    def __post_init__(self) -> None:
        least = {"pretrain_epochs": 0, "batch_size": 1, "max_iter": 0, "update_interval": 1}
        for name, minimum in least.items():
            value = getattr(self, name)
            if value is not None and value < minimum:
                raise ValueError(f"{name} must be at least {minimum}, it is {value}")
        if not 0 <= self.tol <= 1:
            raise ValueError(f"tol must be in [0, 1], it is {self.tol}")
        for phase in ("pretrain", "cluster"):
            if getattr(self, f"{phase}_learning_rate") <= 0:
                raise ValueError(f"{phase}_learning_rate must be above 0")
            if not 0 <= getattr(self, f"{phase}_momentum") < 1:
                raise ValueError(f"{phase}_momentum must be in [0, 1)")

    def augments(self, phase: str) -> bool:
        """Whether images are augmented in that phase."""
        return self.augment_in in ("both", phase)

    def optimizer(self, phase: str) -> tuple[OptimizerName, float, float]:
        """Name, learning rate and momentum in that phase."""
        return (
            getattr(self, f"{phase}_optimizer"),
            getattr(self, f"{phase}_learning_rate"),
            getattr(self, f"{phase}_momentum"),
        )

    def resolved(self, n_samples: int) -> "TrainConfig":
        """With `update_interval` and `drop_last` filled in for a set of that size."""
        interval = self.update_interval or (140 if n_samples > LARGE_SET else 30)
        drop_last = self.augments("pretrain") if self.drop_last is None else self.drop_last
        return replace(self, update_interval=interval, drop_last=drop_last)


TRAIN_PARAMETERS = read_parameters(TrainConfig)


@dataclass(frozen=True)
class PartConfig:
    """One part of a run.

    Attributes:
        name: `package:name`, so that no other package can change what it means.
        parameters: a value for each parameter the part declares.
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """The name without its package."""
        return self.name.rpartition(":")[2]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run in words: which parts, their parameters, how to train.

    Attributes:
        dataset: where the images come from.
        encoder: the autoencoder.
        head: the clustering objective.
        augment: the augmentation.
        train: how to train.
        n_clusters: K; None means as many as the data set has classes.
        seed: of every random draw.
        device: where to train; `auto` is a CUDA device if there is one, else the CPU.
        autoencoder: pretrained weights to start from, a run's folder or a file of weights; None: pretrain.
        recipe: the recipe it was built on, for the record; everything it said stands in the other fields.
    """

    dataset: PartConfig
    encoder: PartConfig
    head: PartConfig
    augment: PartConfig
    train: TrainConfig = field(default_factory=TrainConfig)
    n_clusters: int | None = None
    seed: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    autoencoder: Path | None = None
    recipe: str | None = field(default=None, compare=False)

    def part(self, kind: str) -> PartConfig:
        """The part of that kind."""
        found: PartConfig = getattr(self, kind)
        return found

    def resolved(self, n_samples: int, n_classes: int | None) -> "RunConfig":
        """Filled in with what depends on the images.

        Args:
            n_samples: how many images there are.
            n_classes: how many classes the data set knows of, None without labels.

        Raises:
            InvalidParameter: no number of clusters was given and the data set has no labels, or it does not fit.
            DataError: there is one image only.
        """
        if n_samples < 2:
            raise DataError(f"The data set '{self.dataset.short}' has {n_samples} image; at least 2 can be clustered.")
        n_clusters = n_classes if self.n_clusters is None else self.n_clusters
        if n_clusters is None:
            raise InvalidParameter(
                f"The data set '{self.dataset.short}' has no labels to count the clusters by. Say how many there are "
                "to be: --n-clusters K."
            )
        if not 2 <= n_clusters <= n_samples:
            counted = ", counted from the labels; say another by --n-clusters" if self.n_clusters is None else ""
            raise InvalidParameter(
                f"n_clusters must be at least 2 and at most the number of images, {n_samples}; it is {n_clusters}"
                f"{counted}."
            )
        return replace(self, n_clusters=n_clusters, train=self.train.resolved(n_samples))

    def as_mapping(self) -> dict[str, Any]:
        """In the shape of the configuration file; what is None is left out."""
        options = {name: getattr(self, name) for name in ("n_clusters", "seed", "device", "autoencoder")}
        mapping = _plain({name: value for name, value in options.items() if value is not None})
        for kind in PART_KINDS:
            part = self.part(kind)
            mapping[kind] = {"name": part.name, **_plain(part.parameters)}
        mapping["train"] = _plain({f.name: getattr(self.train, f.name) for f in fields(self.train)})
        return mapping

    def as_toml(self) -> str:
        """The text of `config.toml`."""
        import tomli_w

        return tomli_w.dumps(self.as_mapping())

    def sha256(self) -> str:
        """Of the text of `config.toml`, without a pretrained autoencoder: the weights have a digest of their own."""
        return sha256(replace(self, autoencoder=None).as_toml().encode()).hexdigest()


def read_toml(path: Path) -> dict[str, Any]:
    """The mapping in a configuration file.

    Raises:
        InvalidParameter: the file is missing or is not TOML.
    """
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidParameter(f"The configuration file {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number or a nesting without end
        raise InvalidParameter(f"The configuration file {path} is not TOML: {error}.") from error


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as TOML knows them. It has no null: None is written as "none", which reads back as None."""
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, tuple):
            plain[name] = [str(v) if isinstance(v, Path) else v for v in value]
        else:
            plain[name] = "none" if value is None else str(value) if isinstance(value, Path) else value
    return plain
