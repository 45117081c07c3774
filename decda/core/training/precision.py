"""The number format in which networks compute. Weights, losses and the optimizer are always float32."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch

from decda.core.errors import ConfigError

Precision = Literal["float32", "tf32", "bfloat16"]


def resolve_precision(precision: Precision | Literal["auto"], device: torch.device) -> Precision:
    """Choose the format of a run on a device.

    Args:
        precision: a format; or `auto`, bfloat16 on a CPU that multiplies it in hardware, else float32.
        device: where the networks compute.

    Returns:
        The format.

    Example:
        >>> resolve_precision("tf32", torch.device("cuda")), resolve_precision("auto", torch.device("mps"))
        ('tf32', 'float32')
    """
    if precision != "auto":
        return precision
    return "bfloat16" if device.type == "cpu" and _has_bfloat16() else "float32"


def _has_bfloat16() -> bool:
    # Older versions of PyTorch do not tell.
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))  # the last one of ARM


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse a format that the device does not have.

    Args:
        precision: the format.
        device: where the networks compute.

    Raises:
        ConfigError: tf32 without a CUDA device.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ConfigError(
            f"The precision 'tf32' exists only on CUDA devices, and this run is on '{device.type}'. Choose "
            "train.precision=bfloat16, which is faster on a CPU too, or float32."
        )


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Within, `bfloat16` rounds the factors of products and convolutions to 8 significant bits.

    Args:
        precision: the format; any but `bfloat16` changes nothing.
        device: where the networks compute.
    """
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


@contextmanager
def matmul_precision(precision: Precision, device: torch.device) -> Iterator[None]:
    """Within, CUDA multiplies and convolves in full float32 or, with `tf32`, with factors of 11 significant bits.

    By default PyTorch allows tf32 in convolutions but not in products. What the user has set is restored.

    Args:
        precision: the format.
        device: where the networks compute; only CUDA has this choice.
    """
    if device.type != "cuda":
        yield
        return
    # `allow_tf32`, the older switch of the same, cannot be read once anybody has used this one.
    cudnn: Any = torch.backends.cudnn
    switches: tuple[Any, ...] = torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn
    before = [switch.fp32_precision for switch in switches]
    for switch in switches:
        switch.fp32_precision = "tf32" if precision == "tf32" else "ieee"
    try:
        yield
    finally:
        for switch, former in zip(switches, before, strict=True):
            switch.fp32_precision = former
