"""Weights of modules in a safetensors file: written, read back, and taken up from an earlier run."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from decda.core.atomic_files import write_bytes_atomically
from decda.core.errors import DataError, OutOfMemory, in_a_line, is_out_of_memory
from decda.core.regular_files import open_regular
from decda.core.runs.reading import read_run

AUTOENCODER = "autoencoder.safetensors"
"""The file of a run's folder that holds the autoencoder as pretraining left it."""
MODEL = "model.safetensors"
"""The file of a run's folder that holds the trained model."""
MAX_BYTES = 2**36
"""More than the weights of any model that is trained here."""


def write_weights(path: Path, modules: Mapping[str, nn.Module]) -> None:
    """Write the states of modules into one file, each entry named `module.entry`.

    Args:
        path: of the file.
        modules: by name.

    Raises:
        OSError: the file cannot be written; what was there stays.
    """
    # Copied one by one to the CPU: safetensors refuses tensors that share memory (tied weights) or are not contiguous
    # (channels-last).
    tensors = {
        f"{prefix}.{entry}": tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for prefix, module in modules.items()
        for entry, tensor in module.state_dict().items()
    }
    # Not by safetensors' own writer, whose files only their owner may read, whatever the umask says.
    write_bytes_atomically(path, save(tensors))


def read_weights(path: Path, modules: Mapping[str, nn.Module], owner: str = "this model") -> None:
    """Load a file of `write_weights` into modules of the same shapes, in place; if one does not fit, none is changed.

    Args:
        path: of the file.
        modules: by the name they were written with; other entries of the file are ignored.
        owner: what errors call the modules.

    Raises:
        DataError: the file is missing or damaged, or belongs to another model.
        OutOfMemory: its content does not fit into memory.
    """
    try:
        open_regular(path, max_bytes=MAX_BYTES).close()
        tensors = load_file(path)
    except OSError as error:
        raise DataError(f"The weights {path} cannot be read: {error.strerror or error}.") from error
    except (SafetensorError, MemoryError, TypeError, ValueError, RuntimeError) as error:
        # Absurd shapes are refused by PyTorch, each in its own way.
        if is_out_of_memory(error):
            raise OutOfMemory(f"Out of memory: the weights {path} do not fit ({in_a_line(error)}).") from error
        raise DataError(f"The weights {path} cannot be read: {in_a_line(error)}.") from error
    states = {
        prefix: {n.removeprefix(f"{prefix}."): t for n, t in tensors.items() if n.startswith(f"{prefix}.")}
        for prefix in modules
    }
    for prefix, module in modules.items():
        misfit = _misfit(states[prefix], module)
        if misfit:
            raise DataError(f"The weights {path} do not fit {owner}: {misfit}. They belong to another model.")
    for prefix, module in modules.items():
        module.load_state_dict(states[prefix])


def find_pretrained(path: Path) -> Path:
    """The file of weights that a path means: the file itself, or that of the run whose folder it is.

    Args:
        path: a run's folder, or a file.

    Returns:
        The file.

    Raises:
        DataError: nothing is there, the run has not finished its pretraining, or it cannot be read.
    """
    file = path
    try:
        if path.is_dir():
            file = path / AUTOENCODER
        open_regular(file).close()
    except (FileNotFoundError, NotADirectoryError) as error:
        if file != path:
            raise DataError(
                f"The folder {path} holds no pretrained autoencoder ({AUTOENCODER}). Name a run that has finished its "
                "pretraining, or a file of weights."
            ) from error
        raise DataError(
            f"There is no pretrained autoencoder at {path}. Name a run's folder or a file of weights."
        ) from error
    except OSError as error:
        raise DataError(
            f"The pretrained autoencoder {file} cannot be read: {error.strerror}. Name a run's folder or a file of "
            "weights."
        ) from error
    return file


def load_pretrained(path: Path, autoencoder: nn.Module, owner: str) -> None:
    """Load pretrained weights into an autoencoder, in place.

    Args:
        path: from `find_pretrained`; `model.safetensors` of a run serves, too.
        autoencoder: of the same architecture, for images of the same shape.
        owner: what errors call it: `"conv"`.

    Raises:
        DataError: the file is damaged, or holds the weights of another autoencoder.
    """
    try:
        read_weights(path, {"autoencoder": autoencoder}, owner=f"the encoder '{owner}' of this run")
    except DataError as error:
        raise DataError(f"{error}{_origin(path)}") from error


def _misfit(state: Mapping[str, Tensor], module: nn.Module) -> str | None:
    """The first way in which a state does not fit a module."""
    wanted = module.state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            return f"'{name}' is missing"
        if state[name].shape != tensor.shape:
            return f"'{name}' has the shape {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        if state[name].dtype != tensor.dtype:
            return f"'{name}' holds {state[name].dtype} instead of {tensor.dtype}"
    extra = state.keys() - wanted.keys()
    return f"there is no place for '{min(extra)}'" if extra else None


def _origin(path: Path) -> str:
    """What the run says of itself in whose folder the file lies."""
    try:
        _, provenance = read_run(path.parent)
        encoder, shape = provenance["parts"]["encoder"]["name"], tuple(provenance["input_shape"])
    except (DataError, KeyError, TypeError):
        return ""
    return f" Its run says: encoder '{encoder}', images of shape {shape}."
