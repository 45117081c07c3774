"""The complete configuration of a run, as frozen data that can be read from TOML and written to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from decda.core.config.train_config import TrainConfig
from decda.core.errors import DataError, InvalidParameter
from decda.core.regular_files import read_regular

PART_KINDS = ("dataset", "encoder", "head", "augment", "start")
"""The kinds of parts that make up a run, in the order of the configuration file."""
DEFAULT_START = "decda:kmeans"
"""The start where none is named: the paper's, and that of every run before there were others."""
MAX_BYTES = 2**24
"""More than any configuration; a file that is larger is another file."""


@dataclass(frozen=True)
class PartConfig:
    """One part of a run.

    Attributes:
        name: `package:name`, so that no other package can change what it refers to; of a chain, `package:name` of
            each link, joined by `+`.
        parameters: a value for each parameter that the part declares.

    Example:
        >>> PartConfig("decda:idec", {"gamma": 0.1}).short, PartConfig("decda:affine+mine:color").short
        ('idec', 'affine+color')
    """

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """The name without the package."""
        return "+".join(link.rpartition(":")[2] for link in self.name.split("+"))


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A whole run: its parts, their parameters, and how to train.

    Attributes:
        dataset: the images.
        encoder: the autoencoder.
        head: the clustering head.
        augment: the augmentation.
        start: clusters the pretrained embeddings, where the centers are placed.
        train: how to train.
        n_clusters: K, the number of clusters; None means the number of classes in the data set; `auto` that they are
            counted on the pretrained embedding, within `train.n_clusters_range`.
        seed: the seed of all random draws.
        device: the device to train on; `auto` is a CUDA device if there is one, else the CPU.
        autoencoder: pretrained weights to start from, as the folder of a run or a file of weights. None: pretrain.
        recipe: the recipe that the configuration is based on, for the record only; its settings are already in the
            other fields.

    Example:
        >>> parts = {kind: PartConfig(f"mine:{kind}") for kind in PART_KINDS}
        >>> config = RunConfig(**parts).resolved(n_samples=1797, n_classes=10)
        >>> config.n_clusters, config.train.update_interval
        (10, 30)
    """

    dataset: PartConfig
    encoder: PartConfig
    head: PartConfig
    augment: PartConfig
    start: PartConfig
    train: TrainConfig = field(default_factory=TrainConfig)
    n_clusters: int | Literal["auto"] | None = None
    seed: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    autoencoder: Path | None = None
    recipe: str | None = field(default=None, compare=False)

    def part(self, kind: str) -> PartConfig:
        """Get the part of a kind.

        Args:
            kind: one of `PART_KINDS`.

        Returns:
            Its name and parameters.
        """
        found: PartConfig = getattr(self, kind)
        return found

    @property
    def sentence(self) -> str:
        """The run as a sentence of names: data set, encoder, head, augmentation, and the start if it is not k-means.

        Example:
            >>> RunConfig(**{kind: PartConfig(f"mine:{kind}") for kind in PART_KINDS}).sentence
            'dataset · encoder · head · augment · start'
        """
        kinds = [kind for kind in PART_KINDS if kind != "start" or self.start.name != DEFAULT_START]
        return " · ".join(self.part(kind).short for kind in kinds)

    def resolved(self, n_samples: int, n_classes: int | None) -> "RunConfig":
        """Fill in the settings that depend on the images.

        Args:
            n_samples: number of images.
            n_classes: number of classes in the data set, None if it has no labels.

        Returns:
            The configuration with `n_clusters` and all training settings filled in; `auto` stays as it is.

        Raises:
            InvalidParameter: `n_clusters` was not given and the data set has no labels, or it is below 1 (2 where it
                comes from the labels).
            DataError: there are fewer than 2 images, or fewer than clusters.
        """
        if n_samples < 2:
            raise DataError(f"Clustering needs at least 2 images; the data set '{self.dataset.short}' has {n_samples}.")
        train = self.train.resolved(n_samples)
        if self.n_clusters == "auto":
            low, _ = train.n_clusters_range
            if low > n_samples:
                raise DataError(
                    f"train.n_clusters_range begins at {low} clusters, and there are {n_samples} images. Begin lower.",
                    parameter="n_clusters",
                )
            return replace(self, train=train)
        n_clusters = n_classes if self.n_clusters is None else self.n_clusters
        if n_clusters is None:
            raise InvalidParameter(
                f"The data set '{self.dataset.short}' has no labels from which to infer the number of clusters. "
                "Give the number of clusters, n_clusters, or auto, which has them counted on the pretrained embedding.",
                parameter="n_clusters",
            )
        least = 2 if self.n_clusters is None else 1  # one cluster for those who ask for it, as scikit-learn's checks do
        if not least <= n_clusters <= n_samples:
            inferred = ", inferred from the labels" if self.n_clusters is None else ""
            unfit = InvalidParameter if n_clusters < least else DataError
            raise unfit(
                f"n_clusters must be at least {least} and at most the number of images, {n_samples}; it is {n_clusters}"
                f"{inferred}.",
                parameter="n_clusters",
            )
        return replace(self, n_clusters=n_clusters, train=train)

    @property
    def known_clusters(self) -> int:
        """The number of clusters; 0 as long as it is not known."""
        return self.n_clusters if isinstance(self.n_clusters, int) else 0

    def counted(self, n_clusters: int) -> "RunConfig":
        """The same with the number of clusters that was found.

        Args:
            n_clusters: K.
        """
        return replace(self, n_clusters=n_clusters)

    def as_mapping(self) -> dict[str, Any]:
        """Convert to the structure of the configuration file.

        Returns:
            A nested mapping of TOML types; run settings that are None are left out.
        """
        options = {name: getattr(self, name) for name in ("n_clusters", "seed", "device", "autoencoder")}
        mapping = _plain({name: value for name, value in options.items() if value is not None})
        for kind in PART_KINDS:
            part = self.part(kind)
            mapping[kind] = {"name": part.name, **_plain(part.parameters)}
        mapping["train"] = _plain({f.name: getattr(self.train, f.name) for f in fields(self.train)})
        return mapping

    def as_toml(self) -> str:
        """Convert to TOML.

        Returns:
            The text of `config.toml`.
        """
        import tomli_w

        return tomli_w.dumps(self.as_mapping())

    def sha256(self) -> str:
        """Compute a digest of the configuration.

        Returns:
            The SHA-256 of the text of `config.toml`, in hexadecimal. The setting `autoencoder` is left out, because
            the weights have their own digest.
        """
        return sha256(replace(self, autoencoder=None).as_toml().encode()).hexdigest()


def read_toml(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Args:
        path: the TOML file.

    Returns:
        Its content.

    Raises:
        InvalidParameter: the file cannot be read or is not valid TOML.
    """
    import tomllib

    try:
        return tomllib.loads(read_regular(path, max_bytes=MAX_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise InvalidParameter(f"The configuration file {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, too many digits or too deeply nested
        raise InvalidParameter(f"The configuration file {path} is not TOML: {error}.") from error


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Convert values to TOML types. TOML has no null, so None is written as "none", which is read back as None."""
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, tuple):
            plain[name] = [str(v) if isinstance(v, Path) else v for v in value]
        else:
            plain[name] = "none" if value is None else str(value) if isinstance(value, Path) else value
    return plain
