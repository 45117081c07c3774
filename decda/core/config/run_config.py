"""The configuration of a run: plain frozen data, complete, in and out of TOML."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from decda.core.config.train_config import TrainConfig
from decda.core.errors import DataError, InvalidParameter

PART_KINDS = ("dataset", "encoder", "head", "augment")
"""The kinds of parts that a run is made of, in the order of the configuration file."""


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
            raise DataError(f"The data set '{self.dataset.short}' has {n_samples} image; clustering needs at least 2.")
        n_clusters = n_classes if self.n_clusters is None else self.n_clusters
        if n_clusters is None:
            raise InvalidParameter(
                f"The data set '{self.dataset.short}' has no labels to count clusters by. Give the number of clusters, "
                "n_clusters.",
                parameter="n_clusters",
            )
        if not 2 <= n_clusters <= n_samples:
            counted = ", counted from the labels" if self.n_clusters is None else ""
            raise InvalidParameter(
                f"n_clusters must be at least 2 and at most the number of images, {n_samples}; it is {n_clusters}"
                f"{counted}.",
                parameter="n_clusters",
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
