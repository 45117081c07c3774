"""Weights of an autoencoder that was pretrained before: found in a run's folder or a file, and loaded."""

from pathlib import Path

from torch import nn

from decda.core.errors import DataError
from decda.core.runs.folder import read_run, read_weights

WEIGHTS = "autoencoder.safetensors"
"""The file in a run's folder that holds them."""


def find_weights(path: Path) -> Path:
    """The file of weights that a path means: itself, or that of the run whose folder it is.

    Raises:
        DataError: there is nothing at that path, or the run has not ended its pretraining.
    """
    if path.is_dir():
        if not (path / WEIGHTS).is_file():
            raise DataError(
                f"The folder {path} holds no pretrained autoencoder ({WEIGHTS}). Name a run whose pretraining has "
                "ended, or a file of weights."
            )
        return path / WEIGHTS
    if not path.is_file():
        raise DataError(f"There is no pretrained autoencoder at {path}. Name a run's folder or a file of weights.")
    return path


def load_pretrained(path: Path, autoencoder: nn.Module, owner: str) -> None:
    """Load weights into an autoencoder, in place.

    Args:
        path: from `find_weights`; `model.safetensors` of a run serves, too.
        autoencoder: of the same architecture, for images of the same shape.
        owner: what errors call it: `"conv"`.

    Raises:
        DataError: the file is damaged, or holds the weights of another autoencoder.
    """
    try:
        read_weights(path, {"autoencoder": autoencoder}, owner=f"the encoder '{owner}' of this run")
    except DataError as error:
        raise DataError(f"{error}{_origin(path)}") from error


def _origin(path: Path) -> str:
    """What the run in whose folder the file lies says of it."""
    try:
        _, provenance = read_run(path.parent)
        encoder, shape = provenance["parts"]["encoder"]["name"], tuple(provenance["input_shape"])
    except (DataError, KeyError, TypeError):
        return ""
    return f" Its run says: encoder '{encoder}', images of shape {shape}."
