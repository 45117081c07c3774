"""A finished run: its labels, its scores, its model, and what the model makes of new images."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from decda.core.arrays import ArraySource
from decda.core.config.run_config import RunConfig
from decda.core.errors import DataError, DecdaError
from decda.core.parts.registry import Component
from decda.core.runs.failures import explain_failure
from decda.core.runs.naming import printable
from decda.core.training.assigning import assign
from decda.core.training.model import Model

if TYPE_CHECKING:
    from decda.core.report.page import Page

SCHEMA_VERSION = 1
Channels = Literal["first", "last"]
ARRAY_SETTINGS = ("shape", "channels", "scale", "center", "spread")
"""Settings of a data set by which new arrays are prepared as those of the run were."""


@dataclass(frozen=True, repr=False, eq=False)
class Run:
    """What a run came to. The same stands in its folder, from which `decda.load` reads it back.

    Attributes:
        folder: of the run.
        config: the configuration with everything resolved.
        model: the trained model.
        input_shape: (C, H, W) of the images it was trained on.
        labels: the cluster of each image, int64 (N,), by the final weights.
        confidence: the largest soft assignment of each image, float32 (N,); read back from a folder, to six decimals.
        names: a name for each image, or None.
        metrics: `acc`, `nmi` and `ari` against the classes of the data set, each None where it has none.
        baseline: the same for k-means on the pretrained embedding.
        start: the same for the clusters from which clustering started.
        seconds: how long each phase took, and `total`.
        ends: how its phases ended: `pretrain_epochs`, `iterations` and `stop_reason`; with `train.keep=better`, `kept`.
        warnings: sentences that speak against the result; empty where nothing was found.
        parts: the components that the model is made of, by kind.
        judgement: how good the clusters look without classes, see `decda.core.runs.quality`.
    """

    folder: Path
    config: RunConfig
    model: Model
    input_shape: tuple[int, ...]
    labels: NDArray[np.int64]
    confidence: NDArray[np.float32]
    names: Sequence[str] | None
    metrics: Mapping[str, float | None]
    baseline: Mapping[str, float | None]
    start: Mapping[str, float | None]
    seconds: Mapping[str, float]
    ends: Mapping[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    parts: Mapping[str, Component] = field(default_factory=dict)
    judgement: Mapping[str, float | None] = field(default_factory=dict)

    def __repr__(self) -> str:
        """The run in a line: its folder, its size, and its accuracy where that is known."""
        acc = self.metrics.get("acc")
        score = "" if acc is None else f", ACC {acc:.3f}"
        return f"<Run {self.folder}: {len(self.labels)} images in {self.config.n_clusters} clusters{score}>"

    @property
    def sizes(self) -> list[int]:
        """How many images each cluster holds."""
        sizes: list[int] = np.bincount(self.labels, minlength=self.config.known_clusters).tolist()
        return sizes

    def resume(self, data: Any = None, **how: Any) -> "Run":
        """The run itself: it has finished, so that there is nothing to go on with.

        Args:
            data: not needed any more; taken so that a script may call this again.
            how: likewise.
        """
        return self

    def predict(self, images: Any, *, channels: Channels | None = None) -> NDArray[np.int64]:
        """Assign images to the clusters of this run.

        Args:
            images: of the shape the model was trained on, in any layout that `decda.train` takes; or the path of a
                folder or file of images, which are brought to that shape, read part by part, and left out where they
                cannot be read. They are prepared as those of the run were.
            channels: whether channels come `first` or `last`, where the shape leaves that open.

        Returns:
            The cluster of each image, int64 (N,).

        Raises:
            DataError: the images do not fit, or the model returns numbers that are not finite.
        """
        if isinstance(images, str | Path):
            found: NDArray[np.int64] = self._read(Path(images), "q").argmax(1)
            return found

        def labels(x: Tensor) -> Tensor:
            found, confidence = assign(self.model.head, self.model.embed(x))
            return found.double().where(confidence.isfinite(), torch.nan)  # which `apply` looks for

        return self.apply(labels, self.prepare(images, channels)).astype(np.int64)

    def soft_assign(self, images: Any, *, channels: Channels | None = None) -> NDArray[np.float32]:
        """Soft assignments of images to the clusters of this run.

        Args:
            images: as for `predict`.
            channels: as for `predict`.

        Returns:
            q, float32 (N, K), rows sum to 1.

        Raises:
            DataError: as for `predict`.
        """
        if isinstance(images, str | Path):
            return self._read(Path(images), "q")
        return self.apply(self.model.soft_assign, self.prepare(images, channels))

    def embed(self, images: Any, *, channels: Channels | None = None) -> NDArray[np.float32]:
        """Embed images by the trained encoder.

        Args:
            images: as for `predict`.
            channels: as for `predict`.

        Returns:
            z, float32 (N, D).

        Raises:
            DataError: as for `predict`.
        """
        if isinstance(images, str | Path):
            return self._read(Path(images), "z")
        return self.apply(self.model.embed, self.prepare(images, channels))

    def report(self, images: Any = None, *, data_root: str | Path | None = None, offline: bool | None = None) -> "Page":
        """A page to look at: verdict, map of the embedding, members of each cluster, curves. Notebooks show it.

        Args:
            images: that the run was made of, where its folder does not say where they are: as for `decda.train`, or a
                path. None: they are loaded as the run loaded them; where they are gone, the page has no pictures.
            data_root: as for `decda.train`.
            offline: as for `decda.train`.

        Returns:
            The page; `save(path)` writes it.

        Raises:
            DataError: these are not the images that the run was made of, or its files are damaged.

        Example:
            >>> import decda
            >>> short = {"pretrain_epochs": 1, "max_iter": 4}
            >>> run = decda.train("digits", encoder="fc", train=short, progress=False)
            >>> path = run.report().save("report.html")
        """
        from decda.core.files import Files
        from decda.core.parts.registry import Registry
        from decda.core.runs.reporting import page_of

        files = Files(None if data_root is None else Path(data_root), offline=offline)
        return page_of(self, images, Registry.discover(), files)

    def as_mapping(self) -> dict[str, Any]:
        """What `decda train --json` prints."""
        return {
            "schema_version": SCHEMA_VERSION,
            "run": str(self.folder),
            "recipe": self.config.recipe,
            "dataset": self.config.dataset.short,
            "n_samples": len(self.labels),
            "n_clusters": self.config.n_clusters,
            "seed": self.config.seed,
            **self.metrics,
            **self.ends,
            "warnings": list(self.warnings),
            "seconds": dict(self.seconds),
            "baseline": dict(self.baseline),
            "start": dict(self.start),
            "judgement": dict(self.judgement),
        }

    def _read(self, path: Path, what: Literal["q", "z"]) -> NDArray[np.float32]:
        from decda.core.files import Files
        from decda.core.parts.registry import Registry
        from decda.core.runs.new_images import open_source
        from decda.core.runs.prediction import predict_all

        found = predict_all(self, open_source(self, path, Registry.discover(), Files()))
        if found.skipped:  # or rows would not belong to the files that the caller lists
            name, reason = found.skipped[0]
            warnings.warn(
                f"{len(found.skipped)} images cannot be read and have no row (the first is {printable(name)}: "
                f"{reason}). `decda predict` writes rows with names.",
                stacklevel=3,
            )
        return found.q if what == "q" else found.z

    def prepare(self, images: Any, channels: Channels | None = None) -> Tensor:
        """Bring images into the shape that the model takes, as those of the run were.

        Args:
            images: as for `predict`, but no path.
            channels: as for `predict`.

        Returns:
            Images (N, C, H, W), uint8 or float32.

        Raises:
            DataError: they do not fit.
        """
        known = self.config.dataset.parameters
        # All of them, or they are another data set's and mean something else.
        settings = {name: known[name] for name in ARRAY_SETTINGS} if known.keys() >= set(ARRAY_SETTINGS) else {}
        if channels is not None:
            settings["channels"] = channels
        source = ArraySource(images, input_shape=self.input_shape, **settings)
        whole = source.whole()
        return source.read(0, source.shape[0])[0] if whole is None else whole

    def apply(self, method: Callable[[Tensor], Tensor], x: Tensor) -> NDArray[np.float32]:
        """Send images through a method of the model, and explain what goes wrong.

        Args:
            method: such as `model.embed`.
            x: images as the model takes them (N, C, H, W), uint8 or float32.

        Returns:
            Its result, float32.

        Raises:
            DecdaError: a part fails, or returns numbers that are not finite.
        """
        try:
            with torch.no_grad():
                result = method(x).cpu()
        except DecdaError:
            raise
        except (Exception, SystemExit) as error:
            explained = explain_failure(error, self.model, self.parts, self.config, tuple(x.shape), "in use")
            if explained is None:
                raise
            raise explained from error
        if not bool(result.isfinite().all()):
            raise DataError(f"The model of {self.folder} returns numbers that are not finite: its weights are damaged.")
        numbers: NDArray[np.float32] = result.numpy()
        return numbers
