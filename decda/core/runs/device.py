"""The device that a run computes on."""

import os

import torch

from decda.core.errors import ConfigError
from decda.core.process.launch import launched_size, processes_here


def resolve_device(name: str) -> torch.device:
    """The device of a name.

    Args:
        name: `cpu`, `cuda`, `mps`, or `auto`: a CUDA device if there is one, else the CPU.

    Returns:
        The device.

    Raises:
        ConfigError: it is not available here.

    Example:
        >>> resolve_device("cpu")
        device(type='cpu')
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if (name == "cuda" and not torch.cuda.is_available()) or (name == "mps" and not torch.backends.mps.is_available()):
        raise ConfigError(
            f"The device '{name}' is not available to PyTorch {torch.__version__} here. Choose 'cpu'.",
            parameter="device",
        )
    if name == "mps" and launched_size() > 1:
        raise ConfigError("Processes cannot share a run on the device 'mps'. Choose 'cpu'.", parameter="device")
    if name == "cuda" and launched_size() > 1:
        return _own_gpu()
    return torch.device(name)


def _own_gpu() -> torch.device:
    """The GPU of this process among those that share a run on this machine."""
    number = int(os.environ.get("LOCAL_RANK", "0"))
    # Found out by all of them, or some would wait for the others.
    if max(processes_here(), number + 1) > torch.cuda.device_count():
        raise ConfigError(
            f"torchrun has started more processes here than there are GPUs ({torch.cuda.device_count()}). Give "
            "--nproc-per-node as many as there are, or choose the device 'cpu'.",
            parameter="device",
        )
    return torch.device("cuda", number)
