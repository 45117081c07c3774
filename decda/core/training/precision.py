"""In which number format a network computes. Weights, losses and the optimizer are float32 always."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

import torch

from decda.core.errors import ConfigError

Precision = Literal["float32", "tf32", "bfloat16"]


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse a format that the device does not have.

    Raises:
        ConfigError: tf32 without a CUDA device.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ConfigError(
            f"The precision 'tf32' exists on CUDA devices alone, and this run is on '{device.type}'. Take "
            "train.precision=bfloat16, which is faster on a CPU too, or float32."
        )


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[object]:
    """Within, `bfloat16` rounds the factors of products and convolutions to 7 bits; other formats change nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


@contextmanager
def matrix_products(precision: Precision, device: torch.device) -> Iterator[None]:
    """Within, CUDA computes products and convolutions in whole float32, or, with `tf32`, on factors rounded to 10 bits.

    PyTorch on its own would let convolutions, but not products, take tf32.
    """
    if device.type != "cuda":
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
