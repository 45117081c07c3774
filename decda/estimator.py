"""`DeepClustering`: an experiment as an estimator of scikit-learn."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from decda.api import train as train_run
from decda.core.arrays.values import as_numbers
from decda.core.errors import DataError
from decda.core.parts.registry import Registry
from decda.core.runs.run import Run
from decda.estimator_errors import as_value_errors
from decda.estimator_inputs import (
    checked_array,
    drawn,
    drawn_from_path,
    is_path,
    silhouette,
)
from decda.estimator_settings import PARTS, is_nested, training_arguments
from decda.estimator_state import (
    ESTIMATOR,
    as_json,
    from_json,
    load_finished,
    local_parts,
    make_run,
    read_description,
    read_files,
    registry_with,
    restore_run,
    save_folder,
)

SCORED = 2000
"""Rows that a score is taken from, at most."""
FULL_ROWS = 32
"""Batches are filled up to a multiple of this: matrix products of one shape add in one order, whatever their rows."""


class DeepClustering(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Deep embedded clustering with data augmentation, as an estimator of scikit-learn.

    `fit` is `decda.train`: with the same seed, `DeepClustering(random_state=0).fit(x)`, `decda.train(x, seed=0)` and
    `decda train --images x.npy --seed 0` give equal labels. Clusters keep their numbers everywhere: one that lost all
    its images leaves a gap in `labels_`, a row in `cluster_centers_` and a column in `predict_proba`, and
    `run_.warnings` tells of it.

    X may be rows (N, D), as NumPy array, tensor, DataFrame or lists; images (N, H, W), (N, H, W, C) or (N, C, H, W); or
    the path of a folder of images or of an array file. Rows without `image_shape` are a table: its columns are
    standardised, and it is trained by `fc` without augmentation. `y` is ignored everywhere.

    Args:
        n_clusters: number of clusters; `auto`: counted on the pretrained embedding.
        encoder: the autoencoder: a registered name, a table with `name` and parameters, or a class. `auto`: `conv` for
            images from 8x8 up, else `fc`.
        head: the clustering objective, likewise. With a recipe, `idec` leaves it to the recipe.
        augment: the augmentation, likewise. `auto`: a small `affine` for images from 8x8 up, else `none`.
        start: clusters the pretrained embedding, where the centers are placed, likewise. `auto`: as the recipe says.
        recipe: the named composition to start from; None: `auto`, which chooses by shape and number of the images.
        image_shape: (height, width), or a shape with channels, of the images that rows were flattened from.
        channels: whether channels come `first` or `last`; `auto`: as the shape tells.
        pretrain_epochs: epochs of pretraining; None: as the recipe says.
        max_iter: most iterations of clustering; None: as the recipe says.
        train: further settings of training, by name: `{"batch_size": 64}`.
        random_state: an int is the seed of the run. A RandomState, or None for NumPy's global one, draws the seed.
        device: `auto`, `cpu`, `cuda` or `mps`.
        n_jobs: threads that `fit` computes with; None: as many as PyTorch is set to; -1: one for each core.
        verbose: above 0, progress and result are shown.
        nested: settings of parts, by names such as `head__gamma`, `encoder__embedding_dim`, `augment__degrees`,
            `train__batch_size` (above `max_iter` and `train`) and `dataset__scale`. They can be searched like all
            others. Naming another part drops those that were meant for the former one.

    Attributes:
        labels_: the cluster of each image, int64 (N,).
        cluster_centers_: (n_clusters, D), in the embedding.
        n_features_in_: number of features; of images, C * H * W.
        feature_names_in_: names of the columns, where X is a DataFrame whose columns are all named.
        n_iter_: iterations of clustering.
        run_: the `decda.Run`, with losses, warnings, configuration and model.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X = load_iris().data
        >>> model = DeepClustering(n_clusters=3, pretrain_epochs=2, max_iter=5, random_state=0).fit(X)
        >>> model.labels_.shape, model.transform(X).shape, model.predict_proba(X[:2]).shape
        ((150,), (150, 10), (2, 3))
    """

    def __init__(
        self,
        n_clusters: int | Literal["auto"] | None = 10,
        *,
        encoder: Any = "auto",
        head: Any = "idec",
        augment: Any = "auto",
        start: Any = "auto",
        recipe: str | None = None,
        image_shape: Sequence[int] | None = None,
        channels: Literal["auto", "first", "last"] = "auto",
        pretrain_epochs: int | None = None,
        max_iter: int | None = None,
        train: Mapping[str, Any] | None = None,
        random_state: Any = None,
        device: str = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
        **nested: Any,
    ):
        self.n_clusters = n_clusters
        self.encoder = encoder
        self.head = head
        self.augment = augment
        self.start = start
        self.recipe = recipe
        self.image_shape = image_shape
        self.channels = channels
        self.pretrain_epochs = pretrain_epochs
        self.max_iter = max_iter
        self.train = train
        self.random_state = random_state
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose
        self._nested = nested

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters, with those of parts.

        Args:
            deep: makes no difference.

        Returns:
            Values by name.
        """
        return {**super().get_params(deep), **self._nested}

    def set_params(self, **params: Any) -> "DeepClustering":
        """Set parameters.

        Args:
            params: values by name; `head__gamma` sets gamma of the head.

        Returns:
            The estimator itself.

        Raises:
            ValueError: a name does not exist.
        """
        nested = {name: value for name, value in params.items() if name in self._nested or is_nested(name)}
        former = super().get_params(deep=False)
        super().set_params(**{name: value for name, value in params.items() if name not in nested})
        changed = [name for name in PARTS if not _is_same(getattr(self, name), former[name])]
        kept = {name: value for name, value in self._nested.items() if name.partition("__")[0] not in changed}
        self._nested = {**kept, **nested}
        return self

    def fit(self, X: Any, y: Any = None) -> "DeepClustering":
        """Cluster images or rows.

        Args:
            X: (N, D), (N, H, W), (N, H, W, C), (N, C, H, W), or a path.
            y: ignored.

        Returns:
            The estimator itself.

        Raises:
            EstimatorError: a parameter or the data do not fit; the message says what, why and what to do.
            DecdaError: training diverged, a part is broken, memory ran out, ...
        """
        with as_value_errors():
            data = checked_array(self, X, reset=True, images=True)
            arguments = training_arguments(data, super().get_params(deep=False), self._nested)
            run, files = make_run(train_run, {**arguments, "progress": bool(self.verbose), "report": False})
        self._keep(run, files)
        return self

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Assign images or rows to the clusters.

        Args:
            X: as for `fit`, or the rows (N, C * H * W) that such images make.

        Returns:
            The cluster of each, int64 (N,).

        Raises:
            NotFittedError: before `fit`.
            EstimatorError: X does not fit.
        """
        labels: NDArray[np.int64] = self.predict_proba(X).argmax(1)
        return labels

    def predict_proba(self, X: Any) -> NDArray[np.float32]:
        """Soft assignments of images or rows to the clusters.

        Args:
            X: as for `predict`.

        Returns:
            q, float32 (N, n_clusters); each row sums to 1, its largest entry is the label.

        Raises:
            NotFittedError: before `fit`.
            EstimatorError: X does not fit.
        """
        check_is_fitted(self)
        return self._apply("q", X)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Embed images or rows.

        Args:
            X: as for `predict`.

        Returns:
            z, float32 (N, D).

        Raises:
            NotFittedError: before `fit`.
            EstimatorError: X does not fit.
        """
        check_is_fitted(self)
        return self._apply("z", X)

    def score(self, X: Any, y: Any = None) -> float:
        """The silhouette of the predicted clusters, in pixels or in columns divided by their standard deviations.

        Not in the embedding: there, a head can raise it without finding better clusters, by drawing the embedding
        together. In the space of X, estimators of any setting are measured alike. Still no more than a hint: images
        that mean the same need not be close in pixels.

        Args:
            X: as for `predict`; of more than 2,000, as many are drawn, the same ones every time.
            y: ignored.

        Returns:
            In [-1, 1], higher is better; -1 where fewer than two clusters are used.

        Raises:
            NotFittedError: before `fit`.
            EstimatorError: X does not fit.
        """
        check_is_fitted(self)
        with as_value_errors():
            if is_path(X):
                rows, labels = drawn_from_path(self.run_, Path(X), SCORED)
            else:
                data = self._checked(X)
                rows = as_numbers(data[drawn(len(data), SCORED)])
                labels = self._batches(self.run_.soft_assign, rows).argmax(1)
        return silhouette(rows, labels, standardise=self._is_table)

    def save(self, path: str | Path) -> None:
        """Save the fitted estimator without pickle: the folder of its run, and `estimator.json` in it.

        Args:
            path: of the folder, which must not exist. `decda.load`, `decda predict` and `decda export` read it, too.

        Raises:
            NotFittedError: before `fit`.
            EstimatorError: the folder exists, or a parameter is of a type that JSON does not have.
            OutputError: the system refuses.
        """
        check_is_fitted(self)
        with as_value_errors():
            parameters = dict(self.get_params())
            if isinstance(parameters["random_state"], np.random.RandomState):
                parameters["random_state"] = self.run_.config.seed
            names = getattr(self, "feature_names_in_", None)
            description = {
                "parameters": {name: as_json(name, value) for name, value in parameters.items()},
                "feature_names_in": None if names is None else names.tolist(),
            }
            save_folder(Path(path), self._files, description)

    @classmethod
    def load(cls, path: str | Path, *, device: str | None = None, registry: Registry | None = None) -> "DeepClustering":
        """Load what `save` has saved. No code runs from the folder.

        Args:
            path: of the folder.
            device: where the model computes; None: as it was configured, or the CPU where that device is missing.
            registry: the parts that names are looked up in, such as classes that were handed over; None: those that
                are installed.

        Returns:
            The fitted estimator.

        Raises:
            EstimatorError: the folder is damaged, or is none that `save` made.
            DecdaError: a part is missing or broken.
        """
        folder = Path(path)
        with as_value_errors():
            registry = registry_with(()) if registry is None else registry.copy()
            description = read_description(folder)
            try:
                given = description["parameters"].items()
                estimator = cls(**{name: from_json(name, value, registry) for name, value in given})
                names = description["feature_names_in"]
            except (KeyError, TypeError, AttributeError) as error:
                raise DataError(f"{folder / ESTIMATOR} is damaged: {error}.") from error
            run = load_finished(folder, registry, device=device)
            files = read_files(folder)
            estimator._keep(run, {name: content for name, content in files.items() if name != ESTIMATOR})
        if names is not None:
            estimator.feature_names_in_ = np.array(names, dtype=object)
        return estimator

    @property
    def _n_features_out(self) -> int:
        return int(self.cluster_centers_.shape[1])

    def _keep(self, run: Run, files: dict[str, bytes]) -> None:
        self.run_ = run
        self.labels_ = run.labels
        self.cluster_centers_ = run.model.head.centers.detach().cpu().numpy().copy()
        self.n_iter_ = int(run.ends["iterations"])
        self.n_features_in_ = math.prod(run.input_shape)
        self._files = files
        self._is_table = json.loads(files["provenance.json"]).get("value_range", ()) is None

    def _apply(self, name: Literal["z", "q"], X: Any) -> NDArray[np.float32]:
        with as_value_errors():
            method = self.run_.embed if name == "z" else self.run_.soft_assign
            return method(X) if is_path(X) else self._batches(method, self._checked(X))

    def _checked(self, X: Any) -> Any:
        return checked_array(self, X, reset=False, images=not self._is_table)

    def _batches(self, method: Callable[..., NDArray[np.float32]], data: Any) -> NDArray[np.float32]:
        """What the model makes of an array, in full batches, so that a row does not depend on those beside it."""
        if not len(data):
            raise DataError("There must be at least one image; there are none.")
        full = len(data) // FULL_ROWS * FULL_ROWS
        results = [method(data[:full])] if full else []
        if full < len(data):
            rest = as_numbers(data[full:])
            filled = np.concatenate([rest, np.repeat(rest[-1:], FULL_ROWS - len(rest), axis=0)])
            results.append(method(filled)[: len(rest)])
        return np.concatenate(results)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "run_")

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "run_" in state:
            state["_parts"] = local_parts(state.pop("run_"))
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        parts = state.pop("_parts", None)
        super().__setstate__(state)
        if parts is not None:
            self.run_ = restore_run(self._files, parts)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []  # embeddings are float32
        return tags


def _is_same(part: Any, other: Any) -> bool:
    """Whether two values of a parameter name the same part; not by `==`, which may be an array."""
    return part is other or (isinstance(part, str | Mapping) and isinstance(other, str | Mapping) and part == other)
