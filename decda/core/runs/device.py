"""The device that a run computes on."""

import torch

from decda.core.errors import ConfigError


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
    return torch.device(name)
