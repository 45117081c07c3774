"""Number formats: what is rounded, what is not, and that global switches are restored."""

import pytest
import torch

from decda.core.errors import ConfigError
from decda.core.training import precision as module
from decda.core.training.precision import (
    Precision,
    autocast,
    check_precision,
    matmul_precision,
    resolve_precision,
)

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def flags() -> tuple[str, str]:
    return torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision


def expected(precision: Precision) -> tuple[str, str]:
    return ("tf32", "tf32") if precision == "tf32" else ("ieee", "ieee")


@pytest.mark.parametrize("precision", ["float32", "tf32", "bfloat16"])
@pytest.mark.parametrize("inner", ["float32", "tf32"])
def test_tf32_is_on_only_within_the_context(precision: Precision, inner: Precision) -> None:
    """Matrix products and convolutions on CUDA use tf32 within its context and nowhere else."""
    before = flags()
    with matmul_precision(precision, CUDA):
        assert flags() == expected(precision)
        with matmul_precision(inner, CUDA):
            assert flags() == expected(inner)
        assert flags() == expected(precision)
    assert flags() == before


def test_an_error_restores_the_switches() -> None:
    """The switches are restored if a step fails."""
    before = flags()
    with pytest.raises(ZeroDivisionError), matmul_precision("tf32", CUDA):
        raise ZeroDivisionError
    assert flags() == before


def test_the_newer_switch_may_be_set() -> None:
    """Once a user has set `fp32_precision`, PyTorch refuses to read `allow_tf32`; steps still work and restore it."""
    before = flags()
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    torch.backends.cudnn.conv.fp32_precision = "ieee"
    try:
        with matmul_precision("float32", CUDA):
            assert flags() == ("ieee", "ieee")
        assert flags() == ("tf32", "ieee")
    finally:
        torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision = before


def test_a_cpu_has_no_switch() -> None:
    """On a CPU the CUDA switches are not touched."""
    before = flags()
    with matmul_precision("tf32", CPU):
        assert flags() == before


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_autocast(precision: Precision, dtype: torch.dtype) -> None:
    """A linear layer computes in bfloat16 within its context; float32 changes nothing."""
    layer, x = torch.nn.Linear(4, 2), torch.randn(3, 4)
    with autocast(precision, CPU):
        assert layer(x).dtype == dtype
    assert layer(x).dtype == torch.float32


def test_tf32_needs_cuda() -> None:
    """tf32 on another device is refused, and the error suggests an alternative."""
    with pytest.raises(ConfigError, match="train.precision=bfloat16"):
        check_precision("tf32", CPU)
    check_precision("tf32", CUDA)
    check_precision("bfloat16", CPU)


@pytest.mark.parametrize(
    ("capabilities", "found"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bfloat16"),
        ({"bf16": True}, "bfloat16"),
        ({"avx512_f": True, "avx512_bf16": False}, "float32"),
        ({}, "float32"),
    ],
)
def test_auto_is_bfloat16_where_a_cpu_has_it(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], found: str
) -> None:
    """Elsewhere, and on other devices, it is float32; a format that is named stays."""
    monkeypatch.setattr(module.torch.cpu, "get_capabilities", lambda: capabilities)
    assert resolve_precision("auto", CPU) == found
    assert resolve_precision("auto", CUDA) == "float32"
    assert resolve_precision("float32", CPU) == "float32"
    assert resolve_precision("bfloat16", CUDA) == "bfloat16"


def test_auto_without_a_list_of_capabilities(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of PyTorch that cannot tell computes in float32."""
    monkeypatch.delattr(module.torch.cpu, "get_capabilities")
    assert resolve_precision("auto", CPU) == "float32"
